// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the codec: text to messages.

#include <limits>
#include <string>
#include <utility>

#include "json/json_cursor.hpp"
#include "protocol/codec.hpp"
#include "protocol/codec_names.hpp"

namespace probekit::protocol {
namespace {

using json::Cursor;
using std::chrono::milliseconds;

constexpr std::size_t kTextBytesMax = 1024;   // of names, ids, reasons
constexpr std::size_t kAddressBytesMax = 64;  // "[...]:65535" with an IPv6 address is 47
constexpr std::size_t kListMax = 64;          // of versions, kinds
// What a section stands within: the deepest is that of a result, in an item, a list, a message.
static_assert(kSectionDepthMax + 8 <= Cursor::kDepthMax);
constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
// Durations are kept far from where arithmetic on time points could overflow: a hundred years.
constexpr std::uint64_t kMillisecondsMax = 100ULL * 366 * 24 * 3600 * 1000;
// Times and durations in microseconds: up to the year 9999, so that sums and differences of a few
// do not overflow.
constexpr std::uint64_t kMicrosecondsMax = 253'402'300'799'999'999;

bool read_duration(Cursor& in, milliseconds& value) {
  std::uint64_t count = 0;
  if (!in.read_uint(count, kMillisecondsMax)) return false;
  value = milliseconds{static_cast<milliseconds::rep>(count)};
  return true;
}

template <class Unsigned>
bool read_number(Cursor& in, Unsigned& value) {
  std::uint64_t wide = 0;
  if (!in.read_uint(wide, std::numeric_limits<Unsigned>::max())) return false;
  value = static_cast<Unsigned>(wide);
  return true;
}

bool read_attempt(Cursor& in, std::uint32_t& attempt) {
  return read_number(in, attempt) && (attempt > 0 || in.fail("attempts count from 1"));
}

template <class Item, class Read>
bool read_list(Cursor& in, std::vector<Item>& list, std::size_t count_max, Read read) {
  list.clear();
  for (in.enter_array(); in.next_item();) {
    if (list.size() == count_max) return in.fail("list too long");
    list.emplace_back();
    if (!read(list.back())) return false;
  }
  return in.ok();
}

bool read_ids(Cursor& in, std::vector<TaskId>& list) {
  return read_list(in, list, kItemsMax, [&in](TaskId& id) { return in.read_uint(id.value, kAny); });
}

bool read_texts(Cursor& in, std::vector<std::string>& list) {
  return read_list(in, list, kListMax,
                   [&in](std::string& text) { return in.read_string(text, kTextBytesMax); });
}

// A fixed row of an array.
template <class... Reads>
bool read_row(Cursor& in, Reads... reads) {
  if (!in.enter_array()) return false;
  const auto one = [&in](auto& read) {
    return (in.next_item() || in.fail("too few values in a row")) && read();
  };
  if (!(one(reads) && ...)) return false;
  return !in.next_item() ? in.ok() : in.fail("too many values in a row");
}

// Reads the members after `type`. `read` returns whether it knew the key; others are skipped.
template <class Read>
bool read_members(Cursor& in, Read read) {
  std::string_view key;
  while (in.next_member(key))
    if (!read(key)) in.skip();
  return in.ok();
}

struct Decoder {
  Cursor& in;
  unsigned seen = 0;

  // True for the member of this name: then `read` reads it.
  template <class Read>
  bool member(std::string_view key, std::string_view name, Read read, unsigned bit = 0) {
    if (key != name) return false;
    seen |= bit;
    read();
    return true;
  }
  bool number(std::string_view key, std::string_view name, std::uint64_t& value, unsigned bit = 0) {
    return member(
        key, name, [&] { in.read_uint(value, kAny); }, bit);
  }
  bool measure(std::string_view key, std::string_view name, std::int64_t& value) {
    return member(key, name, [&] {
      std::uint64_t number = 0;
      if (in.read_uint(number, kMicrosecondsMax)) value = static_cast<std::int64_t>(number);
    });
  }
  bool text(std::string_view key, std::string_view name, std::string& value, unsigned bit = 0) {
    return member(
        key, name, [&] { in.read_string(value, kTextBytesMax); }, bit);
  }
  bool duration(std::string_view key, std::string_view name, milliseconds& value,
                unsigned bit = 0) {
    return member(
        key, name, [&] { read_duration(in, value); }, bit);
  }
  bool truth(std::string_view key, std::string_view name, bool& value) {
    return member(key, name, [&] { in.read_bool(value); });
  }
  bool needs(unsigned bits) {
    return in.ok() && ((seen & bits) == bits || in.fail("a required member is missing"));
  }

