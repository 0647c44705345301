// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "json/json_cursor.hpp"

#include <cstring>
#include <limits>

#include "base/text.hpp"

namespace probekit::json {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

constexpr std::uint64_t repeat(unsigned char byte) { return kOnes * byte; }

// The first byte that is not printable ASCII, or is a quote or a backslash; `end` when there is
// none. Eight bytes at a time: in each test below the lowest bit set is exact, those above it may
// come from a borrow.
const char* find_special(const char* at, const char* end) noexcept {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  while (end - at >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    const std::uint64_t quote = word ^ repeat('"');
    const std::uint64_t backslash = word ^ repeat('\\');
    const std::uint64_t found = (word | ((word - repeat(0x20)) & ~word) |
                                 ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash)) &
                                kHighs;
    if (found != 0) return at + __builtin_ctzll(found) / 8;
    at += 8;
  }
#endif
  for (; at != end; ++at) {
    const auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return at;
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

unsigned hex4(const char* at) noexcept {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) value = value * 16 + static_cast<unsigned>(hex_value(at[i]));
  return value;
}

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace

bool Cursor::fail(const char* what) {
  if (fault_ == nullptr) {
    fault_ = what;
    fault_at_ = at_;
  }
  return false;
}

Error Cursor::error() const {
  return Error{make_error_code(errc::protocol_violation),
               std::string{fault_ != nullptr ? fault_ : "no fault"} + " at byte " +
                   std::to_string((fault_at_ != nullptr ? fault_at_ : at_) - begin_)};
}

void Cursor::skip_space() noexcept {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

char Cursor::peek() noexcept {
  skip_space();
  return at_ != end_ ? *at_ : '\0';
}

bool Cursor::enter(char bracket) {
  if (!ok()) return false;
  if (peek() != bracket) return fail(bracket == '{' ? "expected an object" : "expected an array");
  if (depth_ == depth_max_) return fail("nested too deeply");
  ++at_;
  ++depth_;
  fresh_ |= std::uint64_t{1} << depth_;
  return true;
}

// Steps over the comma before the next element, or over the closing bracket.
bool Cursor::separator(char closing, bool& ended) {
  if (!ok()) return false;
  ended = false;
  const std::uint64_t bit = std::uint64_t{1} << depth_;
  const bool fresh = (fresh_ & bit) != 0;
  fresh_ &= ~bit;
  const char c = peek();
  if (c == closing) {
    ++at_;
    --depth_;
    ended = true;
    return true;
  }
  if (fresh) return true;
  if (c != ',') return fail("expected a comma or the end of the list");
  ++at_;
  return true;
}

bool Cursor::next_member(std::string_view& key) {
  bool ended = false;
  if (!separator('}', ended) || ended) return false;
  if (peek() != '"') return fail("expected a member's name");
  bool escaped = false;
  if (!scan_string(key, escaped)) return false;
  if (escaped) {
    key_.clear();
    unescape(key, key_);
    key = key_;
  }
  if (peek() != ':') return fail("expected a colon");
  ++at_;
  return true;
}

bool Cursor::next_item() {
  bool ended = false;
  if (!separator(']', ended) || ended) return false;
  return peek() != ']' || fail("expected a value");
}

bool Cursor::literal(std::string_view word) {
  if (static_cast<std::size_t>(end_ - at_) < word.size() ||
      std::memcmp(at_, word.data(), word.size()) != 0)
    return fail("expected a value");
  at_ += word.size();
  return true;
}

bool Cursor::read_bool(bool& value) {
  if (!ok()) return false;
  const char c = peek();
  if (c != 't' && c != 'f') return fail("expected true or false");
  value = c == 't';
  return literal(value ? "true" : "false");
}

bool Cursor::read_uint(std::uint64_t& value, std::uint64_t max) {
  if (!ok()) return false;
  if (!is_digit(peek())) return fail("expected an unsigned integer");
  const char* const start = at_;
  std::uint64_t sum = 0;
  for (; at_ != end_ && is_digit(*at_); ++at_) {
    const auto digit = static_cast<std::uint64_t>(*at_ - '0');
    if (sum > (std::numeric_limits<std::uint64_t>::max() - digit) / 10)
      return fail("number out of range");
    sum = sum * 10 + digit;
  }
  if (*start == '0' && at_ - start > 1) return fail("a number may not start with 0");
  if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E'))
    return fail("expected an integer");
  if (sum > max) return fail("number out of range");
  value = sum;
  return true;
}

bool Cursor::read_int(std::int64_t& value) {
  if (!ok()) return false;
  const bool negative = peek() == '-';
  if (negative) ++at_;
  if (at_ == end_ || !is_digit(*at_)) return fail("expected an integer");
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t magnitude = 0;
  if (!read_uint(magnitude, kMax)) return false;
  value = static_cast<std::int64_t>(magnitude);
  if (negative) value = -value;
  return true;
}

bool Cursor::skip_number() {
  const auto digits = [this] {
    const char* const start = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ - start;
  };
  if (*at_ == '-') ++at_;
  const char* const start = at_;
  const auto whole = digits();
  if (whole == 0) return fail("expected a value");
  if (*start == '0' && whole > 1) return fail("a number may not start with 0");
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (digits() == 0) return fail("expected a digit");
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (digits() == 0) return fail("expected a digit");
  }
  return true;
}

bool Cursor::scan_escape() {
  const char c = at_ + 1 < end_ ? at_[1] : '\0';
  if (c == 'u') {
    const auto four_digits = [this](const char* from) {
      if (end_ - from < 4) return false;
      for (int i = 0; i < 4; ++i)
        if (hex_value(from[i]) < 0) return false;
      return true;
    };
    if (!four_digits(at_ + 2)) return fail("expected four hex digits");
    const unsigned code = hex4(at_ + 2);
    if (code >= 0xDC00 && code <= 0xDFFF) return fail("half of a surrogate pair");
    at_ += 6;
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u' || !four_digits(at_ + 2))
        return fail("half of a surrogate pair");
      const unsigned low = hex4(at_ + 2);
      if (low < 0xDC00 || low > 0xDFFF) return fail("half of a surrogate pair");
      at_ += 6;
    }
    return true;
  }
  if (c == '\0' || std::strchr("\"\\/bfnrt", c) == nullptr) return fail("unknown escape");
  at_ += 2;
  return true;
}

