// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A bounded log: writing never blocks and never does I/O; lines go through a ring to a sink on
/// the log's own thread, and what overflows is dropped and counted in the next line written.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

enum class LogLevel { trace, debug, info, warn, error };

PROBEKIT_EXPORT std::string_view to_string(LogLevel level) noexcept;
PROBEKIT_EXPORT Expected<LogLevel> parse_log_level(std::string_view text);

struct LogField {
  std::string key;
  std::string value;
};

struct LogLine {
  SystemTime at{};
  LogLevel level = LogLevel::info;
  std::string component;  ///< "master", "agent", "api", "websocket", ...
  std::string message;
  std::vector<LogField> fields;
};

/// Where lines end up. Called by the log's thread only, one line at a time; may block.
class PROBEKIT_EXPORT LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogLine& line) = 0;
};

/// `2026-01-02T03:04:05.678901Z info master: message key=value`. The file outlives the sink.
PROBEKIT_EXPORT std::unique_ptr<LogSink> make_text_log_sink(std::FILE* file);
/// One JSON object a line: `at`, `level`, `component`, `message` and the fields by their keys.
PROBEKIT_EXPORT std::unique_ptr<LogSink> make_json_log_sink(std::FILE* file);

struct LogOptions {
  LogLevel level = LogLevel::info;     ///< lines below are not taken
  std::size_t lines_max = 8192;        ///< in the ring; what comes beyond is dropped and counted
  std::shared_ptr<const Clock> clock;  ///< default: the system's
};

/// *Threads*: safe to share. The destructor writes what is in the ring.
class PROBEKIT_EXPORT Log {
 public:
  Log(std::unique_ptr<LogSink> sink, LogOptions options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool enabled(LogLevel level) const noexcept;
  void write(LogLevel level, std::string_view component, std::string message,
             std::initializer_list<LogField> fields);
  void write(LogLevel level, std::string_view component, std::string message);

  /// Lines dropped since the start because the ring was full.
  std::uint64_t dropped() const noexcept;
  /// Returns once every line written before the call has reached the sink.
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