  bool read(Hello& hello) {
    hello.versions.clear();
    read_members(in, [&](std::string_view key) {
      return member(
                 key, "versions", [&] { read_texts(in, hello.versions); }, 1) ||
             text(key, "name", hello.name, 2) || text(key, "instance", hello.instance, 4) ||
             text(key, "agent_version", hello.agent_version) ||
             member(key, "tags", [&] { read_tags(hello.tags); }) ||
             member(
                 key, "kinds", [&] { read_texts(in, hello.kinds); }, 8) ||
             member(
                 key, "capacity", [&] { read_capacity(hello); }, 16) ||
             member(key, "slots", [&] { read_number(in, hello.slots); }) ||
             member(key, "threads", [&] { read_number(in, hello.threads); }) ||
             text(key, "store", hello.store) || number(key, "holds", hello.holds);
    });
    if (!needs(31)) return false;
    if (!is_valid_name(hello.name)) return in.fail("hello: the name is not valid");
    if (hello.instance.empty()) return in.fail("hello: the instance is empty");
    return true;
  }
  void read_tags(std::vector<Label>& tags) {
    tags.clear();
    std::string_view key;
    for (in.enter_object(); in.next_member(key);) {
      if (tags.size() == kTagsMax) {
        in.fail("too many tags");
        return;
      }
      tags.push_back(Label{std::string{key}, {}});
      if (!in.read_string(tags.back().value, kTextBytesMax)) return;
      if (!is_valid_name(tags.back().key) || !is_valid_name(tags.back().value)) {
        in.fail("a tag is not valid");
        return;
      }
    }
  }
  void read_capacity(Hello& hello) {
    if (!in.enter_object()) return;
    read_members(in, [&](std::string_view key) {
      return number(key, "tasks", hello.capacity_tasks) || number(key, "high", hello.capacity_high);
    });
  }

  bool read(Held& held) {
    std::string state;
    read_members(in, [&](std::string_view key) {
      return member(
                 key, "tasks",
                 [&] {
                   read_list(in, held.tasks, kItemsMax, [&](Held::Item& item) {
                     return read_row(
                         in, [&] { return in.read_uint(item.task.value, kAny); },
                         [&] { return read_attempt(in, item.attempt); },
                         [&] {
                           if (!in.read_string(state, kTextBytesMax)) return false;
                           const auto place = place_of(kHeldNames, state);
                           if (!place) return in.fail("unknown state of a held task");
                           item.state = static_cast<HeldState>(*place);
                           return true;
                         });
                   });
                 },
                 1) ||
             truth(key, "last", held.last);
    });
    return needs(1);
  }
  bool read(Welcome& welcome) {
    read_members(in, [&](std::string_view key) {
      return text(key, "session", welcome.session, 1) || number(key, "epoch", welcome.epoch) ||
             text(key, "store", welcome.store, 2) || text(key, "master", welcome.master) ||
             duration(key, "heartbeat_interval_ms", welcome.heartbeat_interval, 4) ||
             duration(key, "dead_after_ms", welcome.dead_after, 8) ||
             duration(key, "resume_grace_ms", welcome.resume_grace) ||
             number(key, "message_bytes_max", welcome.message_bytes_max) ||
             number(key, "results_bytes", welcome.results_bytes) ||
             member(key, "wanted", [&] { read_ids(in, welcome.wanted); }) ||
             truth(key, "last", welcome.last);
    });
    return needs(15);
  }
  bool read(Wanted& wanted) {
    read_members(in, [&](std::string_view key) {
      return member(
                 key, "tasks", [&] { read_ids(in, wanted.tasks); }, 1) ||
             truth(key, "last", wanted.last);
    });
    return needs(1);
  }
  bool read(Reject& reject) {
    read_members(in, [&](std::string_view key) {
      return text(key, "reason", reject.reason, 1) || text(key, "detail", reject.detail) ||
             duration(key, "retry_after_ms", reject.retry_after);
    });
    return needs(1);
  }

