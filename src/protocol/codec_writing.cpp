// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the codec: messages to text.

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/text.hpp"
#include "json/json_writer.hpp"
#include "protocol/codec.hpp"

namespace probekit::protocol {
namespace {

using std::chrono::milliseconds;

std::uint64_t count_of(milliseconds duration) {
  return static_cast<std::uint64_t>(std::max<milliseconds::rep>(duration.count(), 0));
}

void append_options(std::string& out, const ProbeOptions& options) {
  json::Writer writer{out};
  writer.begin_object();
  writer.member("kind", options.kind);
  writer.member("timeout_ms", count_of(options.timeout));
  writer.member("priority", to_string(options.priority));
  if (!options.section.empty()) writer.key("section").raw(options.section);
  writer.end_object();
}

void append_task(std::string& out, TaskId task, std::uint32_t attempt, std::uint64_t options,
                 milliseconds left, std::string_view target) {
  out += '[';
  append_uint(out, task.value);
  out += ',';
  append_uint(out, attempt);
  out += ',';
  append_uint(out, options);
  out += ',';
  append_uint(out, count_of(left));
  out += ',';
  json::append_string(out, target);
  out += ']';
}

void append_item(std::string& out, const Results::Item& item) {
  if (item.returned)
    append_returned_item(out, item.task, item.attempt, *item.returned);
  else
    append_result_item(out, item.task, item.attempt, item.result);
}

// Writes the members of a message into the object that is open.
struct Encoder {
  std::string& out;
  json::Writer& writer;

  template <class T>
  void member(std::string_view key, const T& value) {
    if constexpr (std::is_same_v<T, milliseconds>)
      writer.member(key, count_of(value));
    else
      writer.member(key, value);
  }
  void type(std::string_view name) { member("type", name); }

  // `write` appends one element to `out`.
  template <class List, class Write>
  void list(std::string_view key, const List& items, Write write) {
    writer.key(key).raw("[");
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += ',';
      first = false;
      write(item);
    }
    out += ']';
  }
  void ids(std::string_view key, const std::vector<TaskId>& tasks) {
    list(key, tasks, [this](TaskId id) { append_uint(out, id.value); });
  }
  void texts(std::string_view key, const std::vector<std::string>& texts) {
    list(key, texts, [this](const std::string& text) { json::append_string(out, text); });
  }
  void credit(const Credit& credit) {
    member("high", credit.high);
    member("other", credit.other);
  }

