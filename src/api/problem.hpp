// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Errors as clients see them: problem details (RFC 9457). Plain values.

#include <string>
#include <string_view>

#include "api/http_server.hpp"
#include "probekit/error.hpp"

namespace probekit::api {

struct Problem {
  int status = 500;
  std::string title;  ///< a code ("no_agent"), or the phrase of the status
  std::string detail;
  std::vector<HttpHeader> headers;  ///< "Allow", "Retry-After"
  std::string members;              ///< more of the object, as JSON text: `"accepted":0,...`
};

/// With the status's phrase as title.
Problem problem(int status, std::string detail);
/// By what the error means to the client.
Problem problem(const Error& error);
/// Known to the contract, not to this version.
Problem unsupported(std::string_view what);

HttpResponse to_response(const Problem& problem);
HttpResponse json_response(int status, std::string body);

}  // namespace probekit::api
