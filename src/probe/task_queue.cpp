// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/task_queue.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <deque>
#include <map>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "probe/is_high.hpp"
#include "probe/task_times.hpp"

namespace probekit {
namespace {

constexpr std::size_t kConcurrencyMax = 65536;
constexpr std::size_t kQueueMax = 1048576;
constexpr unsigned kLowEvery = 16;  // one of so many starts of normal and low is low
constexpr std::uint32_t kNone = ~std::uint32_t{0};

enum Link : std::size_t { by_place, by_age, by_expiry, kLinks };

struct Host;

struct Node {
  Task task;
  SteadyTime pushed{};
  SteadyTime start_by{};  // the last moment to start; max: any
  Host* host = nullptr;   // while waiting for it, or promoted by it
  std::array<std::uint32_t, kLinks> next{};
  std::array<std::uint32_t, kLinks> previous{};
  bool waiting = false;
  bool promoted = false;  // its host keeps a free slot for it
};

using Nodes = std::deque<Node>;

/// A doubly linked list through one kind of links of the nodes.
struct List {
  std::uint32_t head = kNone;
  std::uint32_t tail = kNone;
  std::size_t size = 0;

  bool empty() const noexcept { return head == kNone; }

  void push_back(Nodes& nodes, Link link, std::uint32_t at) noexcept {
    nodes[at].next[link] = kNone;
    nodes[at].previous[link] = tail;
    (tail == kNone ? head : nodes[tail].next[link]) = at;
    tail = at;
    ++size;
  }

  void push_front(Nodes& nodes, Link link, std::uint32_t at) noexcept {
    nodes[at].previous[link] = kNone;
    nodes[at].next[link] = head;
    (head == kNone ? tail : nodes[head].previous[link]) = at;
    head = at;
    ++size;
  }

  void erase(Nodes& nodes, Link link, std::uint32_t at) noexcept {
    const std::uint32_t next = nodes[at].next[link];
    const std::uint32_t previous = nodes[at].previous[link];
    (previous == kNone ? head : nodes[previous].next[link]) = next;
    (next == kNone ? tail : nodes[next].previous[link]) = previous;
    --size;
  }
};

/// A target host that has tasks running or waiting. While tasks wait, running + promoted is at its
/// limit, so one that finishes always calls the next.
struct Host {
  std::size_t running = 0;
  std::size_t promoted = 0;
  List waiting_high;
  List waiting_other;

  bool unused() const noexcept {
    return running == 0 && promoted == 0 && waiting_high.empty() && waiting_other.empty();
  }
};

void check_range(const char* name, std::size_t value, std::size_t min, std::size_t max) {
  if (value >= min && value <= max) return;
  throw std::invalid_argument("TaskQueueOptions." + std::string{name} + ": " +
                              std::to_string(value) + " is not " + std::to_string(min) + " to " +
                              std::to_string(max));
}

SteadyTime last_start(const Task& task) noexcept {
  // A timeout longer than any deadline never fits, and this one does not overflow.
  const auto needed = std::min(task.options->timeout, kDeadlineMax) + kWayBack;
  if (task.deadline == SteadyTime::max()) return SteadyTime::max();
  if (task.deadline < SteadyTime::min() + needed) return SteadyTime::min();
  return task.deadline - needed;
}

}  // namespace

struct TaskQueue::Impl {
  explicit Impl(TaskQueueOptions given)
      : options(given),
        window{2 * given.concurrency, given.concurrency + given.queue},
        high_slots(given.concurrency == 1 ? 0 : std::max<std::size_t>(1, given.concurrency / 16)) {}

  const TaskQueueOptions options;
  const TaskQueueWindow window;
  const std::size_t high_slots;  // for high only

  mutable std::mutex mutex;
  // All below is guarded by mutex.
  Nodes nodes;
  std::vector<std::uint32_t> free_nodes;
  std::unordered_map<TaskId, std::uint32_t> by_id;
  std::unordered_map<std::string, Host> hosts;  // stable addresses: nodes point to them
  std::array<List, 3> ready;                    // by Priority
  List ages;                                    // all queued, in the order of arrival
  std::map<std::int64_t, List> expiries;        // by the second of start_by
  std::size_t queued_high = 0;
  std::size_t queued_other = 0;
  std::size_t running_high = 0;
  std::size_t running_other = 0;
  std::size_t waiting_high = 0;
  std::size_t waiting_other = 0;
  unsigned normal_starts = 0;  // since the last low one, while low waited
  bool paused = false;

  List& ready_of(const Task& task) noexcept {
    return ready[static_cast<std::size_t>(task.options->priority)];
  }

  std::size_t waiting_max(bool high) const noexcept {
    return options.waiting != 0 ? options.waiting : (high ? window.high : window.other) / 4;
  }

