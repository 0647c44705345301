// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Small text of others: hosts(5), resolv.conf(5), times, lines of HTTP headers, what libraries say.

#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "probers/http_probe.hpp"
#include "resolver/system_files.hpp"

namespace {

using namespace probekit;
using fuzz::require;

void check_time(std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time) return;
  const std::string written = format_rfc3339(*time);
  const auto again = parse_rfc3339(written);
  require(again && format_rfc3339(*again) == written, "a time has one text");
  // An offset leads out of the years that can be written, to the nearest of those.
  const bool near_bounds = written[0] == '0' || written.substr(0, 4) == "9999";
  require(again == time || near_bounds, "a time reads back as the same");
}

void check_utf8(std::string_view text) {
  const std::string valid = to_valid_utf8(text);
  require(is_valid_utf8(valid), "what is made valid is");
  require(!is_valid_utf8(text) || valid == text, "what is valid stays");
  require(utf8_sequence_length(text) <= 4, "a character is at most 4 bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_utf8(text);
  for (const auto& [name, addresses] : parse_hosts(text)) {
    require(!name.empty() && to_lower(name) == name, "a name is in lower case");
    require(!addresses.empty(), "a name has an address");
    for (const Address& address : addresses) require(address.port == 0, "without a port");
  }
  require(parse_name_servers(text).size() <= 3, "name servers are three at most");

  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = fuzz::take_part(rest, '\n');
    check_time(line);
    const int status = status_of(line);
    require(status >= 0 && status <= 999, "a status has three digits");
    const std::string_view location = location_of(line);
    require(location.empty() || (location.front() != ' ' && location.back() != ' '),
            "a location has no blanks around it");
    const std::string shown = sanitised(line);
    require(shown.size() <= 200, "what is shown is short");
    for (const char c : shown) require(c >= ' ' && c <= '~', "what is shown is ASCII");
    if (const auto number = parse_uint(line)) {
      std::string written;
      append_uint(written, *number);
      require(ends_with(line, written), "a number is its digits");
    }
  }
  return 0;
}
