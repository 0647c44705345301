// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/log.hpp"

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "json/json_value.hpp"
#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

// What a sink was given, and a gate before its first line.
struct Written {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<LogLine> lines;
  bool entered = false;
  bool gate_open = true;
  bool throws = false;

  void wait_entered() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  void open_gate() {
    const std::lock_guard<std::mutex> lock(mutex);
    gate_open = true;
    changed.notify_all();
  }
};

class CollectingSink final : public LogSink {
 public:
  explicit CollectingSink(Written& written) : written_(written) {}
  void write(const LogLine& line) override {
    std::unique_lock<std::mutex> lock(written_.mutex);
    written_.entered = true;
    written_.changed.notify_all();
    written_.changed.wait(lock, [&] { return written_.gate_open; });
    written_.lines.push_back(line);
    if (written_.throws) throw std::runtime_error("sink");
  }

 private:
  Written& written_;
};

std::string text_of(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  return text;
}

LogLine sample() {
  LogLine line;
  line.at = testing::ManualClock().system_now();
  line.level = LogLevel::warn;
  line.component = "master";
  line.message = "agent gone";
  line.fields = {{"name", "a1"}, {"why", "no \"pong\" seen"}, {"empty", ""}};
  return line;
}

TEST_CASE("lines reach the sink in order, with level, fields and time", "[log]") {
  Written written;
  LogOptions options;
  const auto clock = std::make_shared<testing::ManualClock>();
  options.clock = clock;
  {
    Log log(std::make_unique<CollectingSink>(written), options);
    log.write(LogLevel::info, "master", "one", {{"k", "v"}});
    log.write(LogLevel::debug, "master", "below the level");
    log.write(LogLevel::error, "agent", "two");
    log.flush();
    REQUIRE(written.lines.size() == 2);
    log.write(LogLevel::info, "agent", "three");
  }
  REQUIRE(written.lines.size() == 3);
  CHECK(written.lines[0].message == "one");
  CHECK(written.lines[0].fields.at(0).value == "v");
  CHECK(written.lines[0].at == clock->system_now());
  CHECK(written.lines[1].level == LogLevel::error);
  CHECK(written.lines[1].component == "agent");
  CHECK(written.lines[2].message == "three");
}

TEST_CASE("what overflows is dropped and the next line written says how many", "[log]") {
  Written written;
  written.gate_open = false;
  LogOptions options;
  options.lines_max = 5;
  Log log(std::make_unique<CollectingSink>(written), options);
  log.write(LogLevel::info, "test", "first");
  written.wait_entered();
  for (int i = 0; i < 12; ++i) log.write(LogLevel::info, "test", std::to_string(i));
  CHECK(log.dropped() == 7);
  written.open_gate();
  log.flush();
  log.write(LogLevel::info, "test", "last");
  log.flush();
  REQUIRE(written.lines.size() == 7);
  CHECK(written.lines[0].fields.empty());
  REQUIRE(written.lines[1].fields.size() == 1);
  CHECK(written.lines[1].fields[0].key == "lines_dropped");
  CHECK(written.lines[1].fields[0].value == "7");
  CHECK(written.lines[5].message == "4");
  CHECK(written.lines[6].message == "last");
  CHECK(written.lines[6].fields.empty());
  CHECK(log.dropped() == 7);
}

TEST_CASE("lines dropped just before the end are told, too", "[log]") {
  Written written;
  written.gate_open = false;
  LogOptions options;
  options.lines_max = 2;
  std::uint64_t told = 0;
  {
    Log log(std::make_unique<CollectingSink>(written), options);
    log.write(LogLevel::info, "test", "first");
    written.wait_entered();
    for (int i = 0; i < 5; ++i) log.write(LogLevel::info, "test", std::to_string(i));
    written.open_gate();
  }
  for (const LogLine& line : written.lines) {
    for (const LogField& field : line.fields) told += std::stoull(field.value);
  }
  CHECK(told == 3);
}

TEST_CASE("a sink that throws loses its line and nothing else", "[log]") {
  Written written;
  written.throws = true;
  Log log(std::make_unique<CollectingSink>(written), LogOptions());
  log.write(LogLevel::info, "test", "one");
  log.write(LogLevel::info, "test", "two");
  log.flush();
  CHECK(written.lines.size() == 2);
}

TEST_CASE("lines of many threads all arrive when the ring has room", "[log]") {
  Written written;
  LogOptions options;
  options.lines_max = 4000;
  {
    Log log(std::make_unique<CollectingSink>(written), options);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log] {
        for (int i = 0; i < 1000; ++i) log.write(LogLevel::info, "test", "line");
      });
    }
    for (auto& thread : threads) thread.join();
  }
  CHECK(written.lines.size() == 4000);
}

TEST_CASE("a log needs a sink and room", "[log]") {
  Written written;
  CHECK_THROWS_AS(Log(nullptr, LogOptions()), std::invalid_argument);
  LogOptions options;
  options.lines_max = 0;
  CHECK_THROWS_AS(Log(std::make_unique<CollectingSink>(written), options), std::invalid_argument);
}

TEST_CASE("levels have names that read back", "[log]") {
  for (const LogLevel level :
       {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    const auto parsed = parse_log_level(to_string(level));
    REQUIRE(parsed);
    CHECK(*parsed == level);
  }
  const auto wrong = parse_log_level("Info");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == errc::invalid_argument);
  CHECK(wrong.error().message().find("'Info'") != std::string::npos);
}

TEST_CASE("the text sink writes a line that remote text cannot forge", "[log]") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const auto sink = make_text_log_sink(file);
  sink->write(sample());
  LogLine hostile = sample();
  hostile.message = "x\n2026 error master: forged\x1b[2J";
  hostile.fields = {{"v", "a\nb"}};
  sink->write(hostile);
  CHECK(text_of(file) ==
        "2026-01-01T00:00:00.000000Z warn master: agent gone name=a1 why=\"no \\\"pong\\\" seen\" "
        "empty=\"\"\n"
        "2026-01-01T00:00:00.000000Z warn master: x\\n2026 error master: forged\\u001b[2J "
        "v=a\\nb\n");
  std::fclose(file);
}

TEST_CASE("the JSON sink writes one object a line, whatever the bytes", "[log]") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  LogLine line = sample();
  line.fields.push_back({"raw", std::string("\0\xFF\n\\", 4)});
  make_json_log_sink(file)->write(line);
  const std::string text = text_of(file);
  std::fclose(file);
  CHECK(text.back() == '\n');
  CHECK(text.find('\n') == text.size() - 1);
  const auto value = json::Value::parse(text);
  REQUIRE(value);
  CHECK(*value->find("at")->as_string() == "2026-01-01T00:00:00.000000Z");
  CHECK(*value->find("level")->as_string() == "warn");
  CHECK(*value->find("component")->as_string() == "master");
  CHECK(*value->find("message")->as_string() == "agent gone");
  CHECK(*value->find("why")->as_string() == "no \"pong\" seen");
  CHECK(*value->find("raw")->as_string() == std::string("\0\xEF\xBF\xBD\n\\", 6));
}

}  // namespace
}  // namespace probekit
