// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json_config.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "json_tree_rapidjson.hpp"

namespace examples {
namespace {

std::string scalar(const std::string& key, const JsonTree& value) {
  if (!value.is(JsonTree::Kind::string) && !value.is(JsonTree::Kind::number) &&
      !value.is(JsonTree::Kind::boolean))
    throw std::runtime_error("--" + key +
                             ": must be a string, a number, a boolean or an array of them");
  return value.text;
}

}  // namespace

std::vector<ConfigEntry> read_config(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) throw std::runtime_error(std::strerror(errno));
  return parse_config(text);
}

std::vector<ConfigEntry> parse_config(const std::string& text) {
  const JsonTree root = parse_json(text);
  if (!root.is(JsonTree::Kind::object)) throw std::runtime_error("must be a JSON object");
  std::vector<ConfigEntry> entries;
  for (const auto& [key, value] : root.members) {
    ConfigEntry entry{key, {}, {}};
    if (value.is(JsonTree::Kind::object)) {
      entry.section = to_json(value);
    } else if (value.is(JsonTree::Kind::array)) {
      for (const auto& element : value.elements) entry.values.push_back(scalar(key, element));
      if (entry.values.empty()) continue;
    } else {
      entry.values.push_back(scalar(key, value));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace examples