  void operator()(const Hello& hello) {
    type("hello");
    texts("versions", hello.versions);
    member("name", hello.name);
    member("instance", hello.instance);
    member("agent_version", hello.agent_version);
    writer.key("tags").begin_object();
    for (const Label& tag : hello.tags) member(tag.key, tag.value);
    writer.end_object();
    texts("kinds", hello.kinds);
    writer.key("capacity").begin_object();
    member("tasks", hello.capacity_tasks);
    member("high", hello.capacity_high);
    writer.end_object();
    member("slots", hello.slots);
    member("threads", hello.threads);
    member("store", hello.store);
    member("holds", hello.holds);
  }
  void operator()(const Held& held) {
    type("held");
    list("tasks", held.tasks, [this](const Held::Item& item) {
      out += '[';
      append_uint(out, item.task.value);
      out += ',';
      append_uint(out, item.attempt);
      out += ",\"";
      out += to_string(item.state);
      out += "\"]";
    });
    member("last", held.last);
  }
  void operator()(const Welcome& welcome) {
    type("welcome");
    member("session", welcome.session);
    member("epoch", welcome.epoch);
    member("store", welcome.store);
    member("master", welcome.master);
    member("heartbeat_interval_ms", welcome.heartbeat_interval);
    member("dead_after_ms", welcome.dead_after);
    member("resume_grace_ms", welcome.resume_grace);
    member("message_bytes_max", welcome.message_bytes_max);
    member("results_bytes", welcome.results_bytes);
    ids("wanted", welcome.wanted);
    member("last", welcome.last);
  }
  void operator()(const Wanted& wanted) {
    type("wanted");
    ids("tasks", wanted.tasks);
    member("last", wanted.last);
  }
  void operator()(const Reject& reject) {
    type("reject");
    member("reason", reject.reason);
    member("detail", reject.detail);
    member("retry_after_ms", reject.retry_after);
  }
  void operator()(const Tasks& tasks) {
    type("tasks");
    list("options", tasks.options,
         [this](const std::shared_ptr<const ProbeOptions>& one) { append_options(out, *one); });
    list("tasks", tasks.tasks, [this](const Tasks::Item& item) {
      append_task(out, item.task, item.attempt, item.options, item.left, item.target);
    });
    if (tasks.waited.count() > 0) member("waited_ms", tasks.waited);
  }
  void operator()(const Results& results) {
    type("results");
    member("seq", results.seq);
    list("items", results.items, [this](const Results::Item& item) { append_item(out, item); });
  }
  void operator()(const Ack& ack) {
    type("ack");
    member("seq", ack.seq);
  }
  void operator()(const Cancel& cancel) {
    type("cancel");
    ids("tasks", cancel.tasks);
  }
  void operator()(const Credit& message) {
    type("credit");
    credit(message);
  }
  void operator()(const Heartbeat& beat) {
    type("heartbeat");
    member("seq", beat.seq);
    member("echo", beat.echo);
    member("sent_us", beat.sent_us);
    member("echo_delay_us", beat.echo_delay_us);
    member("items_sent", beat.items_sent);
    if (beat.credit) {
      writer.key("credit").begin_object();
      credit(*beat.credit);
      writer.end_object();
    }
    if (beat.results_bytes) member("results_bytes", *beat.results_bytes);
    if (beat.ack) member("ack", *beat.ack);
    member("loop_lag_us", beat.loop_lag_us);
    member("queued", beat.queued);
    member("running", beat.running);
    member("queue_age_ms", beat.queue_age_ms);
    member("cpu_us", beat.cpu_us);
    member("recv_queue_bytes", beat.recv_queue_bytes);
    member("send_queue_bytes", beat.send_queue_bytes);
    member("unsent_bytes", beat.unsent_bytes);
    if (beat.socket) {
      writer.key("socket").begin_object();
      member("local", beat.socket->local);
      member("not_sent_bytes", beat.socket->not_sent_bytes);
      member("rtt_us", beat.socket->rtt_us);
      member("retransmits", beat.socket->retransmits);
      member("peer_window_bytes", beat.socket->peer_window_bytes);
      member("rwnd_limited_us", beat.socket->rwnd_limited_us);
      writer.end_object();
    }
    if (beat.waits) {
      writer.key("waits").begin_object();
      member("host", beat.waits->host);
      member("dns", beat.waits->probes.dns);
      member("connect", beat.waits->probes.connect);
      member("tls", beat.waits->probes.tls);
      member("first_byte", beat.waits->probes.first_byte);
      member("receive", beat.waits->probes.receive);
      member("dns_longest_ms", beat.waits->probes.dns_longest);
      writer.end_object();
    }
    if (beat.failures) {
      writer.key("local_failures").begin_object();
      member("ports", beat.failures->ports);
      member("descriptors", beat.failures->descriptors);
      member("memory", beat.failures->memory);
      writer.end_object();
    }
    if (beat.unacked > 0) {
      member("unacked", beat.unacked);
      member("unacked_age_ms", beat.unacked_age_ms);
    }
  }
  void operator()(const Draining&) { type("draining"); }
  void operator()(const Ignored&) {}
};

}  // namespace

void encode(const Message& message, std::string& out) {
  if (std::holds_alternative<Ignored>(message)) return;
  json::Writer writer{out};
  writer.begin_object();
  std::visit(Encoder{out, writer}, message);
  writer.end_object();
}

// -- packing --------------------------------------------------------------------------------------

