// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "command_line.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <probekit/address_policy.hpp>
#include <probekit/task.hpp>
#include <probekit/version.hpp>
#include <stdexcept>
#include <utility>

#include "json_config.hpp"

namespace examples {
namespace {

struct Unit {
  const char* name;
  std::uint64_t factor;
};

// A whole number and one of the units. The error says which units there are.
template <std::size_t N>
std::uint64_t parse_with_unit(const std::string& text, const std::array<Unit, N>& units) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string unit{rest, end};
  for (const auto& known : units) {
    if (error != std::errc{} || unit != known.name) continue;
    if (number > UINT64_MAX / known.factor) break;
    return number * known.factor;
  }
  std::string names;
  for (const auto& known : units)
    if (*known.name != '\0') names += (names.empty() ? "" : ", ") + std::string{known.name};
  throw CLI::ValidationError("'" + text + "' is not a whole number with a unit of " + names);
}

constexpr std::array<Unit, 4> kDurations{{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 4> kBytes{
    {{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}}};
// A year: beyond it a duration is a typing error.
constexpr std::uint64_t kDurationMax = 365ULL * 24 * 3'600'000;

std::string show(std::chrono::milliseconds value) {
  return value.count() % 1000 == 0 ? std::to_string(value.count() / 1000) + "s"
                                   : std::to_string(value.count()) + "ms";
}

std::string show_bytes(std::size_t value) {
  if (value % (1024 * 1024) == 0) return std::to_string(value / (1024 * 1024)) + "MiB";
  if (value % 1024 == 0) return std::to_string(value / 1024) + "KiB";
  return std::to_string(value);
}

}  // namespace

CommandLine::CommandLine(const std::string& program, const std::string& description,
                         const std::string& usage)
    : app_(description, program) {
  app_.footer(usage);
  app_.get_formatter()->column_width(34);
  app_.set_help_flag("-h,--help", "show this text");
  app_.set_version_flag("--version", program + " " + std::string{probekit::version()});
  app_.config_formatter(std::make_shared<JsonConfig>());
  app_.set_config("--config", "", "JSON file with flags; those given here win")
      ->option_text("FILE");
  app_.allow_config_extras(CLI::config_extras_mode::error);
  app_.add_option("--log-level", log_level_, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->option_text("LEVEL [info]");
  app_.add_option("--log-format", log_format_, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("FORMAT [text]");
}

CLI::Option* CommandLine::duration(const std::string& flag, std::chrono::milliseconds& value,
                                   const std::string& text) {
  return app_
      .add_option_function<std::string>(
          flag,
          [&value, flag](const std::string& given) {
            std::uint64_t parsed = 0;
            try {
              parsed = parse_with_unit(given, kDurations);
            } catch (const CLI::ValidationError& error) {
              throw CLI::ValidationError(flag, error.what());
            }
            if (parsed > kDurationMax)
              throw CLI::ValidationError(flag, "'" + given + "' is over a year");
            value = std::chrono::milliseconds{parsed};
          },
          text)
      ->option_text("DUR [" + show(value) + "]");
}

CLI::Option* CommandLine::bytes(const std::string& flag, std::size_t& value,
                                const std::string& text) {
  return app_
      .add_option_function<std::string>(
          flag,
          [&value, flag](const std::string& given) {
            try {
              value = parse_with_unit(given, kBytes);
            } catch (const CLI::ValidationError& error) {
              throw CLI::ValidationError(flag, error.what());
            }
          },
          text)
      ->option_text("BYTES [" + show_bytes(value) + "]");
}

CLI::Option* CommandLine::host_port(const std::string& flag, HostPort& value,
                                    const std::string& text) {
  const auto shown = value.host + ":" + std::to_string(value.port);
  return app_
      .add_option_function<std::string>(
          flag,
          [&value, flag](const std::string& given) {
            const auto colon = given.rfind(':');
            const auto address = probekit::parse_address(given, 0);
            if (colon == std::string::npos || !address ||
                given.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
                colon + 1 == given.size())
              throw CLI::ValidationError(flag, "'" + given + "' is not IP:PORT or [IP6]:PORT");
            value.host = address->ip();
            value.port = address->port;
          },
          text)
      ->option_text("HOST:PORT [" + shown + "]");
}

void CommandLine::unsupported(const std::string& flag) {
  app_.add_option_function<std::vector<std::string>>(
          flag,
          [flag](const std::vector<std::string>&) {
            throw CLI::ValidationError(flag, "this version does not have it yet");
          },
          "")
      ->expected(0, 1)
      ->group("");
}

bool CommandLine::parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
    return true;
  } catch (const CLI::Success& wanted) {
    exit_code_ = app_.exit(wanted);
    std::cout.flush();
  } catch (const CLI::ParseError& error) {
    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    exit_code_ = usage_error(app_.get_name(), line);
  }
  return false;
}

std::shared_ptr<probekit::Log> CommandLine::make_log() const {
  probekit::LogOptions options;
  options.level = *probekit::parse_log_level(log_level_);
  auto sink = log_format_ == "json" ? probekit::make_json_log_sink(stderr)
                                    : probekit::make_text_log_sink(stderr);
  return std::make_shared<probekit::Log>(std::move(sink), options);
}

int usage_error(const std::string& program, const std::string& message) {
  std::cerr << program << ": " << message << " (see " << program << " --help)\n";
  return kExitUsage;
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  std::string name{buffer.data()};
  for (auto& c : name)
    if (!probekit::is_valid_name(std::string_view{&c, 1})) c = '-';
  name.resize(std::min<std::size_t>(name.size(), 64));
  return name.empty() ? "localhost" : name;
}

bool is_loopback(const std::string& host) {
  const auto address = probekit::parse_address(host, 0);
  if (!address) return false;
  if (!address->v6) return address->bytes[0] == 127;
  return address->ip() == "::1";
}

}  // namespace examples