  static std::int64_t second_of(SteadyTime when) noexcept {
    return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
  }

  void add(Task task, SteadyTime now) {
    std::uint32_t at;
    if (free_nodes.empty()) {
      at = static_cast<std::uint32_t>(nodes.size());
      nodes.emplace_back();
    } else {
      at = free_nodes.back();
      free_nodes.pop_back();
    }
    Node& node = nodes[at];
    node.task = std::move(task);
    node.pushed = now;
    node.start_by = last_start(node.task);
    by_id[node.task.id] = at;
    ready_of(node.task).push_back(nodes, by_place, at);
    ages.push_back(nodes, by_age, at);
    if (node.start_by != SteadyTime::max()) {
      expiries[second_of(node.start_by)].push_back(nodes, by_expiry, at);
    }
    ++(is_high(node.task) ? queued_high : queued_other);
  }

  /// Takes a node out of every list.
  Task take(std::uint32_t at) {
    Node& node = nodes[at];
    if (node.waiting) {
      leave_waiting(node, at);
    } else {
      ready_of(node.task).erase(nodes, by_place, at);
    }
    ages.erase(nodes, by_age, at);
    if (node.start_by != SteadyTime::max()) {
      const auto bucket = expiries.find(second_of(node.start_by));
      bucket->second.erase(nodes, by_expiry, at);
      if (bucket->second.empty()) expiries.erase(bucket);
    }
    --(is_high(node.task) ? queued_high : queued_other);
    const auto found = by_id.find(node.task.id);
    if (found != by_id.end() && found->second == at) by_id.erase(found);
    Task task = std::move(node.task);
    node.host = nullptr;
    free_nodes.push_back(at);
    return task;
  }

  /// The same for a task that will not start.
  Task take_back(std::uint32_t at) {
    Node& node = nodes[at];
    Host* const host = node.host;
    const bool was_promoted = std::exchange(node.promoted, false);
    Task task = take(at);
    if (host != nullptr) {
      if (was_promoted) --host->promoted;
      call_next(*host);
      if (host->unused()) hosts.erase(task.host_key);
    }
    return task;
  }

  void leave_waiting(Node& node, std::uint32_t at) noexcept {
    const bool high = is_high(node.task);
    (high ? node.host->waiting_high : node.host->waiting_other).erase(nodes, by_place, at);
    --(high ? waiting_high : waiting_other);
    node.waiting = false;
  }

  /// Makes the host's next waiting task ready, if it has a slot for one.
  void call_next(Host& host) {
    if (host.running + host.promoted >= options.per_host) return;
    const List& line = host.waiting_high.empty() ? host.waiting_other : host.waiting_high;
    if (line.empty()) return;
    const std::uint32_t at = line.head;
    Node& node = nodes[at];
    leave_waiting(node, at);
    node.promoted = true;
    ++host.promoted;
    ready_of(node.task).push_front(nodes, by_place, at);
  }

  /// The host's entry when the task may not start for its sake.
  Host* at_limit(const Node& node) {
    if (options.per_host == 0 || node.task.host_key.empty()) return nullptr;
    if (node.host != nullptr) {
      return node.host->running >= options.per_host ? node.host : nullptr;
    }
    const auto found = hosts.find(node.task.host_key);
    if (found == hosts.end()) return nullptr;
    // A slot kept for one that waited longer is not free, but for high.
    const Host& host = found->second;
    const std::size_t taken = host.running + (is_high(node.task) ? 0 : host.promoted);
    return taken >= options.per_host ? &found->second : nullptr;
  }

  /// False: too many wait already.
  bool set_aside(Host& host, std::uint32_t at) {
    Node& node = nodes[at];
    const bool high = is_high(node.task);
    std::size_t& count = high ? waiting_high : waiting_other;
    if (count >= waiting_max(high)) return false;
    ready_of(node.task).erase(nodes, by_place, at);
    List& line = high ? host.waiting_high : host.waiting_other;
    if (node.promoted) {
      --host.promoted;
      node.promoted = false;
      line.push_front(nodes, by_place, at);
    } else {
      line.push_back(nodes, by_place, at);
    }
    node.host = &host;
    node.waiting = true;
    ++count;
    return true;
  }

  /// The list to start from, or null when no slot or no task is there for any.
  List* next_ready() noexcept {
    const std::size_t running = running_high + running_other;
    if (running >= options.concurrency) return nullptr;
    List& high = ready[static_cast<std::size_t>(Priority::high)];
    if (!high.empty()) return &high;
    if (running_other >= options.concurrency - high_slots) return nullptr;
    List& normal = ready[static_cast<std::size_t>(Priority::normal)];
    List& low = ready[static_cast<std::size_t>(Priority::low)];
    if (!low.empty() && (normal.empty() || normal_starts + 1 >= kLowEvery)) return &low;
    return normal.empty() ? nullptr : &normal;
  }

