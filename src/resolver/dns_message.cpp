// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/dns_message.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace probekit {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kNameBytesMax = 255;  // RFC 1035 2.3.4
constexpr int kJumpsMax = 64;               // a name has at most 127 labels; real ones jump twice
constexpr std::uint16_t kClassIn = 1;

struct Named {
  std::uint16_t number;
  std::string_view name;
};

constexpr Named kTypes[] = {
    {1, "A"},       {2, "NS"},      {5, "CNAME"},    {6, "SOA"},         {12, "PTR"},
    {13, "HINFO"},  {15, "MX"},     {16, "TXT"},     {17, "RP"},         {18, "AFSDB"},
    {28, "AAAA"},   {29, "LOC"},    {33, "SRV"},     {35, "NAPTR"},      {37, "CERT"},
    {39, "DNAME"},  {41, "OPT"},    {43, "DS"},      {44, "SSHFP"},      {46, "RRSIG"},
    {47, "NSEC"},   {48, "DNSKEY"}, {50, "NSEC3"},   {51, "NSEC3PARAM"}, {52, "TLSA"},
    {53, "SMIMEA"}, {59, "CDS"},    {60, "CDNSKEY"}, {61, "OPENPGPKEY"}, {62, "CSYNC"},
    {63, "ZONEMD"}, {64, "SVCB"},   {65, "HTTPS"},   {99, "SPF"},        {108, "EUI48"},
    {109, "EUI64"}, {250, "TSIG"},  {255, "ANY"},    {256, "URI"},       {257, "CAA"},
};

constexpr Named kRcodes[] = {
    {0, "NOERROR"},  {1, "FORMERR"},  {2, "SERVFAIL"},  {3, "NXDOMAIN"},   {4, "NOTIMP"},
    {5, "REFUSED"},  {6, "YXDOMAIN"}, {7, "YXRRSET"},   {8, "NXRRSET"},    {9, "NOTAUTH"},
    {10, "NOTZONE"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},   {19, "BADMODE"},
    {20, "BADNAME"}, {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"},
};

template <std::size_t N>
std::string name_of(const Named (&table)[N], std::uint16_t number, const char* otherwise) {
  for (const Named& entry : table) {
    if (entry.number == number) return std::string{entry.name};
  }
  return otherwise + std::to_string(number);
}

void append_escaped(std::string& out, unsigned char byte, std::string_view special) {
  if (byte < 0x21 || byte > 0x7e) {
    const char digits[] = {'\\', static_cast<char>('0' + byte / 100),
                           static_cast<char>('0' + byte / 10 % 10),
                           static_cast<char>('0' + byte % 10)};
    out.append(digits, sizeof digits);
    return;
  }
  if (special.find(static_cast<char>(byte)) != std::string_view::npos) out += '\\';
  out += static_cast<char>(byte);
}

// What nearly all labels are made of: nothing to escape.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 'a'; c <= 'z'; ++c) plain[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) plain[static_cast<std::size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) plain[static_cast<std::size_t>(c)] = true;
  plain['-'] = plain['_'] = true;
  return plain;
}();

bool is_plain(char c) { return kPlain[static_cast<unsigned char>(c)]; }

// Walks the packet. After the first fault everything reads as zero and `fault` stays set, so that
// callers check once a record.
class Cursor {
 public:
  explicit Cursor(std::string_view packet) : packet_(packet) {}

  const char* fault() const { return fault_; }
  std::size_t at() const { return at_; }

  void fail(const char* what) {
    if (fault_ == nullptr) fault_ = what;
  }

  std::uint8_t u8() {
    if (fault_ != nullptr || at_ >= end()) return fail("it ends early"), std::uint8_t{0};
    return byte(at_++);
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return number(4); }
  std::string_view bytes(std::size_t count) {
    if (fault_ != nullptr || count > end() - at_) return fail("it ends early"), std::string_view{};
    const std::string_view piece = packet_.substr(at_, count);
    at_ += count;
    return piece;
  }

