// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// A kind of probe of one's own, described in docs/writing_a_prober.md.

#include <memory>
#include <probekit/prober.hpp>

namespace examples {

/// Connects to `banner:IP:PORT` and passes when the first line that comes starts as expected.
/// Options: `"banner":{"expect":"220 "}`. Result: `"banner":{"line":"220 mail ready"}`.
std::unique_ptr<probekit::Prober> make_banner_prober();

}  // namespace examples