  void start(std::uint32_t at, std::vector<Task>& out) {
    Node& node = nodes[at];
    if (options.per_host != 0 && !node.task.host_key.empty()) {
      Host& host = node.host != nullptr ? *node.host : hosts[node.task.host_key];
      ++host.running;
      if (std::exchange(node.promoted, false)) --host.promoted;
    }
    switch (node.task.options->priority) {
      case Priority::high:
        ++running_high;
        break;
      case Priority::normal:
        if (!ready[static_cast<std::size_t>(Priority::low)].empty()) ++normal_starts;
        ++running_other;
        break;
      case Priority::low:
        normal_starts = 0;
        ++running_other;
        break;
    }
    out.push_back(take(at));
  }

  void sweep(SteadyTime now, std::vector<Task>& expired) {
    while (!expiries.empty()) {
      // All of an earlier second are late; those of this one are judged when their turn comes.
      if (expiries.begin()->first >= second_of(now)) return;
      expired.push_back(take_back(expiries.begin()->second.head));
    }
  }
};

TaskQueue::TaskQueue(TaskQueueOptions options) {
  check_range("concurrency", options.concurrency, 1, kConcurrencyMax);
  check_range("queue", options.queue, 1, kQueueMax);
  impl_ = std::make_unique<Impl>(options);
}

TaskQueue::~TaskQueue() = default;

TaskQueueWindow TaskQueue::window() const noexcept { return impl_->window; }

std::vector<Task> TaskQueue::push(std::vector<Task> tasks, SteadyTime now) {
  std::vector<Task> refused;
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  for (Task& task : tasks) {
    assert(task.options != nullptr);
    const bool high = is_high(task);
    const std::size_t held = high ? impl_->queued_high + impl_->running_high
                                  : impl_->queued_other + impl_->running_other;
    if (held >= (high ? impl_->window.high : impl_->window.other)) {
      refused.push_back(std::move(task));
    } else {
      impl_->add(std::move(task), now);
    }
  }
  return refused;
}

TaskQueue::Popped TaskQueue::pop(std::size_t count, SteadyTime now) {
  Popped popped;
  Impl& impl = *impl_;
  const std::lock_guard<std::mutex> lock(impl.mutex);
  impl.sweep(now, popped.expired);
  if (impl.paused) return popped;
  popped.start.reserve(std::min(count, impl.queued_high + impl.queued_other));
  while (popped.start.size() < count) {
    List* const list = impl.next_ready();
    if (list == nullptr) break;
    const std::uint32_t at = list->head;
    if (impl.nodes[at].start_by < now) {
      popped.expired.push_back(impl.take_back(at));
    } else if (Host* const host = impl.at_limit(impl.nodes[at])) {
      if (!impl.set_aside(*host, at)) popped.host_busy.push_back(impl.take_back(at));
    } else {
      impl.start(at, popped.start);
    }
  }
  return popped;
}

void TaskQueue::finish(const Task& task) {
  Impl& impl = *impl_;
  const std::lock_guard<std::mutex> lock(impl.mutex);
  std::size_t& running = is_high(task) ? impl.running_high : impl.running_other;
  assert(running > 0);
  --running;
  if (impl.options.per_host == 0 || task.host_key.empty()) return;
  const auto found = impl.hosts.find(task.host_key);
  assert(found != impl.hosts.end() && found->second.running > 0);
  --found->second.running;
  impl.call_next(found->second);
  if (found->second.unused()) impl.hosts.erase(found);
}

std::optional<Task> TaskQueue::remove(TaskId id) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  const auto found = impl_->by_id.find(id);
  if (found == impl_->by_id.end()) return std::nullopt;
  return impl_->take_back(found->second);
}

std::vector<Task> TaskQueue::remove_all() {
  std::vector<Task> tasks;
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  tasks.reserve(impl_->ages.size);
  while (!impl_->ages.empty()) tasks.push_back(impl_->take_back(impl_->ages.head));
  return tasks;
}

bool TaskQueue::is_queued(TaskId id) const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->by_id.find(id) != impl_->by_id.end();
}

void TaskQueue::set_paused(bool paused) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->paused = paused;
}

TaskQueueFacts TaskQueue::facts(SteadyTime now) const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  TaskQueueFacts facts;
  facts.queued_high = impl_->queued_high;
  facts.queued_other = impl_->queued_other;
  facts.waiting_for_host = impl_->waiting_high + impl_->waiting_other;
  facts.running = impl_->running_high + impl_->running_other;
  if (!impl_->ages.empty()) {
    facts.oldest_age =
        std::max(std::chrono::nanoseconds{0}, now - impl_->nodes[impl_->ages.head].pushed);
  }
  return facts;
}

}  // namespace probekit
