// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/log.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/text.hpp"
#include "base/thread.hpp"

namespace probekit {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};
constexpr std::size_t kChunkLines = 64;  // taken from the ring at once

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Remote text must not forge lines or move a terminal's cursor.
void append_plain(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) {
      append_json_escape(out, c);
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\' || is_control(c)) {
      append_json_escape(out, c);
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_text_value(std::string& out, std::string_view text) {
  const bool bare = !text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos;
  bare ? append_plain(out, text) : append_quoted(out, text);
}

void append_json_string(std::string& out, std::string_view text) {
  if (is_valid_utf8(text)) {
    append_quoted(out, text);
  } else {
    append_quoted(out, to_valid_utf8(text));
  }
}

class TextLogSink final : public LogSink {
 public:
  explicit TextLogSink(std::FILE* file) : file_(file) {}

  void write(const LogLine& line) override {
    text_.clear();
    append_rfc3339(text_, line.at);
    text_ += ' ';
    text_ += to_string(line.level);
    text_ += ' ';
    append_plain(text_, line.component);
    text_ += ": ";
    append_plain(text_, line.message);
    for (const LogField& field : line.fields) {
      text_ += ' ';
      append_plain(text_, field.key);
      text_ += '=';
      append_text_value(text_, field.value);
    }
    text_ += '\n';
    std::fwrite(text_.data(), 1, text_.size(), file_);
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
  std::string text_;
};

class JsonLogSink final : public LogSink {
 public:
  explicit JsonLogSink(std::FILE* file) : file_(file) {}

  void write(const LogLine& line) override {
    text_ = "{\"at\":\"";
    append_rfc3339(text_, line.at);
    text_ += '"';
    member("level", to_string(line.level));
    member("component", line.component);
    member("message", line.message);
    for (const LogField& field : line.fields) member(field.key, field.value);
    text_ += "}\n";
    std::fwrite(text_.data(), 1, text_.size(), file_);
    std::fflush(file_);
  }

 private:
  void member(std::string_view key, std::string_view value) {
    text_ += ',';
    append_json_string(text_, key);
    text_ += ':';
    append_json_string(text_, value);
  }

  std::FILE* file_;
  std::string text_;
};

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  const auto index = static_cast<std::size_t>(level);
  return index < kLevels.size() ? kLevels[index] : "unknown";
}

Expected<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == text) return static_cast<LogLevel>(i);
  }
  return Error(errc::invalid_argument,
               "a log level is trace, debug, info, warn or error, not '" + std::string(text) + "'");
}

std::unique_ptr<LogSink> make_text_log_sink(std::FILE* file) {
  return std::make_unique<TextLogSink>(file);
}

std::unique_ptr<LogSink> make_json_log_sink(std::FILE* file) {
  return std::make_unique<JsonLogSink>(file);
}

struct Log::Impl {
  void run();

  std::unique_ptr<LogSink> sink;
  LogOptions options;

  mutable std::mutex mutex;
  std::condition_variable more;
  std::condition_variable less;
  std::deque<LogLine> ring;        // under mutex, as all below
  std::uint64_t accepted = 0;      // lines taken into the ring
  std::uint64_t written = 0;       // of those, handed to the sink
  std::uint64_t dropped = 0;       // since the start
  std::uint64_t dropped_told = 0;  // of those, told in a line
  bool closing = false;

  std::thread thread;
};

void Log::Impl::run() {
  std::deque<LogLine> chunk;
  for (;;) {
    std::uint64_t dropped_now = 0;
    {
      std::unique_lock<std::mutex> lock(mutex);
      written += chunk.size();
      chunk.clear();
      less.notify_all();
      more.wait(lock, [&] { return closing || !ring.empty(); });
      if (ring.empty()) return;
      while (!ring.empty() && chunk.size() < kChunkLines) {
        chunk.push_back(std::move(ring.front()));
        ring.pop_front();
      }
      dropped_now = dropped - dropped_told;
      dropped_told = dropped;
    }
    if (dropped_now > 0) {
      chunk.front().fields.push_back({"lines_dropped", std::to_string(dropped_now)});
    }
    for (const LogLine& line : chunk) {
      try {
        sink->write(line);
      } catch (...) {  // there is nowhere to log it
      }
    }
  }
}

Log::Log(std::unique_ptr<LogSink> sink, LogOptions options) : impl_(std::make_unique<Impl>()) {
  if (!sink) throw std::invalid_argument("Log: sink is null");
  if (options.lines_max == 0) throw std::invalid_argument("LogOptions::lines_max is 0");
  if (!options.clock) options.clock = system_clock();
  impl_->sink = std::move(sink);
  impl_->options = std::move(options);
  impl_->thread = start_thread("probekit-log", [impl = impl_.get()] { impl->run(); });
}

Log::~Log() {
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->closing = true;
  }
  impl_->more.notify_one();
  impl_->thread.join();
}

bool Log::enabled(LogLevel level) const noexcept { return level >= impl_->options.level; }

void Log::write(LogLevel level, std::string_view component, std::string message,
                std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  LogLine line;
  line.at = impl_->options.clock->system_now();
  line.level = level;
  line.component = component;
  line.message = std::move(message);
  line.fields = fields;
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    if (impl_->ring.size() >= impl_->options.lines_max) {
      ++impl_->dropped;
      return;
    }
    first = impl_->ring.empty();
    impl_->ring.push_back(std::move(line));
    ++impl_->accepted;
  }
  if (first) impl_->more.notify_one();
}

void Log::write(LogLevel level, std::string_view component, std::string message) {
  write(level, component, std::move(message), {});
}

std::uint64_t Log::dropped() const noexcept {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->dropped;
}

void Log::flush() {
  std::unique_lock<std::mutex> lock(impl_->mutex);
  const std::uint64_t wanted = impl_->accepted;
  impl_->less.wait(lock, [&] { return impl_->written >= wanted; });
}

}  // namespace probekit
