// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/http_server.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace probekit::api {

const std::string* HttpRequest::header(std::string_view name) const noexcept {
  for (const HttpHeader& header : headers) {
    if (equal_ignoring_case(header.name, name)) return &header.value;
  }
  return nullptr;
}

std::size_t HttpRequest::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(),
      [name](const HttpHeader& header) { return equal_ignoring_case(header.name, name); }));
}

std::string_view HttpRequest::path() const noexcept {
  const std::string_view all = target;
  return all.substr(0, std::min(all.find('?'), all.size()));
}

std::string_view HttpRequest::query() const noexcept {
  const std::string_view all = target;
  const std::size_t mark = all.find('?');
  return mark == std::string_view::npos ? std::string_view{} : all.substr(mark + 1);
}

Answer::Piece Answer::read(char*, std::size_t) { return Piece{}; }

}  // namespace probekit::api
