// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// What the command lines of all programs share: units, --config, --version, logging flags, and
// exit code 2 with one clear line for bad usage.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <probekit/log.hpp>
#include <string>
#include <vector>

#include "host_port.hpp"

namespace examples {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

/// Flags are declared with the variable they set, which holds the default and outlives parse().
/// `shown` is what the help says after the flag, such as "NAME [host name]".
class CommandLine {
 public:
  /// `footer` is a short paragraph of examples, the last lines of the help.
  CommandLine(const std::string& program, const std::string& description,
              const std::string& footer);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// An argument without a flag: at most one, or at least one.
  void argument(const std::string& name, std::string& value, const std::string& help);
  void arguments(const std::string& name, std::vector<std::string>& values,
                 const std::string& help);

  /// A heading in the help over the flags that follow.
  void section(const std::string& heading);
  void flag(const std::string& name, bool& value, const std::string& help);
  void text(const std::string& name, std::string& value, const std::string& shown,
            const std::string& help);
  /// Repeatable.
  void texts(const std::string& name, std::vector<std::string>& values, const std::string& shown,
             const std::string& help);
  void choice(const std::string& name, std::string& value, const std::vector<std::string>& choices,
              const std::string& shown, const std::string& help);
  template <class T>
  void number(const std::string& name, T& value, T min, T max, const std::string& help,
              const std::string& shown = {}) {
    add_number(
        name, min, max, [&value](std::uint64_t given) { value = static_cast<T>(given); },
        shown.empty() ? "N [" + std::to_string(value) + "]" : shown, help);
  }
  /// `250ms`, `0.5s`, `2m`, `1h`.
  void duration(const std::string& name, std::chrono::milliseconds& value,
                std::chrono::milliseconds min, std::chrono::milliseconds max,
                const std::string& help);
  /// Up to a year.
  void duration(const std::string& name, std::chrono::milliseconds& value,
                std::chrono::milliseconds min, const std::string& help);
  /// `4096`, `64KiB`, `1MiB`, `2GiB`.
  void bytes(const std::string& name, std::size_t& value, std::size_t min, const std::string& help);
  void host_port(const std::string& name, HostPort& value, const std::string& help);
  /// An object in the file that --config names, as JSON; `json` stays as it is when there is none.
  void config_section(const std::string& key, std::string& json);
  /// A flag of the family that this version cannot honour: refused by name instead of ignored.
  void unsupported(const std::string& name);

  /// Parses. Returns false when the program is to end now with exit_code().
  bool parse(int argc, char** argv);
  int exit_code() const;

  /// The log the flags ask for, on stderr.
  std::shared_ptr<probekit::Log> make_log() const;

 private:
  /// Sets something from a value; returns what is wrong with the value, or nothing.
  using Take = std::function<std::string(const std::string& given)>;
  void add(const std::string& name, Take take, const std::string& shown, const std::string& help);
  void add_number(const std::string& name, std::uint64_t min, std::uint64_t max,
                  std::function<void(std::uint64_t)> take, const std::string& shown,
                  const std::string& help);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Prints one line to stderr and returns kExitUsage, or kExitFailed.
int usage_error(const std::string& program, const std::string& message);
int failure(const std::string& program, const std::string& message);

/// Runs what main() does. What it throws ends in one line and an exit code: std::invalid_argument
/// is bad usage, any other exception a failure.
int guarded(const std::string& program, const std::function<int()>& run);

/// The host's name, cut to what names may hold.
std::string host_name();

}  // namespace examples
