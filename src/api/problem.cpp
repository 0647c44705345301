// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/problem.hpp"

#include <utility>

#include "json/json_writer.hpp"

namespace probekit::api {
namespace {

// A store fills up and empties at the pace of probes; a client that asks each few seconds is fine.
constexpr const char* kRetryAfterSeconds = "5";

std::string_view phrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Error";
  }
}

void add_common_headers(HttpResponse& response) {
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
}

}  // namespace

Problem problem(int status, std::string detail) {
  Problem made{status, std::string(phrase(status)), std::move(detail), {}, {}};
  if (status == 429 || status == 503) made.headers.push_back({"Retry-After", kRetryAfterSeconds});
  return made;
}

Problem problem(const Error& error) {
  const auto coded = [&error](int status, const char* title) {
    Problem made = problem(status, error.message());
    if (title) made.title = title;
    return made;
  };
  if (error.code() == errc::invalid_argument) return coded(400, nullptr);
  if (error.code() == errc::not_found) return coded(404, nullptr);
  if (error.code() == errc::batch_closed) return coded(409, "batch_closed");
  if (error.code() == errc::message_too_large) return coded(413, nullptr);
  if (error.code() == errc::limit_reached) return coded(429, nullptr);
  if (error.code() == errc::store_full) return coded(429, "store_full");
  if (error.code() == errc::unsupported) return coded(501, nullptr);
  if (error.code() == errc::no_agent) return coded(503, "no_agent");
  if (error.code() == errc::draining) return coded(503, "draining");
  if (error.code() == errc::store_failed) return coded(503, "store_failed");
  if (error.code() == errc::closed) return coded(503, nullptr);
  return coded(500, nullptr);
}

Problem unsupported(std::string_view what) {
  return problem(501, std::string(what) + " is not supported by this version");
}

HttpResponse to_response(const Problem& problem) {
  HttpResponse response;
  response.status = problem.status;
  response.headers = problem.headers;
  response.headers.push_back({"Content-Type", "application/problem+json"});
  add_common_headers(response);
  json::Writer writer(response.body);
  writer.begin_object();
  writer.member("title", problem.title);
  writer.member("status", problem.status);
  writer.member("detail", problem.detail);
  writer.end_object();
  if (!problem.members.empty()) {
    response.body.pop_back();
    response.body += ',' + problem.members + '}';
  }
  return response;
}

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  add_common_headers(response);
  response.body = std::move(body);
  return response;
}

}  // namespace probekit::api
