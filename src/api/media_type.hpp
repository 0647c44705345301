// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a request says of its body. Pure.

#include <optional>
#include <string>

#include "api/http_server.hpp"

namespace probekit::api {

/// The media type of `Content-Type`, lower case. Empty when there is none, or more than one, or
/// its charset is not UTF-8 (US-ASCII is part of it).
std::optional<std::string> media_type_of(const HttpRequest& request);

}  // namespace probekit::api
