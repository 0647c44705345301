// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// --config FILE as JSON: a key is a flag without its dashes in front, repeatable flags are arrays.

#include <istream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace examples {

class JsonConfig final : public CLI::Config {
 public:
  std::string to_config(const CLI::App* app, bool defaults, bool description,
                        std::string prefix) const override;
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
};

}  // namespace examples
