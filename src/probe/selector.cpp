// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstddef>
#include <utility>

#include "probe/selector.hpp"

namespace probekit {
namespace {

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

}  // namespace

Expected<void> add_agent_name(Selector& selector, std::string_view name) {
  if (!is_valid_name(name)) return refused("an agent's name is 1 to 64 of A-Z a-z 0-9 . _ -");
  if (selector.names.size() >= kSelectorNamesMax) {
    return refused("at most " + std::to_string(kSelectorNamesMax) + " agents may be named");
  }
  if (std::find(selector.names.begin(), selector.names.end(), name) != selector.names.end()) {
    return refused("agent " + std::string{name} + " is named twice");
  }
  selector.kind = Selector::Kind::names;
  selector.names.emplace_back(name);
  return {};
}

Expected<Selector> parse_selector(std::string_view text) {
  constexpr std::string_view kName = "name:";
  if (text == "any") return Selector{};
  if (text == "all" || text.substr(0, 4) == "all*") {
    return refused("the selector all is not supported yet; use any or name:AGENT");
  }
  if (text.substr(0, 4) == "tag:") {
    return refused("selectors by tag are not supported yet; use any or name:AGENT");
  }
  if (text.substr(0, 4) == "any*") {
    return refused("a number of agents (*N) is not supported yet; use any or name:AGENT");
  }
  Selector selector;
  while (text.substr(0, kName.size()) == kName) {
    const std::size_t comma = text.find(',');
    const std::string_view name =
        text.substr(kName.size(), comma == std::string_view::npos ? comma : comma - kName.size());
    if (auto added = add_agent_name(selector, name); !added) return added.error();
    if (comma == std::string_view::npos) return selector;
    text.remove_prefix(comma + 1);
  }
  return refused("agents are chosen by any or name:a,name:b");
}

}  // namespace probekit
