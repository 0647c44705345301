// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From method and path to what answers. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "api/answers.hpp"

namespace probekit::api {

struct Route {
  MakeAnswer make = nullptr;     ///< null: known to the contract, not to this version
  std::string_view unsupported;  ///< then: what to call it
  bool open = false;             ///< needs no token: it tells nothing
  std::string name;              ///< the segment at `*`, decoded
};

/// Who answers, or 404, or 405 with `Allow`. HEAD is answered as GET is, without the body.
struct Routed {
  std::optional<Route> route;
  Problem problem;  ///< when there is no route
};
Routed find_route(std::string_view method, std::string_view path);

}  // namespace probekit::api
