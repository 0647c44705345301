// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/media_type.hpp"

#include <algorithm>
#include <string_view>

#include "base/text.hpp"

namespace probekit::api {

std::optional<std::string> media_type_of(const HttpRequest& request) {
  if (request.count("Content-Type") != 1) return std::nullopt;
  std::string_view rest = *request.header("Content-Type");
  const auto take = [&rest] {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view part = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
  };
  std::string type = to_lower(take());
  while (!rest.empty()) {
    const std::string parameter = to_lower(take());
    if (!starts_with(parameter, "charset=")) continue;
    std::string_view charset = std::string_view(parameter).substr(8);
    if (charset.size() >= 2 && charset.front() == '"' && charset.back() == '"') {
      charset = charset.substr(1, charset.size() - 2);
    }
    if (charset != "utf-8" && charset != "us-ascii") return std::nullopt;
  }
  return type;
}

}  // namespace probekit::api
