// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// --config FILE as JSON: a key is a flag without its dashes in front, repeatable flags are arrays.
// An object is a section of its own, that no flag can give.

#include <string>
#include <vector>

namespace examples {

struct ConfigEntry {
  std::string key;
  std::vector<std::string> values;  ///< one, or those of an array; numbers and booleans as text
  std::string section;              ///< an object, as JSON; then there are no values
};

/// Throws std::runtime_error that says what is wrong with the file, without its name.
std::vector<ConfigEntry> read_config(const std::string& path);
/// The same for the text of such a file.
std::vector<ConfigEntry> parse_config(const std::string& text);

}  // namespace examples
