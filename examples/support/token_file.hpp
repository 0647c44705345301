// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// The bearer token a program shows to a master.

#include <string>

namespace examples {

/// The first word of the first line that is neither blank nor a comment (`#`), so that a master's
/// own file serves too. Throws std::invalid_argument naming flag and file, never the token.
std::string read_token(const std::string& path);

}  // namespace examples
