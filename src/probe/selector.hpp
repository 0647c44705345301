// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the written forms of a Selector share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// Agents one selector may name: each is a task for every target.
constexpr std::size_t kSelectorNamesMax = 256;
/// Different agents one selector may ask for, likewise.
constexpr std::uint32_t kSelectorCountMax = 256;
constexpr std::size_t kSelectorTagsMax = 16;

/// Makes it one of names. *Errors*: invalid_argument for what is no name, for one given twice and
/// past the limit.
Expected<void> add_agent_name(Selector& selector, std::string_view name);
/// Makes it one of tags, which stay sorted. *Errors*: as add_agent_name().
Expected<void> add_agent_tag(Selector& selector, std::string_view key, std::string_view value);

/// Whether a selector that was not parsed is one that could have been; sorts its tags. *Errors*:
/// invalid_argument.
PROBEKIT_EXPORT Expected<void> complete_selector(Selector& selector);

/// Whether every wanted tag is among `tags`.
PROBEKIT_EXPORT bool has_tags(const std::vector<Label>& tags,
                              const std::vector<Label>& wanted) noexcept;

/// Selectors on their way to the store: equal ones become one object, as far back as the last kMax
/// different ones, and `all` becomes what `resolve` says, once for each kind. One thread.
class PROBEKIT_EXPORT SelectorInterner {
 public:
  static constexpr std::size_t kMax = 64;
  /// Turns `all` into the names of agents that run the kind; back comes `all` when there is none.
  using Resolve = std::function<Selector(const Selector& selector, const std::string& kind)>;

  explicit SelectorInterner(Resolve resolve) : resolve_(std::move(resolve)) {}
  /// Null: any one agent.
  std::shared_ptr<const Selector> intern(const Selector& selector, const std::string& kind);

 private:
  const Resolve resolve_;
  std::vector<std::shared_ptr<const Selector>> known_;
  std::map<std::string, std::shared_ptr<const Selector>> all_;  // by kind
};

}  // namespace probekit
