// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What programs read: JSON files of flags, and units and addresses in flags.

#include <stdexcept>
#include <string>

#include "fuzz/harness.hpp"
#include "json/json_reader.hpp"
#include "support/host_port.hpp"
#include "support/json_config.hpp"
#include "support/json_tree_rapidjson.hpp"
#include "support/units.hpp"

namespace {

using namespace examples;
using probekit::fuzz::require;

/// Accepts everything: for asking whether a text is JSON.
class Silent final : public probekit::json::Visitor {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number(std::string_view) override { return true; }
  bool string(std::string_view) override { return true; }
  bool key(std::string_view) override { return true; }
  bool begin_object(std::size_t) override { return true; }
  bool end_object(std::size_t) override { return true; }
  bool begin_array(std::size_t) override { return true; }
  bool end_array(std::size_t) override { return true; }
};

void check_value(const std::string& text) {
  if (const auto duration = parse_duration(text)) {
    require(duration->count() >= 0 && *duration <= kDurationMax, "a duration has a range");
    require(parse_duration(format_duration(*duration)) == duration, "a duration reads back");
  }
  if (const auto bytes = parse_bytes(text)) {
    require(parse_bytes(format_bytes(*bytes)) == bytes, "a size reads back");
  }
  if (const auto place = parse_host_port(text)) {
    const bool v6 = place->host.find(':') != std::string::npos;
    const auto again = parse_host_port((v6 ? '[' + place->host + ']' : place->host) + ':' +
                                       std::to_string(place->port));
    require(again && again->host == place->host && again->port == place->port,
            "an address reads back");
  }
}

void check_tree(const std::string& text) {
  const JsonTree tree = parse_json(text);
  std::string_view body = text;
  if (body.substr(0, 3) == "\xEF\xBB\xBF") body.remove_prefix(3);
  Silent silent;
  require(probekit::json::parse(body, silent, {64}).has_value(), "what is taken is JSON");
  const std::string once = to_json(tree);
  require(to_json(parse_json(once)) == once, "a tree reads back");
  tree.number();
  tree.count();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{probekit::fuzz::text_of(data, size)};
  check_value(text);
  try {
    check_tree(text);
    for (const ConfigEntry& entry : parse_config(text)) {
      require(entry.section.empty() != entry.values.empty(), "an entry is one of the two");
      for (const std::string& value : entry.values) check_value(value);
      if (!entry.section.empty()) {
        require(parse_json(entry.section).is(JsonTree::Kind::object), "a section is an object");
      }
    }
  } catch (const std::runtime_error& error) {
    require(error.what()[0] != '\0', "a refusal says why");
  }
  return 0;
}
