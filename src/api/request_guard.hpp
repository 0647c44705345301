// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What every request must pass before it is answered. Without tokens anyone who reaches the port
/// may do anything, so it must not be reached through a browser: neither by a page of another
/// origin nor by a name that was made to point here. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "api/http_server.hpp"
#include "api/problem.hpp"
#include "probekit/token_set.hpp"

namespace probekit::api {

/// Why the request is refused; empty: it is not. `any_host`: names other than loopback are served.
std::optional<Problem> guard(const HttpRequest& request, bool any_host = false);

/// Which of the tokens a request brings.
struct Authorization {
  std::string token_id;            ///< TokenGrant::id; empty: none
  std::optional<Problem> refusal;  ///< 401; empty: there is no reason to refuse
};
/// `tokens` null: none is needed.
Authorization authorize(const HttpRequest& request, const TokenSet* tokens);

/// `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
bool is_loopback_authority(std::string_view authority);
/// An IP address of the loopback interface, without brackets.
bool is_loopback_address(std::string_view text);

}  // namespace probekit::api
