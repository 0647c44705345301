// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json_config.hpp"

#include <iterator>
#include <stdexcept>

#include "json_tree_rapidjson.hpp"

namespace examples {
namespace {

std::string scalar(const std::string& key, const JsonTree& value) {
  if (value.text.empty() && !value.is(JsonTree::Kind::string))
    throw CLI::ConfigError("--config: " + key + ": must be a string, number, boolean or array");
  return value.text;
}

}  // namespace

std::string JsonConfig::to_config(const CLI::App*, bool, bool, std::string) const { return "{}\n"; }

std::vector<CLI::ConfigItem> JsonConfig::from_config(std::istream& input) const {
  const std::string text{std::istreambuf_iterator<char>(input), {}};
  JsonTree root;
  try {
    root = parse_json(text);
  } catch (const std::runtime_error& error) {
    throw CLI::ConfigError(std::string{"--config: "} + error.what());
  }
  if (!root.is(JsonTree::Kind::object)) throw CLI::ConfigError("--config: must be a JSON object");
  std::vector<CLI::ConfigItem> found;
  for (const auto& [key, value] : root.members) {
    CLI::ConfigItem item;
    item.name = key;
    if (value.is(JsonTree::Kind::array)) {
      for (const auto& element : value.elements) item.inputs.push_back(scalar(key, element));
    } else {
      item.inputs.push_back(scalar(key, value));
    }
    found.push_back(std::move(item));
  }
  return found;
}

}  // namespace examples
