// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/task_slice.hpp"

namespace probekit {

void TaskSlice::add(std::string_view target, const std::shared_ptr<const ProbeOptions>& options,
                    const std::vector<std::string>& names) {
  const Part part = keep(target);
  if (names.empty()) entries_.push_back(Entry{part, {}, options});
  for (const std::string& name : names) entries_.push_back(Entry{part, keep(name), options});
}

std::vector<NewTask> TaskSlice::tasks() const {
  std::vector<NewTask> tasks;
  tasks.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    tasks.push_back(NewTask{view(entry.target), entry.options, view(entry.agent)});
  }
  return tasks;
}

void TaskSlice::clear() {
  text_.clear();
  entries_.clear();
}

TaskSlice::Part TaskSlice::keep(std::string_view text) {
  const Part part{text_.size(), text.size()};
  text_.append(text);
  return part;
}

std::string_view TaskSlice::view(Part part) const {
  return std::string_view(text_).substr(part.begin, part.size);
}

}  // namespace probekit
