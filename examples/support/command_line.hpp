// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// What the command lines of all programs share: units, --config, --version, logging flags, and
// exit code 2 with one clear line for bad usage.

#include <chrono>
#include <cstdint>
#include <memory>
#include <probekit/log.hpp>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace examples {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

class CommandLine {
 public:
  /// `usage` is a short paragraph of examples shown under the flags.
  CommandLine(const std::string& program, const std::string& description, const std::string& usage);

  CLI::App& app() { return app_; }

  /// Flags with a unit; the text after parsing is in the variable. `250ms`, `5s`, `2m`, `1h`.
  CLI::Option* duration(const std::string& flag, std::chrono::milliseconds& value,
                        const std::string& text);
  /// `4096`, `64KiB`, `1MiB`, `2GiB`.
  CLI::Option* bytes(const std::string& flag, std::size_t& value, const std::string& text);
  CLI::Option* host_port(const std::string& flag, HostPort& value, const std::string& text);
  template <class T>
  CLI::Option* number(const std::string& flag, T& value, T min, T max, const std::string& text) {
    return app_.add_option(flag, value, text)->check(CLI::Range(min, max))->capture_default_str();
  }
  /// A flag of the family that this version cannot honour: refused by name instead of ignored.
  void unsupported(const std::string& flag);

  /// Parses. Returns false when the program is to end now with exit_code().
  bool parse(int argc, char** argv);
  int exit_code() const { return exit_code_; }

  /// The log the flags ask for, on stderr.
  std::shared_ptr<probekit::Log> make_log() const;

 private:
  CLI::App app_;
  std::string log_level_ = "info";
  std::string log_format_ = "text";
  int exit_code_ = kExitDone;
};

/// Prints one line to stderr and returns kExitUsage.
int usage_error(const std::string& program, const std::string& message);

/// The host's name, cut to what names may hold.
std::string host_name();

bool is_loopback(const std::string& host);

}  // namespace examples
