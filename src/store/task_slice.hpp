// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Tasks on their way to the store; their text stands in one string. One thread.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/export.hpp"
#include "store/task_store.hpp"

namespace probekit {

class PROBEKIT_EXPORT TaskSlice {
 public:
  static constexpr std::size_t kTasks = 1000;
  static constexpr std::size_t kBytes = 256 * 1024;

  /// As many tasks as `agents` makes of a target; null: one, for any agent. Returns that number.
  std::size_t add(std::string_view target, const std::shared_ptr<const ProbeOptions>& options,
                  const std::shared_ptr<const Selector>& agents);
  bool empty() const noexcept { return entries_.empty(); }
  bool full() const noexcept { return tasks_ >= kTasks || text_.size() >= kBytes; }
  /// Valid until the slice changes.
  std::vector<NewTask> tasks() const;
  void clear();

 private:
  struct Entry {
    std::size_t begin = 0;
    std::size_t size = 0;
    std::shared_ptr<const ProbeOptions> options;
    std::shared_ptr<const Selector> agents;
  };

  std::string text_;
  std::vector<Entry> entries_;
  std::size_t tasks_ = 0;
};

}  // namespace probekit
