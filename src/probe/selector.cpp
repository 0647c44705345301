// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/selector.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"

namespace probekit {
namespace {

constexpr std::string_view kNamePrefix = "name:";
constexpr std::string_view kTagPrefix = "tag:";

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

Error bad_count() {
  return refused("a number of agents is 1 to " + std::to_string(kSelectorCountMax));
}

/// The part before the next comma, which is taken away with it; a comma at the end is one too many.
std::string_view take_part(std::string_view& text, bool& more) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::string_view part = text.substr(0, comma);
  more = comma < text.size();
  text.remove_prefix(more ? comma + 1 : comma);
  return part;
}

Expected<void> add_part(Selector& selector, std::string_view part) {
  const bool first = selector.names.empty() && selector.tags.empty();
  if (starts_with(part, kNamePrefix) && (first || selector.kind == Selector::Kind::names)) {
    return add_agent_name(selector, part.substr(kNamePrefix.size()));
  }
  if (starts_with(part, kTagPrefix) && (first || selector.kind == Selector::Kind::tags)) {
    part.remove_prefix(kTagPrefix.size());
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return refused("a tag is written tag:KEY=VALUE");
    return add_agent_tag(selector, part.substr(0, equals), part.substr(equals + 1));
  }
  return refused("agents are chosen by any, all, tag:a=1,tag:b=2 or name:a,name:b");
}

}  // namespace

std::size_t task_count(const Selector& selector) noexcept {
  if (selector.kind == Selector::Kind::names) return selector.names.size();
  return selector.kind == Selector::Kind::all ? 1 : selector.count;
}

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

Expected<void> add_agent_tag(Selector& selector, std::string_view key, std::string_view value) {
  if (!is_valid_name(key) || !is_valid_name(value)) {
    return refused("a tag's key and value are 1 to 64 of A-Z a-z 0-9 . _ - each");
  }
  if (selector.tags.size() >= kSelectorTagsMax) {
    return refused("at most " + std::to_string(kSelectorTagsMax) + " tags may be asked for");
  }
  const auto at =
      std::lower_bound(selector.tags.begin(), selector.tags.end(), key,
                       [](const Label& tag, std::string_view wanted) { return tag.key < wanted; });
  if (at != selector.tags.end() && at->key == key) {
    return refused("tag " + std::string{key} + " is given twice");
  }
  selector.kind = Selector::Kind::tags;
  selector.tags.insert(at, Label{std::string{key}, std::string{value}});
  return {};
}

Expected<void> complete_selector(Selector& selector) {
  using Kind = Selector::Kind;
  const bool counted = selector.kind == Kind::any || selector.kind == Kind::tags;
  if (selector.count < 1 || selector.count > kSelectorCountMax) return bad_count();
  if (!counted && selector.count != 1) return refused("a count goes with any or tags alone");
  if (selector.kind != Kind::tags && !selector.tags.empty()) {
    return refused("tags beside a kind that is not tags");
  }
  if (selector.kind != Kind::names && !selector.names.empty()) {
    return refused("names beside a kind that is not names");
  }
  if (selector.kind == Kind::tags && selector.tags.empty()) return refused("asks for no tag");
  if (selector.kind == Kind::names && selector.names.empty()) return refused("names no agent");
  Selector checked;
  for (const Label& tag : selector.tags) {
    if (auto added = add_agent_tag(checked, tag.key, tag.value); !added) return added;
  }
  for (const std::string& name : selector.names) {
    if (auto added = add_agent_name(checked, name); !added) return added;
  }
  selector.tags = std::move(checked.tags);
  return {};
}

bool has_tags(const std::vector<Label>& tags, const std::vector<Label>& wanted) noexcept {
  return std::all_of(wanted.begin(), wanted.end(), [&](const Label& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  });
}

std::shared_ptr<const Selector> SelectorInterner::intern(const Selector& selector,
                                                         const std::string& kind) {
  if (selector.kind == Selector::Kind::any && selector.count == 1) return nullptr;
  if (selector.kind == Selector::Kind::all) {
    std::shared_ptr<const Selector>& all = all_[kind];
    if (all == nullptr) all = std::make_shared<const Selector>(resolve_(selector, kind));
    return all;
  }
  const auto known = std::find_if(known_.rbegin(), known_.rend(),
                                  [&](const auto& one) { return *one == selector; });
  if (known != known_.rend()) return *known;
  if (known_.size() >= kMax) known_.clear();
  known_.push_back(std::make_shared<const Selector>(selector));
  return known_.back();
}

Expected<Selector> parse_selector(std::string_view text) {
  Selector selector;
  const std::size_t star = text.find('*');
  if (star != std::string_view::npos) {
    const auto count = parse_uint(text.substr(star + 1));
    if (!count || *count < 1 || *count > kSelectorCountMax) return bad_count();
    selector.count = static_cast<std::uint32_t>(*count);
    text = text.substr(0, star);
  }
  if (text == "any") return selector;
  if (text == "all") {
    selector.kind = Selector::Kind::all;
  } else {
    bool more = true;
    while (more) {
      if (auto added = add_part(selector, take_part(text, more)); !added) return added.error();
    }
  }
  if (star != std::string_view::npos && selector.kind != Selector::Kind::tags) {
    return refused("a number of agents (*N) follows any or tags alone");
  }
  return selector;
}

}  // namespace probekit
