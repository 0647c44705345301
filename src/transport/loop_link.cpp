// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/loop_link.hpp"

#include <thread>
#include <utility>

namespace probekit {

// Owned by a timer that is never due: a loop destroys its timers when it stops.
struct LoopLink::Sentinel {
  explicit Sentinel(std::shared_ptr<LoopLink> watched) : link(std::move(watched)) {}
  ~Sentinel() { link->end(); }
  Sentinel(const Sentinel&) = delete;
  Sentinel& operator=(const Sentinel&) = delete;

  std::shared_ptr<LoopLink> link;
};

std::shared_ptr<LoopLink> LoopLink::make(EventLoop& loop) {
  auto link = std::make_shared<LoopLink>();
  link->loop_.store(&loop);
  loop.call_at(SteadyTime::max(), [sentinel = std::make_shared<Sentinel>(link)] {});
  return link;
}

bool LoopLink::post(std::function<void()> function) {
  // Counted instead of locked: the loop may destroy the function here, and its destructor may post.
  posting_.fetch_add(1);
  EventLoop* const loop = loop_.load();
  if (loop != nullptr) loop->post(std::move(function));
  posting_.fetch_sub(1);
  return loop != nullptr;
}

void LoopLink::end() noexcept {
  loop_.store(nullptr);
  while (posting_.load() != 0) std::this_thread::yield();
  while (!members_.empty()) {
    Member* const member = *members_.begin();
    members_.erase(members_.begin());
    member->loop_ended();
  }
}

}  // namespace probekit
