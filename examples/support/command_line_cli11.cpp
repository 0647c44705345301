// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <iostream>
#include <map>
#include <probekit/task.hpp>
#include <probekit/version.hpp>
#include <stdexcept>
#include <utility>

#include <CLI/CLI.hpp>

#include "command_line.hpp"
#include "json_config.hpp"
#include "units.hpp"

namespace examples {

struct CommandLine::Impl {
  CLI::App app;
  std::map<std::string, bool*> flags;  // by name without dashes
  std::string config;
  std::string log_level = "info";
  std::string log_format = "text";
  int exit_code = kExitDone;

  Impl(const std::string& program, const std::string& description) : app(description, program) {}

  // CLI11's sentences about these two leave the user guessing.
  std::string sentence(const CLI::ExtrasError&) const {
    const auto unknown = app.remaining();
    for (const std::string& argument : unknown)
      if (argument.size() > 1 && argument.front() == '-')
        return "there is no flag '" + argument + "'";
    return "'" + unknown.front() + "' is one argument too many";
  }
  static std::string sentence(const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    const bool many = text.find("received") != std::string::npos;
    return text.substr(0, text.find(':')) + (many ? ": takes one value" : ": needs a value");
  }

  // What the file holds, for flags that were not given.
  void take_config() {
    for (const ConfigEntry& entry : read_config(config)) {
      CLI::Option* const option = app.get_option_no_throw("--" + entry.key);
      if (option == nullptr || entry.key == "config" || entry.key == "help" ||
          entry.key == "version")
        throw std::runtime_error("there is no flag '--" + entry.key + "'");
      if (option->count() != 0) continue;
      if (const auto flag = flags.find(entry.key); flag != flags.end()) {
        if (entry.values != std::vector<std::string>{"true"} &&
            entry.values != std::vector<std::string>{"false"})
          throw std::runtime_error("--" + entry.key + ": must be true or false");
        *flag->second = entry.values.front() == "true";
        continue;
      }
      option->add_result(entry.values);
      option->run_callback();
    }
  }
};

CommandLine::CommandLine(const std::string& program, const std::string& description,
                         const std::string& footer)
    : impl_(std::make_unique<Impl>(program, description)) {
  auto& app = impl_->app;
  app.footer(footer);
  app.get_formatter()->column_width(34);
  app.set_help_flag("-h,--help", "show this text");
  app.set_version_flag("--version", program + " " + std::string{probekit::version()},
                       "show the version");
  text("--config", impl_->config, "FILE", "JSON file with flags; those given here win");
  choice("--log-level", impl_->log_level, {"trace", "debug", "info", "warn", "error"},
         "LEVEL [info]", "trace, debug, info, warn or error");
  choice("--log-format", impl_->log_format, {"text", "json"}, "FORMAT [text]", "text or json");
}

CommandLine::~CommandLine() = default;

void CommandLine::argument(const std::string& name, std::string& value, const std::string& help) {
  impl_->app.add_option(name, value, help)->option_text(" ");
}

void CommandLine::arguments(const std::string& name, std::vector<std::string>& values,
                            const std::string& help) {
  impl_->app.add_option(name, values, help)->option_text("...")->required();
}

void CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
  impl_->app.add_flag(name, value, help);
  impl_->flags[name.substr(2)] = &value;
}

void CommandLine::add(const std::string& name, Take take, const std::string& shown,
                      const std::string& help) {
  impl_->app
      .add_option_function<std::string>(
          name,
          [name, take = std::move(take)](const std::string& given) {
            if (const auto fault = take(given); !fault.empty())
              throw CLI::ValidationError(name, fault);
          },
          help)
      ->option_text(shown);
}

void CommandLine::text(const std::string& name, std::string& value, const std::string& shown,
                       const std::string& help) {
  add(
      name,
      [&value](const std::string& given) {
        value = given;
        return std::string{};
      },
      shown, help);
}

void CommandLine::texts(const std::string& name, std::vector<std::string>& values,
                        const std::string& shown, const std::string& help) {
  impl_->app.add_option(name, values, help)->option_text(shown)->expected(1)->take_all();
}

void CommandLine::choice(const std::string& name, std::string& value,
                         const std::vector<std::string>& choices, const std::string& shown,
                         const std::string& help) {
  add(
      name,
      [&value, choices](const std::string& given) -> std::string {
        if (std::find(choices.begin(), choices.end(), given) == choices.end()) {
          std::string all;
          for (const auto& one : choices) all += (all.empty() ? "" : ", ") + one;
          return "'" + given + "' is not one of " + all;
        }
        value = given;
        return {};
      },
      shown, help);
}

