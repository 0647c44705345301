// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Kind `dns`: one question to one server by c-ares, over UDP and again over TCP when the answer
/// is truncated; all sections decoded here, with flags and TTLs.

#include <memory>

#include "probekit/export.hpp"
#include "probekit/prober.hpp"

namespace probekit {

PROBEKIT_EXPORT std::unique_ptr<Prober> make_dns_prober();

}  // namespace probekit
