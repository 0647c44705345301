// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// GET /: the page for people. It holds no data of its own: its script asks the API for all it
// shows.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/answers.hpp"
#include "api/page_content.hpp"
#include "api/query.hpp"

namespace probekit::api {
namespace {

// Nothing but what is in the page runs or is drawn, it talks to this API alone, no other page shows
// it in a frame, and text never becomes markup.
constexpr char kPolicy[] =
    "default-src 'none'; script-src '" PROBEKIT_PAGE_SCRIPT_HASH
    "'; style-src '" PROBEKIT_PAGE_STYLE_HASH
    "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// RFC 9110, 13.1.2: `*` or a list of entity tags, compared without their `W/`. Our tag holds no
/// comma.
bool names_this_page(std::string_view tags) {
  while (!tags.empty()) {
    const std::size_t comma = std::min(tags.find(','), tags.size());
    std::string_view tag = tags.substr(0, comma);
    tags.remove_prefix(std::min(comma + 1, tags.size()));
    while (!tag.empty() && (tag.front() == ' ' || tag.front() == '\t')) tag.remove_prefix(1);
    while (!tag.empty() && (tag.back() == ' ' || tag.back() == '\t')) tag.remove_suffix(1);
    if (tag.substr(0, 2) == "W/") tag.remove_prefix(2);
    if (tag == "*" || tag == PROBEKIT_PAGE_ETAG) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<Answer> get_page(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  const std::string* const tags = arrival.request.header("If-None-Match");
  const bool known = tags != nullptr && names_this_page(*tags);
  return arrival.call([known](CallAnswer& answer) {
    HttpResponse response;
    response.headers = {
        {"ETag", PROBEKIT_PAGE_ETAG},         {"Cache-Control", "no-cache"},
        {"Content-Security-Policy", kPolicy}, {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},   {"Cross-Origin-Resource-Policy", "same-origin"}};
    if (known) {
      response.status = 304;
    } else {
      response.headers.push_back({"Content-Type", "text/html; charset=utf-8"});
      response.body = kPageText;
    }
    answer.respond(std::move(response));
  });
}

}  // namespace probekit::api