bool Cursor::scan_utf8() {
  const std::size_t length = utf8_sequence_length({at_, static_cast<std::size_t>(end_ - at_)});
  if (length == 0) return fail("not UTF-8");
  at_ += length;
  return true;
}

// At the opening quote; `raw` is what stands between the quotes.
bool Cursor::scan_string(std::string_view& raw, bool& escaped) {
  ++at_;
  const char* const start = at_;
  for (;;) {
    at_ = find_special(at_, end_);
    if (at_ == end_) return fail("the text ends inside a string");
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') break;
    if (c == '\\') {
      escaped = true;
      if (!scan_escape()) return false;
    } else if (c < 0x20) {
      return fail("control character in a string");
    } else if (!scan_utf8()) {
      return false;
    }
  }
  raw = std::string_view{start, static_cast<std::size_t>(at_ - start)};
  ++at_;
  return true;
}

// Of a string that scan_string() has accepted.
void Cursor::unescape(std::string_view raw, std::string& out) {
  std::size_t i = 0;
  while (i < raw.size()) {
    const std::size_t next = raw.find('\\', i);
    out.append(raw, i, next == std::string_view::npos ? next : next - i);
    if (next == std::string_view::npos) return;
    const char c = raw[next + 1];
    i = next + 2;
    switch (c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        unsigned code = hex4(raw.data() + i);
        i += 4;
        if (code >= 0xD800 && code <= 0xDBFF) {
          code = 0x10000 + ((code - 0xD800) << 10) + (hex4(raw.data() + i + 2) - 0xDC00);
          i += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out += c;
    }
  }
}

bool Cursor::read_string(std::string& value, std::size_t bytes_max) {
  if (!ok()) return false;
  if (peek() != '"') return fail("expected a string");
  std::string_view raw;
  bool escaped = false;
  if (!scan_string(raw, escaped)) return false;
  if (escaped) {
    // An escape is up to six bytes for one.
    if (raw.size() / 6 > bytes_max) return fail("string too long");
    value.clear();
    unescape(raw, value);
  } else {
    if (raw.size() > bytes_max) return fail("string too long");
    value.assign(raw);
  }
  return value.size() <= bytes_max || fail("string too long");
}

// Not recursive, and in one piece: this is where most bytes of a results message go by.
bool Cursor::skip() {
  if (!ok()) return false;
  std::uint64_t objects = 0;  // bit 0: the innermost bracket is a brace
  std::size_t depth = 0;
  const auto string = [this] {
    std::string_view raw;
    bool escaped = false;
    return scan_string(raw, escaped);
  };
  bool want_key = false;
  for (;;) {
    char c = peek();
    if (want_key) {
      if (c != '"') return fail("expected a member's name");
      if (!string()) return false;
      if (peek() != ':') return fail("expected a colon");
      ++at_;
      c = peek();
    }
    if (c == '"') {
      if (!string()) return false;
    } else if (c == '{' || c == '[') {
      if (depth_ + depth == depth_max_) return fail("nested too deeply");
      ++at_;
      if (peek() != (c == '{' ? '}' : ']')) {
        want_key = c == '{';
        objects = objects << 1 | (want_key ? 1U : 0U);
        ++depth;
        continue;
      }
      ++at_;
    } else if (c == '-' || is_digit(c)) {
      if (!skip_number()) return false;
    } else if (c == '\0') {
      return fail("the text ends too early");
    } else if (!literal(c == 't' ? "true" : c == 'f' ? "false" : "null")) {
      return false;
    }
    // A value is complete, and with it what it closes.
    for (;;) {
      if (depth == 0) return true;
      const char next = peek();
      want_key = (objects & 1) != 0;
      if (next == ',') {
        ++at_;
        break;
      }
      if (next != (want_key ? '}' : ']')) return fail("expected a comma or the end of the list");
      ++at_;
      --depth;
      objects >>= 1;
    }
  }
}

bool Cursor::read_object_text(std::string_view& text, std::size_t bytes_max) {
  if (!ok()) return false;
  if (peek() != '{') return fail("expected an object");
  const char* const start = at_;
  if (!skip()) return false;
  text = std::string_view{start, static_cast<std::size_t>(at_ - start)};
  return text.size() <= bytes_max || fail("object too long");
}

bool Cursor::read_value_text(std::string_view& text, std::size_t bytes_max) {
  if (!ok()) return false;
  peek();
  const char* const start = at_;
  if (!skip()) return false;
  text = std::string_view{start, static_cast<std::size_t>(at_ - start)};
  return text.size() <= bytes_max || fail("value too long");
}

bool Cursor::take_null() { return ok() && peek() == 'n' && literal("null"); }

bool Cursor::finish() {
  if (!ok()) return false;
  skip_space();
  return at_ == end_ || fail("more after the end");
}

}  // namespace probekit::json
