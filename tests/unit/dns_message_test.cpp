// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/dns_message.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace probekit {
namespace {

// Builds packets by hand, so that they can be wrong.
class Packet {
 public:
  Packet& u8(unsigned value) {
    bytes_ += static_cast<char>(value);
    return *this;
  }
  Packet& u16(unsigned value) { return u8(value >> 8 & 255).u8(value & 255); }
  Packet& u32(std::uint32_t value) { return u16(value >> 16).u16(value & 0xffff); }
  Packet& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  // "www.example" becomes labels, without the closing root.
  Packet& labels(std::string_view dotted) {
    while (!dotted.empty()) {
      const std::size_t dot = dotted.find('.');
      const std::string_view label = dotted.substr(0, dot);
      u8(static_cast<unsigned>(label.size())).raw(label);
      dotted = dot == std::string_view::npos ? std::string_view{} : dotted.substr(dot + 1);
    }
    return *this;
  }
  Packet& name(std::string_view dotted) { return labels(dotted).u8(0); }
  Packet& header(unsigned flags, unsigned questions, unsigned answers, unsigned authority,
                 unsigned additional) {
    return u16(0x1234).u16(flags).u16(questions).u16(answers).u16(authority).u16(additional);
  }
  // A record of the name at offset 12.
  Packet& record(unsigned type, std::uint32_t ttl, std::string_view rdata, unsigned dns_class = 1) {
    return u16(0xc00c)
        .u16(type)
        .u16(dns_class)
        .u32(ttl)
        .u16(static_cast<unsigned>(rdata.size()))
        .raw(rdata);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// One answer to a question for example.com of that type.
Packet answer(unsigned type, std::string_view rdata) {
  Packet packet;
  packet.header(0x8180, 1, 1, 0, 0).name("example.com").u16(type).u16(1).record(type, 300, rdata);
  return packet;
}

std::string value_of(unsigned type, std::string_view rdata) {
  const auto message = decode_dns_message(answer(type, rdata).bytes());
  return message ? message->answers.at(0).value : message.error().message();
}

constexpr std::size_t kQuestionEnd = 12 + 13 + 4;

}  // namespace

TEST_CASE("a message decodes with its flags, question and answers", "[dns_message]") {
  Packet packet;
  packet.header(0x85b0, 1, 2, 1, 0).name("WWW.example.com").u16(1).u16(1);
  packet.record(5, 60, Packet().labels("web").u16(0xc010).bytes());
  packet.name("web.example.com").u16(1).u16(1).u32(30).u16(4).raw({"\xc0\x00\x02\x01", 4});
  packet.name("example.com").u16(2).u16(1).u32(9).u16(2).u16(0xc00c);
  const auto message = decode_dns_message(packet.bytes());
  REQUIRE(message);
  CHECK(message->id == 0x1234);
  CHECK((message->aa && !message->tc && message->rd && message->ra && message->ad && message->cd));
  CHECK(message->rcode == 0);
  CHECK_FALSE(message->edns);
  REQUIRE(message->questions.size() == 1);
  CHECK(message->questions[0].name == "WWW.example.com.");
  REQUIRE(message->answers.size() == 2);
  CHECK(message->answers[0].value == "web.example.com.");
  CHECK(message->answers[1].name == "web.example.com.");
  CHECK(message->answers[1].value == "192.0.2.1");
  CHECK(message->answers[1].ttl == 30);
  CHECK(packet.bytes().substr(message->answers[1].rdata_offset, 4) ==
        std::string("\xc0\x00\x02\x01", 4));
  REQUIRE(message->authority.size() == 1);
  CHECK(message->authority[0].value == "WWW.example.com.");
}

TEST_CASE("each known type has its presentation form", "[dns_message]") {
  CHECK(value_of(1, "\x7f\x01\x02\x03") == "127.1.2.3");
  std::string v6(16, '\0');
  v6[0] = 0x20;
  v6[1] = 0x01;
  v6[15] = 1;
  CHECK(value_of(28, v6) == "2001::1");
  CHECK(value_of(2, Packet().labels("ns").u16(0xc00c).bytes()) == "ns.example.com.");
  CHECK(value_of(12, Packet().name("host.example").bytes()) == "host.example.");
  CHECK(value_of(5, std::string(1, '\0')) == ".");
  CHECK(value_of(15, Packet().u16(10).labels("mx").u16(0xc00c).bytes()) == "10 mx.example.com.");
  CHECK(value_of(16, Packet().u8(3).raw("a\"b").u8(0).u8(2).raw("\x07 ").bytes()) ==
        R"("a\"b" "" "\007 ")");
  CHECK(value_of(6,
                 Packet().name("ns.a").name("root.a").u32(1).u32(2).u32(3).u32(4).u32(5).bytes()) ==
        "ns.a. root.a. 1 2 3 4 5");
  CHECK(value_of(33, Packet().u16(1).u16(2).u16(443).name("t.a").bytes()) == "1 2 443 t.a.");
  CHECK(value_of(257, Packet().u8(128).u8(5).raw("issueca.example").bytes()) ==
        R"(128 issue "ca.example")");
  CHECK(value_of(257, Packet().u8(0).u8(5).raw("issue").bytes()) == R"(0 issue "")");
}

TEST_CASE("types not known are shown as bytes", "[dns_message]") {
  CHECK(value_of(43, "\x01\xab") == R"(\# 2 01ab)");
  CHECK(value_of(65280, "") == R"(\# 0)");
  CHECK(dns_type_name(65280) == "TYPE65280");
  CHECK(dns_type_name(65) == "HTTPS");
  CHECK(dns_class_name(3) == "CH");
  CHECK(dns_class_name(9) == "CLASS9");
  CHECK(dns_rcode_name(3) == "NXDOMAIN");
  CHECK(dns_rcode_name(4000) == "RCODE4000");
  // Class CH gives A another meaning.
  Packet chaos;
  chaos.header(0x8000, 1, 1, 0, 0).name("example.com").u16(1).u16(3).record(1, 0, "abc", 3);
  CHECK(decode_dns_message(chaos.bytes())->answers.at(0).value == R"(\# 3 616263)");
}

TEST_CASE("odd bytes in names are escaped", "[dns_message]") {
  CHECK(value_of(12, Packet().u8(6).raw("a.b\\c ").u8(2).raw("\xff\x01").u8(0).bytes()) ==
        R"(a\.b\\c\032.\255\001.)");
}

TEST_CASE("plain and escaped labels keep their order", "[dns_message]") {
  const auto labels = [](std::initializer_list<std::string_view> all) {
    Packet name;
    for (const std::string_view label : all) {
      name.u8(static_cast<unsigned>(label.size())).raw(label);
    }
    return value_of(12, name.u8(0).bytes());
  };
  CHECK(labels({"mail", "eu", "a.b", "example", "x y", "com"}) ==
        R"(mail.eu.a\.b.example.x\032y.com.)");
  CHECK(labels({"a.b", "example"}) == R"(a\.b.example.)");
  CHECK(labels({"example", "a.b"}) == R"(example.a\.b.)");
  CHECK(labels({}) == ".");
}

TEST_CASE("a message decoded into an older one keeps nothing of it", "[dns_message]") {
  Packet first;
  first.header(0x85b3, 1, 1, 1, 2).name("example.com").u16(1).u16(1);
  first.record(1, 60, "abcd").record(1, 60, "abcd").record(1, 60, "abcd");
  first.u8(0).u16(41).u16(1232).u32(0).u16(0);
  DnsMessage message;
  REQUIRE(decode_dns_message(first.bytes(), message));
  CHECK(message.edns);
  CHECK(message.answers.size() + message.authority.size() + message.additional.size() == 3);
  Packet second;
  second.header(0x8000, 0, 0, 0, 0);
  REQUIRE(decode_dns_message(second.bytes(), message));
  CHECK_FALSE((message.aa || message.rd || message.ra || message.ad || message.cd));
  CHECK_FALSE(message.edns);
  CHECK(message.rcode == 0);
  CHECK(message.questions.empty());
  CHECK(message.answers.empty());
  CHECK(message.authority.empty());
  CHECK(message.additional.empty());
}

TEST_CASE("OPT extends the rcode and stands in no section", "[dns_message]") {
  Packet packet;
  packet.header(0x8000, 0, 0, 0, 1).u8(0).u16(41).u16(1232).u32(0x01000000).u16(4).raw("abcd");
  const auto message = decode_dns_message(packet.bytes());
  REQUIRE(message);
  CHECK(message->edns);
  CHECK(message->rcode == 16);
  CHECK(dns_rcode_name(message->rcode) == "BADVERS");
  CHECK(message->additional.empty());

  packet = Packet();
  packet.header(0x8000, 0, 0, 0, 2);
  for (int i = 0; i < 2; ++i) packet.u8(0).u16(41).u16(1232).u32(0).u16(0);
  CHECK_FALSE(decode_dns_message(packet.bytes()));
}

TEST_CASE("a TTL with its top bit set counts as zero", "[dns_message]") {
  Packet packet;
  packet.header(0x8000, 1, 1, 0, 0).name("example.com").u16(1).u16(1);
  packet.record(1, 0x80000001U, "\x7f\x01\x02\x03");
  CHECK(decode_dns_message(packet.bytes())->answers.at(0).ttl == 0);
}

TEST_CASE("loops of compression are refused", "[dns_message][hostile]") {
  CHECK(value_of(2, Packet().u16(0xc000 + kQuestionEnd + 12).bytes()) ==
        "malformed DNS message: a name's compression loops");
  // A label, then back to that label.
  CHECK(value_of(2, Packet().labels("a").u16(0xc000 + kQuestionEnd + 12).bytes()) ==
        "malformed DNS message: a name's compression loops");
  // Forwards.
  CHECK(value_of(2, Packet().u16(0xc0ff).bytes()) ==
        "malformed DNS message: a name's compression loops");
  // Each pointer leads back, but there are too many of them.
  Packet chain;
  chain.header(0x8000, 1, 1, 0, 0).name("a").u16(1).u16(1);
  chain.u8(0).u16(65280).u16(1).u32(0);
  std::string pointers = Packet().u16(0xc00c).bytes();
  const unsigned first = static_cast<unsigned>(chain.bytes().size()) + 2;
  for (unsigned i = 0; i < 100; ++i) pointers += Packet().u16(0xc000 + first + 2 * i).bytes();
  chain.u16(static_cast<unsigned>(pointers.size())).raw(pointers);
  std::string bytes = chain.bytes();
  bytes[7] = 2;
  bytes += Packet().u16(0xc000 + first + 200).u16(65280).u16(1).u32(0).u16(0).bytes();
  CHECK_FALSE(decode_dns_message(bytes));
}

TEST_CASE("names over 255 bytes are refused", "[dns_message][hostile]") {
  const std::string label(63, 'x');
  Packet just;
  just.labels(label).labels(label).labels(label).labels(std::string(61, 'y')).u8(0);
  CHECK(just.bytes().size() == 255);
  CHECK(value_of(2, just.bytes()).size() == 254);
  Packet over;
  over.labels(label).labels(label).labels(label).labels(std::string(62, 'y')).u8(0);
  CHECK(value_of(2, over.bytes()) == "malformed DNS message: a name is over 255 bytes");
  CHECK_FALSE(decode_dns_message(answer(2, Packet().u8(0x40).u8(0).bytes()).bytes()));
}

TEST_CASE("data that do not fit their type are refused", "[dns_message][hostile]") {
  CHECK_FALSE(decode_dns_message(answer(1, "abc").bytes()));
  CHECK_FALSE(decode_dns_message(answer(1, "abcde").bytes()));
  CHECK_FALSE(decode_dns_message(answer(28, "abcd").bytes()));
  CHECK_FALSE(decode_dns_message(answer(16, "").bytes()));
  CHECK_FALSE(decode_dns_message(answer(16,
                                        "\x05"
                                        "abc")
                                     .bytes()));
  CHECK_FALSE(decode_dns_message(answer(15, "a").bytes()));
  CHECK_FALSE(decode_dns_message(answer(257, std::string("\0\0x", 3)).bytes()));
  CHECK_FALSE(decode_dns_message(answer(257, std::string("\0\x09x", 3)).bytes()));
  CHECK_FALSE(decode_dns_message(answer(5, Packet().name("a").u8(7).bytes()).bytes()));
  // A name may not run out of its record into the next.
  CHECK_FALSE(decode_dns_message((answer(5,
                                         "\x03"
                                         "ab")
                                      .bytes() +
                                  std::string("cd\0", 3))));
}

TEST_CASE("every cut of a good message is refused, none crashes", "[dns_message][hostile]") {
  CHECK_FALSE(decode_dns_message(""));
  Packet packet;
  packet.header(0x8180, 1, 3, 1, 1).name("example.com").u16(15).u16(1);
  packet.record(15, 1, Packet().u16(1).labels("mx").u16(0xc00c).bytes());
  packet.record(16, 1, "\x03xyz");
  packet.record(257, 1, Packet().u8(0).u8(5).raw("issuex").bytes());
  packet.record(6, 1, Packet().u16(0xc00c).u16(0xc00c).u32(1).u32(2).u32(3).u32(4).u32(5).bytes());
  packet.u8(0).u16(41).u16(1232).u32(0).u16(0);
  const std::string whole = packet.bytes();
  REQUIRE(decode_dns_message(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    // A copy of its own, so that a read past the end is one past the allocation.
    const std::string cut = whole.substr(0, size);
    CHECK_FALSE(decode_dns_message(cut));
  }
  // Each byte changed to each of a few values must not crash; what it then says does not matter.
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x3f, 0x40, 0xc0, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      (void)decode_dns_message(changed);
    }
  }
  CHECK(decode_dns_message(whole + "trailing"));
}

TEST_CASE("what is no answer to a query is refused", "[dns_message][hostile]") {
  const auto question = decode_dns_message(Packet().header(0x0100, 0, 0, 0, 0).bytes());
  REQUIRE_FALSE(question);
  CHECK(question.error().message().find("a question") != std::string::npos);
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    CAPTURE(opcode);
    CHECK_FALSE(decode_dns_message(Packet().header(0x8000 | opcode << 11, 0, 0, 0, 0).bytes()));
  }
  CHECK(decode_dns_message(Packet().header(0x87ff, 0, 0, 0, 0).bytes()));
}

TEST_CASE("counts beyond what is there are refused", "[dns_message][hostile]") {
  CHECK_FALSE(decode_dns_message(Packet().header(0x8000, 65535, 0, 0, 0).bytes()));
  CHECK_FALSE(decode_dns_message(Packet().header(0x8000, 0, 65535, 65535, 65535).bytes()));
  CHECK(decode_dns_message(Packet().header(0x8002, 0, 0, 0, 0).bytes())->rcode == 2);
}

}  // namespace probekit