  // A name at the cursor, in absolute presentation form. A pointer must lead back before the
  // labels it continues, so a chain of them ends.
  std::string name() {
    std::string escaped;  // all up to the last label that needed it, without its dot
    std::array<char, kNameBytesMax> plain;
    std::size_t size = 0;
    std::size_t at = at_;
    std::size_t start = at_;
    std::size_t limit = end();
    std::size_t wire = 1;
    int jumps = 0;
    bool jumped = false;
    while (fault_ == nullptr) {
      if (at >= limit) return fail("a name ends early"), std::string{};
      const unsigned length = byte(at);
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        if (wire == 1) return ".";
        if (escaped.empty()) return {plain.data(), size};
        return escaped.append(plain.data(), size);
      }
      if (length >= 0xc0) {
        if (at + 1 >= limit) return fail("a name ends early"), std::string{};
        const std::size_t target = (length & 0x3fU) << 8 | byte(at + 1);
        if (!jumped) at_ = at + 2;
        if (target >= start || ++jumps > kJumpsMax) {
          return fail("a name's compression loops"), std::string{};
        }
        jumped = true;
        at = start = target;
        limit = packet_.size();
        continue;
      }
      if (length > 63) return fail("a label has an unknown form"), std::string{};
      if (length >= limit - at) return fail("a name ends early"), std::string{};
      wire += length + 1;
      if (wire > kNameBytesMax) return fail("a name is over 255 bytes"), std::string{};
      const std::string_view label = packet_.substr(at + 1, length);
      if (std::all_of(label.begin(), label.end(), is_plain)) {
        std::copy(label.begin(), label.end(), plain.begin() + size);
        size += length;
      } else {
        escaped.append(plain.data(), std::exchange(size, 0));
        for (const char c : label) append_escaped(escaped, static_cast<unsigned char>(c), ".\\");
      }
      plain[size++] = '.';
      at += length + 1;
    }
    return {};
  }

  // Until leave(), nothing after the next `count` bytes can be read.
  bool enter(std::size_t count) {
    if (fault_ != nullptr || count > end() - at_) return fail("a record's data end early"), false;
    end_ = at_ + count;
    return true;
  }
  void leave() {
    if (fault_ == nullptr && at_ != end_) fail("a record's data do not fit its type");
    end_ = kOpen;
  }
  bool done() const { return fault_ != nullptr || at_ >= end(); }

 private:
  static constexpr std::size_t kOpen = static_cast<std::size_t>(-1);

  std::uint32_t number(std::size_t size) {
    if (fault_ != nullptr || end() - at_ < size) return fail("it ends early"), 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | byte(at_ + i);
    at_ += size;
    return value;
  }

  std::size_t end() const { return end_ == kOpen ? packet_.size() : end_; }
  std::uint8_t byte(std::size_t at) const { return static_cast<std::uint8_t>(packet_[at]); }

  std::string_view packet_;
  std::size_t at_ = 0;
  std::size_t end_ = kOpen;
  const char* fault_ = nullptr;
};

std::string v4_text(std::string_view bytes) {
  char text[16];
  char* at = text;
  for (const char c : bytes) {
    if (at != text) *at++ = '.';
    at = std::to_chars(at, text + sizeof text, static_cast<unsigned>(static_cast<unsigned char>(c)))
             .ptr;
  }
  return {text, at};
}

std::string v6_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  if (bytes.empty() || inet_ntop(AF_INET6, bytes.data(), text, sizeof text) == nullptr) return {};
  return text;
}

void append_quoted(std::string& out, std::string_view bytes) {
  out += '"';
  for (const char c : bytes) {
    if (c == ' ') {
      out += c;
    } else {
      append_escaped(out, static_cast<unsigned char>(c), "\"\\");
    }
  }
  out += '"';
}

