// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// DNS messages off the wire: bounds, and records that survive being written anew.

#include <algorithm>
#include <string>

#include "fuzz/harness.hpp"
#include "resolver/dns_message.hpp"

namespace {

using namespace probekit;
using fuzz::require;

constexpr std::size_t kNameBytesMax = 255;

void append_u16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// A name in presentation form as it stands on the wire.
std::string wire_name(std::string_view name) {
  std::string out;
  std::string label;
  if (name == ".") return std::string(1, '\0');
  require(!name.empty() && name.back() == '.', "names are absolute");
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '.') {
      require(!label.empty() && label.size() <= 63, "labels are 1 to 63 bytes");
      out += static_cast<char>(label.size());
      out += label;
      label.clear();
    } else if (name[i] != '\\') {
      label += name[i];
    } else if (name[i + 1] >= '0' && name[i + 1] <= '9') {
      label += static_cast<char>((name[i + 1] - '0') * 100 + (name[i + 2] - '0') * 10 +
                                 (name[i + 3] - '0'));
      i += 3;
    } else {
      label += name[++i];
    }
  }
  require(label.empty(), "names are absolute");
  out += '\0';
  require(out.size() <= kNameBytesMax, "names are at most 255 bytes");
  return out;
}

bool is_opaque(const DnsResourceRecord& record) {
  return record.value.size() > 1 && record.value[0] == '\\' && record.value[1] == '#';
}

/// The same record alone in a message; only of those whose data hold no compressed names.
void check_again(const DnsResourceRecord& record, std::string_view packet) {
  std::string again{"\x12\x34\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00", 12};
  again += wire_name(record.name);
  append_u16(again, record.type);
  append_u16(again, record.dns_class);
  append_u16(again, record.ttl >> 16);
  append_u16(again, record.ttl & 0xFFFF);
  append_u16(again, record.rdata_size);
  again += packet.substr(record.rdata_offset, record.rdata_size);
  const auto message = decode_dns_message(again);
  require(message && message->answers.size() == 1, "a record decodes anew");
  const DnsResourceRecord& same = message->answers.front();
  require(same.name == record.name && same.type == record.type &&
              same.dns_class == record.dns_class && same.ttl == record.ttl &&
              same.value == record.value,
          "a record survives");
}

void check_section(const std::vector<DnsResourceRecord>& section, std::string_view packet) {
  require(section.size() * 11 <= packet.size(), "each record has its bytes");
  for (const DnsResourceRecord& record : section) {
    require(is_printable(record.name) && is_printable(record.value), "what is shown is ASCII");
    require(record.ttl <= 0x7fffffff, "a TTL is at most 31 bits");
    require(std::size_t{record.rdata_offset} + record.rdata_size <= packet.size(),
            "a record's data are in the packet");
    const bool fixed = record.type == kDnsTypeA || record.type == kDnsTypeAaaa ||
                       record.type == 16 || record.type == 257;
    if (fixed || is_opaque(record)) {
      check_again(record, packet);
    } else {
      wire_name(record.name);
    }
    require(!to_record(DnsResourceRecord(record)).type.empty(), "a type has a name");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet = fuzz::text_of(data, size);
  const auto message = decode_dns_message(packet);
  if (!message) {
    require(message.error().code() == errc::protocol_violation, "a refusal says malformed");
    return 0;
  }
  require(size >= 12 && size <= 65535, "a message has its size");
  for (const DnsQuestion& question : message->questions) wire_name(question.name);
  check_section(message->answers, packet);
  check_section(message->authority, packet);
  check_section(message->additional, packet);
  require(!dns_rcode_name(message->rcode).empty(), "a code has a name");
  return 0;
}
