// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What every request must pass before it is routed. Without tokens anyone who reaches the port may
/// do anything, so it must not be reached through a browser: neither by a page of another origin
/// nor by a name that was made to point here. Pure.

#include <optional>
#include <string_view>

#include "api/http_server.hpp"
#include "api/problem.hpp"

namespace probekit::api {

/// Why the request is refused; empty: it is not. `any_host`: names other than loopback are served.
std::optional<Problem> guard(const HttpRequest& request, bool any_host = false);

/// `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
bool is_loopback_authority(std::string_view authority);
/// An IP address of the loopback interface, without brackets.
bool is_loopback_address(std::string_view text);

}  // namespace probekit::api
