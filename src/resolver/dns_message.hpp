// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Reads DNS messages off the wire: every section, with flags and TTLs, from bytes nobody vouches
/// for. No library decodes here, because none hands out what a prober wants to show. Plain values
/// and pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_result.hpp"

namespace probekit {

/// Of the header and of OPT: what they mean (RFC 1035 4.1.1, RFC 2136 2.2, RFC 6891 9).
enum class DnsRcode : std::uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5,
};

/// Record types that this library treats as more than bytes (IANA registry).
constexpr std::uint16_t kDnsTypeA = 1;
constexpr std::uint16_t kDnsTypeCname = 5;
constexpr std::uint16_t kDnsTypeSoa = 6;
constexpr std::uint16_t kDnsTypeAaaa = 28;
constexpr std::uint16_t kDnsTypeOpt = 41;

struct DnsQuestion {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t dns_class = 0;
};

/// One record. Names are absolute, with their final dot; what is not a printable ASCII character,
/// and dots and backslashes inside a label, stand escaped (RFC 4343 2.1).
struct DnsResourceRecord {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t dns_class = 0;
  std::uint32_t ttl = 0;           ///< 0 where the top bit was set (RFC 2181 8)
  std::string value;               ///< presentation form; types not known here as RFC 3597 5 hex
  std::uint16_t rdata_offset = 0;  ///< of the bytes in the packet
  std::uint16_t rdata_size = 0;
};

struct DnsMessage {
  std::uint16_t id = 0;
  bool aa = false, tc = false, rd = false, ra = false, ad = false, cd = false;
  std::uint16_t rcode = 0;  ///< with the upper eight bits of OPT
  bool edns = false;        ///< it holds an OPT record; that one stands in no section
  std::vector<DnsQuestion> questions;
  std::vector<DnsResourceRecord> answers;
  std::vector<DnsResourceRecord> authority;
  std::vector<DnsResourceRecord> additional;
};

/// Decodes a whole answer; bytes after its last record are ignored. *Errors*: protocol_violation,
/// saying what is wrong and where; a query that was sent back, or an answer to something else than
/// a query, is wrong too (QR and OPCODE, RFC 1035 4.1.1).
PROBEKIT_EXPORT Expected<DnsMessage> decode_dns_message(std::string_view packet);
/// The same into `message`, whatever it held, in the memory it has; after an error its contents
/// are unspecified.
PROBEKIT_EXPORT Expected<void> decode_dns_message(std::string_view packet, DnsMessage& message);

/// "NOERROR", "NXDOMAIN"; "RCODE11" for one without a name.
PROBEKIT_EXPORT std::string dns_rcode_name(std::uint16_t rcode);
/// "A", "MX"; "TYPE65280" for one without a name (RFC 3597 5).
PROBEKIT_EXPORT std::string dns_type_name(std::uint16_t type);
/// "IN", "CH"; "CLASS5" for one without a name.
PROBEKIT_EXPORT std::string dns_class_name(std::uint16_t dns_class);

/// The form results have.
PROBEKIT_EXPORT DnsRecord to_record(DnsResourceRecord&& record);

}  // namespace probekit
