// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/task_slice.hpp"

namespace probekit {

std::size_t TaskSlice::add(std::string_view target,
                           const std::shared_ptr<const ProbeOptions>& options,
                           const std::shared_ptr<const Selector>& agents) {
  entries_.push_back(Entry{text_.size(), target.size(), options, agents});
  text_.append(target);
  const std::size_t count = agents == nullptr ? 1 : task_count(*agents);
  tasks_ += count;
  return count;
}

std::vector<NewTask> TaskSlice::tasks() const {
  std::vector<NewTask> tasks;
  tasks.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    tasks.push_back(NewTask{std::string_view(text_).substr(entry.begin, entry.size), entry.options,
                            entry.agents});
  }
  return tasks;
}

void TaskSlice::clear() {
  text_.clear();
  entries_.clear();
  tasks_ = 0;
}

}  // namespace probekit