  bool read(Tasks& tasks) {
    read_members(in, [&](std::string_view key) {
      return member(
                 key, "options", [&] { read_options(tasks.options); }, 1) ||
             member(
                 key, "tasks", [&] { read_tasks(tasks.tasks); }, 2) ||
             duration(key, "waited_ms", tasks.waited);
    });
    if (!needs(3)) return false;
    for (const Tasks::Item& item : tasks.tasks)
      if (item.options >= tasks.options.size()) return in.fail("a task's options are missing");
    return true;
  }
  void read_tasks(std::vector<Tasks::Item>& tasks) {
    tasks.reserve(256);
    read_list(in, tasks, kItemsMax, [this](Tasks::Item& item) {
      return read_row(
          in, [&] { return in.read_uint(item.task.value, kAny); },
          [&] { return read_attempt(in, item.attempt); },
          [&] { return read_number(in, item.options); },
          [&] { return read_duration(in, item.left); },
          [&] { return in.read_string(item.target, kTargetBytesMax); });
    });
  }
  void read_options(std::vector<std::shared_ptr<const ProbeOptions>>& list) {
    read_list(in, list, kOptionsPerMessageMax, [this](std::shared_ptr<const ProbeOptions>& one) {
      auto options = std::make_shared<ProbeOptions>();
      if (!in.enter_object()) return false;
      std::string priority;
      std::string_view section;
      unsigned found = 0;
      read_members(in, [&](std::string_view key) {
        return member(key, "kind",
                      [&] { found |= in.read_string(options->kind, kTextBytesMax) ? 1U : 0U; }) ||
               member(key, "timeout_ms",
                      [&] { found |= read_duration(in, options->timeout) ? 2U : 0U; }) ||
               text(key, "priority", priority) ||
               member(key, "section", [&] { in.read_object_text(section, kSpecBytesMax); });
      });
      if (!in.ok()) return false;
      if (found != 3) return in.fail("options without kind or timeout_ms");
      if (options->timeout < milliseconds{1} || options->timeout > kTimeoutMax)
        return in.fail("timeout_ms out of range");
      if (!priority.empty()) {
        const Expected<Priority> parsed = parse_priority(priority);
        if (!parsed) return in.fail("unknown priority");
        options->priority = *parsed;
      }
      options->section.assign(section);
      one = std::move(options);
      return true;
    });
  }

  bool read(Results& results) {
    read_members(in, [&](std::string_view key) {
      return number(key, "seq", results.seq, 1) ||
             member(
                 key, "items", [&] { read_items(results.items); }, 2);
    });
    if (!needs(3)) return false;
    if (results.seq == 0) return in.fail("results count from 1");
    return results.items.size() <= kAny - results.seq || in.fail("seq out of range");
  }
  void read_items(std::vector<Results::Item>& items) {
    items.reserve(128);
    std::string why;
    read_list(in, items, kItemsMax, [this, &why](Results::Item& item) {
      if (!in.enter_object()) return false;
      std::string_view text;
      bool has_task = false;
      bool has_result = false;
      std::string_view key;
      while (in.next_member(key)) {
        if (key == "task") {
          has_task = in.read_uint(item.task.value, kAny);
        } else if (key == "attempt") {
          read_attempt(in, item.attempt);
        } else if (key == "result") {
          has_result = in.read_object_text(text, kResultBytesMax);
        } else if (key == "returned") {
          if (!in.read_string(why, kTextBytesMax)) return false;
          const auto place = place_of(kReturnedNames, why);
          if (!place) return in.fail("unknown reason of a return");
          item.returned = static_cast<Returned>(*place);
        } else {
          in.skip();
        }
      }
      if (!in.ok()) return false;
      if (!has_task) return in.fail("an item without its task");
      if (has_result == item.returned.has_value())
        return in.fail("an item is either a result or returned");
      item.result.assign(text);
      return true;
    });
  }