namespace {
// Around the two lists of a tasks message, with room for `waited_ms`.
constexpr std::size_t kTasksFrameBytes = 80;
constexpr std::string_view kTasksHead = R"({"type":"tasks","options":[)";
constexpr std::string_view kTasksMiddle = R"(],"tasks":[)";
}  // namespace

void TasksWriter::add(TaskId task, std::uint32_t attempt,
                      const std::shared_ptr<const ProbeOptions>& options, milliseconds left,
                      std::string_view target) {
  const std::size_t options_before = options_text_.size();
  const std::size_t tasks_before = tasks_text_.size();
  const std::size_t last_before = last_;
  bool fresh = false;
  if (last_ >= options_.size() || options_[last_] != options.get()) {
    const auto found = std::find(options_.begin(), options_.end(), options.get());
    last_ = static_cast<std::size_t>(found - options_.begin());
    if (found == options_.end()) {
      fresh = true;
      options_.push_back(options.get());
      kept_.push_back(options);
      if (options_before != 0) options_text_ += ',';
      append_options(options_text_, *options);
    }
  }
  if (tasks_before != 0) tasks_text_ += ',';
  append_task(tasks_text_, task, attempt, last_, left, target);
  ++items_;
  const bool full = options_text_.size() + tasks_text_.size() + kTasksFrameBytes > bytes_target_ ||
                    options_.size() > kOptionsPerMessageMax || items_ > kItemsMax;
  if (!full || items_ == 1) return;
  // It did not fit: the message ends before it, and it opens the next one.
  if (fresh) {
    options_.pop_back();
    kept_.pop_back();
  }
  options_text_.resize(options_before);
  tasks_text_.resize(tasks_before);
  last_ = last_before;
  --items_;
  finish_message();
  add(task, attempt, options, left, target);
}

void TasksWriter::finish_message() {
  if (items_ == 0) return;
  Packed packed;
  packed.items = items_;
  packed.text.reserve(options_text_.size() + tasks_text_.size() + kTasksFrameBytes);
  packed.text += kTasksHead;
  packed.text += options_text_;
  packed.text += kTasksMiddle;
  packed.text += tasks_text_;
  packed.text += "]}";
  done_.push_back(std::move(packed));
  options_text_.clear();
  tasks_text_.clear();
  options_.clear();
  kept_.clear();
  last_ = 0;
  items_ = 0;
}

std::vector<Packed> TasksWriter::take() {
  finish_message();
  return std::exchange(done_, {});
}

void append_waited(std::string& text, milliseconds waited) {
  text.pop_back();
  text += ",\"waited_ms\":";
  append_uint(text, count_of(waited));
  text += '}';
}

void append_result_item(std::string& out, TaskId task, std::uint32_t attempt,
                        std::string_view result) {
  out += "{\"task\":";
  append_uint(out, task.value);
  out += ",\"attempt\":";
  append_uint(out, attempt);
  out += ",\"result\":";
  out += result;
  out += '}';
}

void append_returned_item(std::string& out, TaskId task, std::uint32_t attempt, Returned why) {
  out += "{\"task\":";
  append_uint(out, task.value);
  out += ",\"attempt\":";
  append_uint(out, attempt);
  out += ",\"returned\":\"";
  out += to_string(why);
  out += "\"}";
}

ResultsWriter::ResultsWriter(std::uint64_t seq) {
  text_ = "{\"type\":\"results\",\"seq\":";
  append_uint(text_, seq);
  text_ += ",\"items\":[";
}

std::size_t ResultsWriter::bytes_with(std::size_t item_bytes) const noexcept {
  return text_.size() + item_bytes + (items_ != 0 ? 1 : 0) + 2;
}

void ResultsWriter::add(std::string_view item) {
  if (items_++ != 0) text_ += ',';
  text_ += item;
}

std::string ResultsWriter::take() {
  text_ += "]}";
  return std::move(text_);
}

}  // namespace probekit::protocol
