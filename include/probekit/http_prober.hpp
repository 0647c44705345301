// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Kind `http`: GET over a fresh connection by libcurl, names resolved by c-ares, the address
/// pinned and judged at every hop, redirects followed here and each hop recorded.

#include <cstddef>
#include <memory>
#include <string>

#include "probekit/export.hpp"
#include "probekit/prober.hpp"

namespace probekit {

struct HttpProberOptions {
  std::string ca_file;     ///< PEM bundle; empty: the system's. Parsed once for each probing thread
  std::string user_agent;  ///< empty: "probekit/VERSION"
  std::size_t redirects_max = 10;            ///< followed; one more fails with `protocol`
  std::size_t body_bytes_max = 1024 * 1024;  ///< counted up to here, then `truncated`
  std::size_t header_bytes_max = 64 * 1024;  ///< of one response; beyond it fails with `protocol`
};

/// Throws std::invalid_argument for options out of range.
PROBEKIT_EXPORT std::unique_ptr<Prober> make_http_prober(HttpProberOptions options);
PROBEKIT_EXPORT std::unique_ptr<Prober> make_http_prober();

}  // namespace probekit