std::string hex_value(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\\# " + std::to_string(bytes.size());
  if (bytes.empty()) return out;
  out.reserve(out.size() + 1 + 2 * bytes.size());
  out += ' ';
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string number(std::uint32_t value) { return std::to_string(value); }

std::string rdata_value(Cursor& in, std::uint16_t type, std::uint16_t dns_class, std::size_t size) {
  // Outside class IN only the types that mean the same everywhere are read (RFC 1035 3.3).
  const bool everywhere =
      type == 2 || type == 5 || type == 6 || type == 12 || type == 15 || type == 16;
  if (dns_class != kClassIn && !everywhere) return hex_value(in.bytes(size));
  std::string out;
  switch (type) {
    case kDnsTypeA:
      return v4_text(in.bytes(4));
    case kDnsTypeAaaa:
      return v6_text(in.bytes(16));
    case 2:   // NS
    case 5:   // CNAME
    case 12:  // PTR
    case 39:  // DNAME
      return in.name();
    case 15:  // MX
      out = number(in.u16());
      out += ' ';
      return out += in.name();
    case 16:  // TXT
    case 99:  // SPF
      do {
        if (!out.empty()) out += ' ';
        append_quoted(out, in.bytes(in.u8()));
      } while (!in.done());
      return out;
    case kDnsTypeSoa:
      out = in.name();
      out += ' ';
      out += in.name();
      for (int i = 0; i < 5; ++i) {
        out += ' ';
        out += number(in.u32());
      }
      return out;
    case 33:  // SRV (RFC 2782)
      for (int i = 0; i < 3; ++i) {
        out += number(in.u16());
        out += ' ';
      }
      return out += in.name();
    case 257: {  // CAA (RFC 8659 4.1)
      out = number(in.u8());
      out += ' ';
      const std::string_view tag = in.bytes(in.u8());
      if (tag.empty()) in.fail("a CAA record has no tag");
      for (const char c : tag) append_escaped(out, static_cast<unsigned char>(c), "\"\\");
      out += ' ';
      const std::size_t rest = size - 2 - tag.size();
      append_quoted(out, in.fault() == nullptr ? in.bytes(rest) : std::string_view{});
      return out;
    }
    default:
      return hex_value(in.bytes(size));
  }
}

void read_section(Cursor& in, std::uint16_t count, bool holds_opt, DnsMessage& message,
                  std::vector<DnsResourceRecord>& section) {
  section.clear();
  section.reserve(std::min<std::size_t>(count, 16));
  for (unsigned i = 0; i < count; ++i) {
    DnsResourceRecord record;
    record.name = in.name();
    record.type = in.u16();
    record.dns_class = in.u16();
    record.ttl = in.u32();
    record.rdata_size = in.u16();
    if (in.fault() != nullptr) return;
    record.rdata_offset = static_cast<std::uint16_t>(in.at());
    if (!in.enter(record.rdata_size)) return;
    if (holds_opt && record.type == kDnsTypeOpt) {
      if (message.edns) in.fail("it holds two OPT records");
      message.edns = true;
      message.rcode = static_cast<std::uint16_t>((record.ttl >> 24) << 4 | message.rcode);
      in.bytes(record.rdata_size);
      in.leave();
      continue;
    }
    if (record.ttl > 0x7fffffffU) record.ttl = 0;
    record.value = rdata_value(in, record.type, record.dns_class, record.rdata_size);
    in.leave();
    if (in.fault() != nullptr) return;
    section.push_back(std::move(record));
  }
}

}  // namespace

Expected<DnsMessage> decode_dns_message(std::string_view packet) {
  DnsMessage message;
  if (auto decoded = decode_dns_message(packet, message); !decoded) return decoded.error();
  return message;
}

Expected<void> decode_dns_message(std::string_view packet, DnsMessage& message) {
  const auto malformed = [](const char* what) {
    return Error(errc::protocol_violation, std::string("malformed DNS message: ") + what);
  };
  if (packet.size() < kHeaderBytes) return malformed("it is shorter than a header");
  if (packet.size() > 65535) return malformed("it is over 65535 bytes");

  Cursor in(packet);
  message.edns = false;
  message.questions.clear();
  message.id = in.u16();
  const unsigned flags = in.u16();
  if ((flags & 0x8000U) == 0) return malformed("it is no answer, but a question");
  if ((flags >> 11 & 15U) != 0) return malformed("it answers something else than a query");
  message.aa = (flags & 0x0400U) != 0;
  message.tc = (flags & 0x0200U) != 0;
  message.rd = (flags & 0x0100U) != 0;
  message.ra = (flags & 0x0080U) != 0;
  message.ad = (flags & 0x0020U) != 0;
  message.cd = (flags & 0x0010U) != 0;
  message.rcode = static_cast<std::uint16_t>(flags & 15U);
  std::array<std::uint16_t, 4> counts{};
  for (std::uint16_t& count : counts) count = in.u16();

  for (unsigned i = 0; i < counts[0] && in.fault() == nullptr; ++i) {
    DnsQuestion question;
    question.name = in.name();
    question.type = in.u16();
    question.dns_class = in.u16();
    if (in.fault() == nullptr) message.questions.push_back(std::move(question));
  }
  read_section(in, counts[1], false, message, message.answers);
  read_section(in, counts[2], false, message, message.authority);
  read_section(in, counts[3], true, message, message.additional);
  if (in.fault() != nullptr) return malformed(in.fault());
  return {};
}

std::string dns_rcode_name(std::uint16_t rcode) { return name_of(kRcodes, rcode, "RCODE"); }

std::string dns_type_name(std::uint16_t type) { return name_of(kTypes, type, "TYPE"); }

std::string dns_class_name(std::uint16_t dns_class) {
  switch (dns_class) {
    case 1:
      return "IN";
    case 3:
      return "CH";
    case 4:
      return "HS";
    case 254:
      return "NONE";
    case 255:
      return "ANY";
    default:
      return "CLASS" + std::to_string(dns_class);
  }
}

DnsRecord to_record(DnsResourceRecord&& record) {
  DnsRecord out;
  out.name = std::move(record.name);
  out.type = dns_type_name(record.type);
  out.dns_class = dns_class_name(record.dns_class);
  out.ttl = record.ttl;
  out.value = std::move(record.value);
  return out;
}

}  // namespace probekit
