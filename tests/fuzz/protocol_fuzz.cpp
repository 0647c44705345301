// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Messages as either side receives them: what decodes keeps to the documented bounds and survives
// the way through the encoder, and through the writers that pack tasks and results.

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "json/json_value.hpp"
#include "protocol/codec.hpp"

namespace {

using namespace probekit;
using namespace probekit::protocol;
using fuzz::require;

constexpr std::size_t kTextBytesMax = 1024;
constexpr std::size_t kListMax = 64;

void check_text(const std::string& text) {
  require(text.size() <= kTextBytesMax, "a text is at most 1 KiB");
}

void check_texts(const std::vector<std::string>& texts) {
  require(texts.size() <= kListMax, "a list of texts is at most 64");
  std::for_each(texts.begin(), texts.end(), check_text);
}

struct Bounds {
  std::size_t bytes;

  void operator()(const Hello& hello) const {
    require(bytes <= kHelloBytesMax, "a hello is at most 4 KiB");
    require(is_valid_name(hello.name), "a name is valid");
    require(!hello.instance.empty(), "an instance is given");
    require(hello.tags.size() <= kTagsMax, "tags are at most 64");
    for (const Label& tag : hello.tags) {
      require(is_valid_name(tag.key) && is_valid_name(tag.value), "a tag is valid");
    }
    check_texts(hello.versions);
    check_texts(hello.kinds);
    check_text(hello.agent_version);
    check_text(hello.store);
  }
  void operator()(const Held& held) const {
    require(bytes <= kHeldBytesMax, "held is at most 64 KiB");
    require(held.tasks.size() <= kItemsMax, "items are bounded");
    for (const Held::Item& item : held.tasks) require(item.attempt > 0, "attempts are from 1");
  }
  void operator()(const Welcome& welcome) const {
    require(welcome.wanted.size() <= kItemsMax, "items are bounded");
    check_text(welcome.session);
    check_text(welcome.master);
  }
  void operator()(const Wanted& wanted) const {
    require(wanted.tasks.size() <= kItemsMax, "items are bounded");
  }
  void operator()(const Reject& reject) const {
    check_text(reject.reason);
    check_text(reject.detail);
  }
  void operator()(const Tasks& tasks) const {
    require(tasks.options.size() <= kOptionsPerMessageMax, "options are bounded");
    require(tasks.tasks.size() <= kItemsMax, "items are bounded");
    for (const auto& one : tasks.options) {
      require(one->timeout.count() >= 1 && one->timeout <= kTimeoutMax, "timeouts have a range");
      require(one->section.size() <= kSpecBytesMax, "a section is at most 64 KiB");
    }
    for (const Tasks::Item& item : tasks.tasks) {
      require(item.options < tasks.options.size(), "a task's options are there");
      require(item.target.size() <= kTargetBytesMax, "a target is at most 8 KiB");
      require(item.attempt > 0, "attempts are from 1");
    }
  }
  void operator()(const Results& results) const {
    require(results.seq > 0, "results are from 1");
    require(results.items.size() <= kItemsMax, "items are bounded");
    for (const Results::Item& item : results.items) {
      require(item.returned.has_value() == item.result.empty(), "it is one of the two");
      require(item.result.size() <= kResultBytesMax, "a result is at most 64 KiB");
      require(item.attempt > 0, "attempts are from 1");
    }
  }
  template <class Other>
  void operator()(const Other&) const {}
};

std::string encoded(const Message& message) {
  std::string text;
  encode(message, text);
  return text;
}

void check_tasks_writer(const Tasks& tasks) {
  TasksWriter writer{4096};
  for (const Tasks::Item& item : tasks.tasks) {
    writer.add(item.task, item.attempt, tasks.options[item.options], item.left, item.target);
  }
  std::size_t next = 0;
  for (const Packed& packed : writer.take()) {
    const auto message = decode(packed.text);
    require(message.has_value(), "what TasksWriter writes decodes");
    const Tasks& part = std::get<Tasks>(*message);
    require(part.tasks.size() == packed.items, "it holds as many as it says");
    for (const Tasks::Item& item : part.tasks) {
      const Tasks::Item& before = tasks.tasks.at(next++);
      require(item.task == before.task && item.attempt == before.attempt &&
                  item.left == before.left && item.target == before.target &&
                  *part.options[item.options] == *tasks.options[before.options],
              "a packed task is the same");
    }
  }
  require(next == tasks.tasks.size(), "every task is packed");
}

void check_results_writer(const Results& results) {
  ResultsWriter writer{results.seq};
  for (const Results::Item& item : results.items) {
    std::string text;
    if (item.returned) {
      append_returned_item(text, item.task, item.attempt, *item.returned);
    } else {
      append_result_item(text, item.task, item.attempt, item.result);
    }
    writer.add(text);
  }
  require(writer.take() == encoded(results), "ResultsWriter writes what encode() does");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  require(retry_after_of(text) <= std::chrono::hours{24}, "nobody is sent away for over a day");
  if (is_valid_utf8(text)) {
    const std::string closing = close_text(text, std::chrono::seconds{7});
    require(closing.size() <= 123 && is_valid_utf8(closing), "a closing text fits its frame");
    require(retry_after_of(closing) == std::chrono::seconds{7}, "a closing text says how long");
  }

  const auto message = decode(text);
  if (!message) {
    require(message.error().code() == errc::protocol_violation ||
                message.error().code() == errc::message_too_large,
            "a refusal is one of two");
    return 0;
  }
  require(is_valid_utf8(text) && json::Value::parse(text, {64}).has_value() ==
                                     json::Value::parse(text, {32}).has_value(),
          "what decodes is UTF-8 and not nested deeper than 32");
  std::visit(Bounds{size}, *message);
  if (std::holds_alternative<Ignored>(*message)) return 0;

  // All of a message stands in its text, so equal texts are equal messages.
  const std::string once = encoded(*message);
  const auto again = decode(once);
  if (!again) {
    require(again.error().code() == errc::message_too_large, "what is encoded decodes");
    return 0;
  }
  require(again->index() == message->index() && encoded(*again) == once,
          "a message survives the way through the encoder");
  if (const auto* const tasks = std::get_if<Tasks>(&*message)) check_tasks_writer(*tasks);
  if (const auto* const results = std::get_if<Results>(&*message)) check_results_writer(*results);
  return 0;
}
