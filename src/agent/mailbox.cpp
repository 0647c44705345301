// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "agent/mailbox.hpp"

#include <string>

#include "json/json_writer.hpp"
#include "probe/result_json.hpp"

namespace probekit {
namespace {

void write_result(std::string& out, const ProbeResult& result) {
  out.clear();
  json::Writer writer{out};
  writer.begin_object();
  append_result_fields(writer, result);
  writer.end_object();
}

protocol::Returned wire_reason(TaskObserver::Returned why) noexcept {
  switch (why) {
    case TaskObserver::Returned::expired:
      return protocol::Returned::expired;
    case TaskObserver::Returned::host_busy:
      return protocol::Returned::host_busy;
    case TaskObserver::Returned::unsupported:
      break;
  }
  return protocol::Returned::unsupported;
}

}  // namespace

void Mailbox::on_result(Task task, ProbeResult result) {
  thread_local std::string text;
  write_result(text, result);
  if (text.size() > kResultBytesMax)
    write_result(text, failed_result(FailureKind::internal,
                                     "a result of " + std::to_string(text.size()) + " bytes"));
  protocol::AgentSession::Finished finished;
  finished.task = task.id;
  finished.result_bytes = text.size();
  finished.item.reserve(text.size() + protocol::kResultItemBytes);
  protocol::append_result_item(finished.item, task.id, task.attempt, text);
  const std::lock_guard<std::mutex> lock{mutex_};
  letters_.finished.push_back(std::move(finished));
}

void Mailbox::on_returned(Task task, TaskObserver::Returned why) {
  const std::lock_guard<std::mutex> lock{mutex_};
  letters_.returned.emplace_back(task.id, wire_reason(why));
}

void Mailbox::on_burst_end() {
  {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (posted_ || (letters_.finished.empty() && letters_.returned.empty())) return;
    posted_ = true;
  }
  post_();
}

void Mailbox::on_cancelled(TaskId task) {
  {
    const std::lock_guard<std::mutex> lock{mutex_};
    letters_.returned.emplace_back(task, protocol::Returned::cancelled);
  }
  on_burst_end();
}

Mailbox::Letters Mailbox::take() {
  const std::lock_guard<std::mutex> lock{mutex_};
  posted_ = false;
  return std::exchange(letters_, {});
}

}  // namespace probekit