  bool read(Ack& ack) {
    read_members(in, [&](std::string_view key) { return number(key, "seq", ack.seq, 1); });
    return needs(1);
  }
  bool read(Cancel& cancel) {
    read_members(in, [&](std::string_view key) {
      return member(
          key, "tasks", [&] { read_ids(in, cancel.tasks); }, 1);
    });
    return needs(1);
  }
  bool read(Credit& credit) {
    read_members(in, [&](std::string_view key) {
      return number(key, "high", credit.high, 1) || number(key, "other", credit.other, 2);
    });
    return needs(3);
  }
  bool read(Heartbeat& beat) {
    read_members(in, [&](std::string_view key) {
      return number(key, "seq", beat.seq, 1) || number(key, "echo", beat.echo) ||
             measure(key, "sent_us", beat.sent_us) ||
             measure(key, "echo_delay_us", beat.echo_delay_us) ||
             number(key, "items_sent", beat.items_sent, 2) ||
             member(key, "credit", [&] { read_credit(beat.credit.emplace()); }) ||
             member(key, "results_bytes",
                    [&] { in.read_uint(beat.results_bytes.emplace(), kAny); }) ||
             member(key, "ack", [&] { in.read_uint(beat.ack.emplace(), kAny); }) ||
             measure(key, "loop_lag_us", beat.loop_lag_us) || number(key, "queued", beat.queued) ||
             number(key, "running", beat.running) ||
             measure(key, "queue_age_ms", beat.queue_age_ms) ||
             measure(key, "cpu_us", beat.cpu_us) ||
             number(key, "recv_queue_bytes", beat.recv_queue_bytes) ||
             number(key, "send_queue_bytes", beat.send_queue_bytes) ||
             number(key, "unsent_bytes", beat.unsent_bytes) ||
             member(key, "socket", [&] { read_object(beat.socket.emplace()); }) ||
             member(key, "waits", [&] { read_object(beat.waits.emplace()); }) ||
             member(key, "local_failures", [&] { read_object(beat.failures.emplace()); }) ||
             number(key, "unacked", beat.unacked) ||
             measure(key, "unacked_age_ms", beat.unacked_age_ms);
    });
    return needs(3);
  }
  template <class Object>
  void read_object(Object& object) {
    if (!in.enter_object()) return;
    read_members(in, [&](std::string_view key) { return read_member(key, object); });
  }
  bool read_member(std::string_view key, TcpFigures& socket) {
    return member(key, "local", [&] { in.read_string(socket.local, kAddressBytesMax); }) ||
           number(key, "not_sent_bytes", socket.not_sent_bytes) ||
           measure(key, "rtt_us", socket.rtt_us) ||
           number(key, "retransmits", socket.retransmits) ||
           number(key, "peer_window_bytes", socket.peer_window_bytes) ||
           measure(key, "rwnd_limited_us", socket.rwnd_limited_us);
  }
  bool read_member(std::string_view key, Waits& waits) {
    return number(key, "host", waits.host) || number(key, "dns", waits.probes.dns) ||
           number(key, "connect", waits.probes.connect) || number(key, "tls", waits.probes.tls) ||
           number(key, "first_byte", waits.probes.first_byte) ||
           number(key, "receive", waits.probes.receive) ||
           duration(key, "dns_longest_ms", waits.probes.dns_longest);
  }
  bool read_member(std::string_view key, LocalFailures& failures) {
    return number(key, "ports", failures.ports) ||
           number(key, "descriptors", failures.descriptors) ||
           number(key, "memory", failures.memory);
  }
  void read_credit(Credit& credit) {
    if (!in.enter_object()) return;
    unsigned found = 0;
    read_members(in, [&](std::string_view key) {
      return member(key, "high", [&] { found |= in.read_uint(credit.high, kAny) ? 1U : 0U; }) ||
             member(key, "other", [&] { found |= in.read_uint(credit.other, kAny) ? 2U : 0U; });
    });
    if (in.ok() && found != 3) in.fail("credit without high or other");
  }
  bool read(Draining&) {
    return read_members(in, [](std::string_view) { return false; });
  }
  bool read(Ignored&) {
    bool optional = false;
    read_members(in, [&](std::string_view key) { return truth(key, "optional", optional); });
    return in.ok() && (optional || in.fail("unknown type of message"));
  }
};

template <class T>
Expected<Message> decode_as(Cursor& in) {
  T message;
  Decoder decoder{in};
  if (!decoder.read(message) || !in.finish()) return in.error();
  return Message{std::move(message)};
}

Error too_large(std::string_view what) {
  return Error{make_error_code(errc::message_too_large), std::string{what} + ": message too large"};
}

}  // namespace

Expected<Message> decode(std::string_view text) {
  Cursor in{text};
  std::string_view key;
  std::string type;
  if (!in.enter_object()) return in.error();
  if (!in.next_member(key) || key != "type") {
    in.fail("the first member must be `type`");
    return in.error();
  }
  if (!in.read_string(type, 64)) return in.error();
  if (type == "results") return decode_as<Results>(in);
  if (type == "tasks") return decode_as<Tasks>(in);
  if (type == "ack") return decode_as<Ack>(in);
  if (type == "credit") return decode_as<Credit>(in);
  if (type == "heartbeat") return decode_as<Heartbeat>(in);
  if (type == "cancel") return decode_as<Cancel>(in);
  if (type == "hello")
    return text.size() <= kHelloBytesMax ? decode_as<Hello>(in) : too_large("hello");
  if (type == "held") return text.size() <= kHeldBytesMax ? decode_as<Held>(in) : too_large("held");
  if (type == "welcome") return decode_as<Welcome>(in);
  if (type == "wanted") return decode_as<Wanted>(in);
  if (type == "reject") return decode_as<Reject>(in);
  if (type == "draining") return decode_as<Draining>(in);
  return decode_as<Ignored>(in);
}

}  // namespace probekit::protocol
