// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What names resolved to, for as long as their TTL says; told the time. Used on one thread.

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_result.hpp"

namespace probekit {

/// The end of one lookup.
struct Resolution {
  std::vector<Address> addresses;  ///< in the order to try them, port 0; empty: it failed
  FailureKind failure =
      FailureKind::dns;  ///< dns, or internal when it failed for lack of means here
  std::string message;
  int os_error = 0;  ///< behind internal, where it is known
};

using ResolutionPtr = std::shared_ptr<const Resolution>;

class PROBEKIT_EXPORT ResolverCache {
 public:
  static constexpr std::chrono::seconds kPositiveMin{1};
  static constexpr std::chrono::seconds kPositiveMax{300};
  static constexpr std::chrono::seconds kNegativeMax{30};

  /// At most `entries_max` names; at the limit the one longest unused goes.
  explicit ResolverCache(std::size_t entries_max) : entries_max_(entries_max) {}

  /// Null when the name is not known or its time is over.
  ResolutionPtr find(std::string_view name, SteadyTime now);
  /// Keeps it for `ttl` within the limits above; a failure with a TTL of 0 is not kept.
  void store(std::string_view name, ResolutionPtr resolution, std::chrono::seconds ttl,
             SteadyTime now);
  void clear();
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::string name;
    ResolutionPtr resolution;
    SteadyTime until;
  };
  using Entries = std::list<Entry>;

  const std::size_t entries_max_;
  Entries entries_;                                                  // the one used last in front
  std::unordered_map<std::string_view, Entries::iterator> by_name_;  // views of Entry::name
};

}  // namespace probekit
