// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Token files, and the header that brings a token. Input: a header's value, then the file.

#include <string>
#include <vector>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "probekit/token_set.hpp"

namespace {

using namespace probekit;
using fuzz::require;

std::size_t count_lines(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    const std::string_view line = trim(fuzz::take_part(text, '\n'));
    if (line.empty() || line.front() == '#') continue;
    ++count;
  }
  return count;
}

void check_file(const TokenSet& tokens, std::string_view text) {
  require(tokens.size() == count_lines(text), "a line is a token");
  while (!text.empty()) {
    std::string_view line = trim(fuzz::take_part(text, '\n'));
    if (line.empty() || line.front() == '#') continue;
    const std::string_view token = line.substr(0, line.find_first_of(" \t"));
    const auto grant = tokens.find(token);
    require(grant.has_value() && is_valid_token(token), "a token of the file is found");
    require(grant->id.size() == 32 && grant->names.size() <= 64, "a grant has its form");
    require(grant->names != "*" || grant->allows("anyone"), "a star allows anyone");
    require(grant->names.find('*') != std::string::npos || grant->allows(grant->names),
            "a name allows itself");
    require(!tokens.find(std::string(token) + ' '), "what is no token is not found");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::string_view header = fuzz::take_part(text, '\n');
  const std::string_view brought = bearer_token(header);
  require(brought.empty() || is_valid_token(brought), "what is brought is a token");

  TokenSet tokens;
  require(tokens.assign("kept kept-*", "before").has_value(), "a line is a token");
  const auto assigned = tokens.assign(text, "tokens");
  if (assigned) {
    check_file(tokens, text);
    return 0;
  }
  require(assigned.error().code() == errc::invalid_argument, "a refusal is the file's");
  require(assigned.error().message().find("tokens: ") == 0, "a refusal names the file");
  require(tokens.size() == 1 && tokens.find("kept"), "after a refusal the old ones stay");
  return 0;
}
