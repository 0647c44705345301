// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: results on their way into the store, and the windows that bound them.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "master/fleet.hpp"

namespace probekit {

namespace {

using protocol::MasterSession;
using std::chrono::microseconds;

}  // namespace

void Fleet::record_results(Link& link, MasterSession::ResultsArrived results) {
  AgentRecord& record = *link.record_;
  const SteadyTime at = now();
  const SystemTime system_at = system_now();
  const microseconds offset =
      link.session_.knows_clock_offset() ? link.session_.clock_offset() : record.clock_offset;
  const std::uint64_t last = results.last;
  const std::uint64_t bytes = results.bytes;
  std::vector<TaskReport> reports;
  reports.reserve(results.items.size());
  for (protocol::Results::Item& item : results.items) {
    reports.push_back(intake_.convert(std::move(item), offset, system_at));
    if (reports.back().kind == TaskReport::Kind::result) ++record.results;
  }
  const auto count = static_cast<std::int64_t>(reports.size());
  record.in_flight = std::max<std::int64_t>(0, record.in_flight - count);
  record.rate.add(at, reports.size());
  uncommitted_bytes_ += bytes;
  link.uncommitted_ += bytes;
  ++records_open_;
  open_calls_.insert(at);
  judge_uncommitted();
  core_->store->record(
      link.store_session_, std::move(reports),
      [this, core = core_, id = link.id_, last, bytes, at](Expected<RecordReply> reply) {
        core->post([this, id, last, bytes, at, reply = std::move(reply)] {
          on_recorded(id, last, bytes, at, reply);
        });
      });
}

void Fleet::on_recorded(std::uint64_t link_id, std::uint64_t last, std::uint64_t bytes,
                        SteadyTime asked, const Expected<RecordReply>& reply) {
  record_latency(asked);
  uncommitted_bytes_ -= bytes;
  --records_open_;
  judge_uncommitted();
  Link* const link = find_link(link_id);
  const bool living = link != nullptr && !link->ended_;
  if (living) {
    link->uncommitted_ -= bytes;
  } else {
    promised_bytes_ -= bytes;
  }
  if (!reply) {
    log(LogLevel::error, "results were not recorded", {{"why", reply.error().message()}});
    // The agent keeps them, and brings them again when it resumes.
    if (living) {
      link->session_.close(CloseCode::internal, "the store could not record results");
      process(*link);
    }
    return;
  }
  results_duplicate_ += reply->duplicate;
  results_unknown_ += reply->unknown;
  returns_not_held_ += reply->not_held;
  cancel_tasks(reply->cancel);
  if (!living) return;
  link->session_.on_committed(last);
  flush_later(*link);
}

// Windows are promises: what an agent was told it may send, however little is welcome later.
// Together they stay within uncommitted_bytes_max, but for the least that every agent has.
void Fleet::promise_window(Link& link) {
  const MasterOptions& options = core_->options;
  const std::uint64_t most = options.uncommitted_bytes_max;
  const std::uint64_t left = most - std::min<std::uint64_t>(promised_bytes_, most);
  link.window_ = std::clamp<std::uint64_t>(left, protocol::kResultsBytesMin, options.results_bytes);
  promised_bytes_ += link.window_;
  link.session_.set_results_bytes(squeezed_ ? protocol::kResultsBytesMin : link.window_, now());
}

// What has arrived and is not committed stays promised until it is.
void Fleet::end_promise(Link& link) {
  promised_bytes_ -= std::exchange(link.window_, 0);
  promised_bytes_ += link.uncommitted_;
}

void Fleet::judge_uncommitted() {
  const std::size_t most = core_->options.uncommitted_bytes_max;
  const bool squeeze = uncommitted_bytes_ > (squeezed_ ? most / 4 : most / 2);
  if (squeeze == squeezed_) return;
  squeezed_ = squeeze;
  log(LogLevel::warn,
      squeeze ? "results wait for the store: windows shrink" : "the store caught up: windows grow",
      {{"uncommitted_bytes", std::to_string(uncommitted_bytes_)}});
  for (const auto& one : by_session_) {
    Link& link = *one.second;
    link.session_.set_results_bytes(squeeze ? protocol::kResultsBytesMin : link.window_, now());
    flush_later(link);
  }
}

void Fleet::cancel_tasks(const std::vector<std::pair<SessionId, TaskId>>& cancels) {
  std::unordered_map<SessionId, std::vector<TaskId>> by_session;
  for (const auto& [session, task] : cancels) by_session[session].push_back(task);
  for (const auto& [session, tasks] : by_session) {
    Link* const link = find_session(session);
    if (link == nullptr) continue;
    link->session_.cancel(tasks);
    flush_later(*link);
  }
}

}  // namespace probekit
