// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "token_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <probekit/token_set.hpp>
#include <stdexcept>

namespace examples {

std::string read_token(const std::string& path) {
  const auto fail = [&path](const std::string& why) {
    throw std::invalid_argument("--token-file: " + path + ": " + why);
  };
  std::ifstream file{path, std::ios::binary};
  if (!file) fail(std::strerror(errno));
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    const auto token = line.substr(first, line.find_first_of(" \t\r", first) - first);
    if (!probekit::is_valid_token(token)) fail("a token is at most 512 visible ASCII characters");
    return token;
  }
  if (file.bad()) fail("cannot be read");
  fail("there is no token in it");
  return {};
}

}  // namespace examples
