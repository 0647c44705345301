// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the API shows of the master and of itself, as JSON. Pure.

#include <cstddef>
#include <cstdint>

#include "json/json_writer.hpp"
#include "probekit/master.hpp"

namespace probekit::api {

void write_master(json::Writer& writer, const MasterStatus& status);

/// What the status says of the API itself.
struct ApiFacts {
  std::size_t connections = 0;
  std::size_t connections_max = 0;
  std::uint64_t connections_dropped = 0;  ///< no request in time
  std::size_t uploads = 0;
  std::size_t uploads_max = 0;
  std::size_t line_bytes_max = 0;
  LoopLag loop_lag;
};
void write_status(json::Writer& writer, const MasterStatus& status, const ApiFacts& api);

}  // namespace probekit::api