void CommandLine::add_number(const std::string& name, std::uint64_t min, std::uint64_t max,
                             std::function<void(std::uint64_t)> take, const std::string& shown,
                             const std::string& help) {
  add(
      name,
      [min, max, take = std::move(take)](const std::string& given) -> std::string {
        std::uint64_t value = 0;
        const char* const end = given.data() + given.size();
        const auto [rest, error] = std::from_chars(given.data(), end, value);
        if (error != std::errc{} || rest != end || value < min || value > max)
          return "'" + given + "' is not a whole number from " + std::to_string(min) + " to " +
                 std::to_string(max);
        take(value);
        return {};
      },
      shown, help);
}

void CommandLine::duration(const std::string& name, std::chrono::milliseconds& value,
                           std::chrono::milliseconds min, std::chrono::milliseconds max,
                           const std::string& help) {
  add(
      name,
      [&value, min, max](const std::string& given) -> std::string {
        const auto parsed = parse_duration(given);
        if (!parsed)
          return "'" + given + "' is not a number with a unit (ms, s, m or h), of at most a year";
        if (*parsed < min) return "'" + given + "' is less than " + format_duration(min);
        if (*parsed > max) return "'" + given + "' is more than " + format_duration(max);
        value = *parsed;
        return {};
      },
      "DUR [" + format_duration(value) + "]", help);
}

void CommandLine::duration(const std::string& name, std::chrono::milliseconds& value,
                           std::chrono::milliseconds min, const std::string& help) {
  duration(name, value, min, kDurationMax, help);
}

void CommandLine::bytes(const std::string& name, std::size_t& value, std::size_t min,
                        const std::string& help) {
  add(
      name,
      [&value, min](const std::string& given) -> std::string {
        const auto parsed = parse_bytes(given);
        if (!parsed) return "'" + given + "' is not a whole number, alone or with KiB, MiB or GiB";
        if (*parsed < min) return "'" + given + "' is less than " + format_bytes(min);
        value = *parsed;
        return {};
      },
      "BYTES [" + format_bytes(value) + "]", help);
}

void CommandLine::host_port(const std::string& name, HostPort& value, const std::string& help) {
  add(
      name,
      [&value](const std::string& given) -> std::string {
        const auto parsed = parse_host_port(given);
        if (!parsed) return "'" + given + "' is not HOST:PORT or [IP6]:PORT";
        value = *parsed;
        return {};
      },
      "HOST:PORT [" + value.host + ":" + std::to_string(value.port) + "]", help);
}

void CommandLine::unsupported(const std::string& name) {
  impl_->app
      .add_option_function<std::vector<std::string>>(
          name,
          [name](const std::vector<std::string>&) {
            throw CLI::ValidationError(name, "this version does not have it yet");
          },
          "")
      ->expected(0, 1)
      ->group("");
}

bool CommandLine::parse(int argc, char** argv) {
  auto& app = impl_->app;
  std::string fault;
  try {
    app.parse(argc, argv);
    if (impl_->config.empty() && app.count("--config") == 0) return true;
    const std::string source = "--config " + impl_->config + ": ";
    try {
      impl_->take_config();
      return true;
    } catch (const CLI::ArgumentMismatch& error) {
      fault = source + Impl::sentence(error);
    } catch (const std::runtime_error& error) {
      fault = source + error.what();
    }
  } catch (const CLI::Success& wanted) {
    impl_->exit_code = app.exit(wanted);
    std::cout.flush();
    return false;
  } catch (const CLI::ExtrasError& error) {
    fault = impl_->sentence(error);
  } catch (const CLI::ArgumentMismatch& error) {
    fault = Impl::sentence(error);
  } catch (const CLI::ParseError& error) {
    fault = error.what();
  }
  std::replace(fault.begin(), fault.end(), '\n', ' ');
  impl_->exit_code = usage_error(app.get_name(), fault);
  return false;
}

int CommandLine::exit_code() const { return impl_->exit_code; }

std::shared_ptr<probekit::Log> CommandLine::make_log() const {
  probekit::LogOptions options;
  options.level = *probekit::parse_log_level(impl_->log_level);
  auto sink = impl_->log_format == "json" ? probekit::make_json_log_sink(stderr)
                                          : probekit::make_text_log_sink(stderr);
  return std::make_shared<probekit::Log>(std::move(sink), options);
}

int usage_error(const std::string& program, const std::string& message) {
  std::cerr << program << ": " << message << " (see " << program << " --help)\n";
  return kExitUsage;
}

int failure(const std::string& program, const std::string& message) {
  std::cerr << program << ": " << message << '\n';
  return kExitFailed;
}

int guarded(const std::string& program, const std::function<int()>& run) {
  try {
    return run();
  } catch (const std::invalid_argument& error) {
    return usage_error(program, error.what());
  } catch (const std::exception& error) {
    return failure(program, error.what());
  }
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

}  // namespace examples
