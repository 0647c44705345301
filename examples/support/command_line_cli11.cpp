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
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "command_line.hpp"
#include "json_config.hpp"
#include "units.hpp"

namespace examples {
namespace {

// Changes of one character that make `a` of `b`.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

struct Shown {
  std::string section;  // a heading, when it is the first of one
  std::string name;
  std::string value;  // "NAME [host name]"
  std::string help;

  std::string left() const {
    return "  " + name + (value.empty() ? "" : ' ' + value.substr(0, value.find(" [")));
  }
};

}  // namespace

struct CommandLine::Impl {
  CLI::App app;
  std::string description;
  std::string footer;
  std::vector<Shown> arguments;
  std::vector<Shown> shown;
  std::string section;                           // of the next flag
  std::map<std::string, bool*> flags;            // by name without dashes
  std::map<std::string, std::string*> sections;  // of the file, by key
  std::string config;
  std::string log_level = "info";
  std::string log_format = "text";
  int exit_code = kExitDone;

  Impl(const std::string& program, const std::string& about, const std::string& examples)
      : app(about, program), description(about), footer(examples) {}

  void show(const std::string& name, const std::string& value, const std::string& help) {
    shown.push_back({std::exchange(section, {}), name, value, help});
  }

  // "  --name VALUE   what it is for [default]", within 80 columns.
  static std::string line_of(const Shown& one, std::size_t column) {
    constexpr std::size_t kColumns = 80;
    const auto bracket = std::min(one.value.find(" ["), one.value.size());
    std::string text;
    std::string line = one.left();
    line.resize(column, ' ');
    std::istringstream words{one.help + one.value.substr(bracket)};
    for (std::string word; words >> word;) {
      if (line.size() + word.size() > kColumns && line.size() > column) {
        text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
        line.assign(column, ' ');
      }
      line += word + ' ';
    }
    return text + line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }

  std::string help() const {
    std::string text = "usage: " + app.get_name() + " [FLAG]...";
    for (const auto& argument : arguments) text += ' ' + argument.name + argument.value;
    text += '\n' + description + '\n';
    std::size_t column = 0;
    for (const auto& flag : shown) column = std::max(column, flag.left().size() + 2);
    for (const auto& argument : arguments)
      text += line_of({{}, argument.name, {}, argument.help}, column);
    for (const auto& flag : shown) {
      if (!flag.section.empty()) text += flag.section + ":\n";
      text += line_of(flag, column);
    }
    return text + "  --help, --version\n" + footer + '\n';
  }

  // " (did you mean '--json'?)", or nothing.
  std::string nearest(const std::string& given) const {
    const auto name = given.substr(0, given.find('='));
    const Shown* best = nullptr;
    std::size_t least = std::max<std::size_t>(name.size() / 3, 1) + 1;
    for (const auto& flag : shown) {
      // A flag's beginning is as good as its misspelling.
      const bool begins = name.size() > 3 && flag.name.rfind(name, 0) == 0;
      const auto changes = begins ? 1 : distance(name, flag.name);
      if (changes < least) {
        least = changes;
        best = &flag;
      }
    }
    return best == nullptr ? "" : " (did you mean '" + best->name + "'?)";
  }

  // CLI11's sentences about these two leave the user guessing.
  std::string sentence(const CLI::ExtrasError&) const {
    const auto unknown = app.remaining();
    for (const std::string& argument : unknown)
      if (argument.size() > 1 && argument.front() == '-')
        return "there is no flag '" + argument + "'" + nearest(argument);
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
      const auto known = sections.find(entry.key);
      if (known != sections.end()) {
        if (entry.section.empty()) throw std::runtime_error(entry.key + ": must be an object");
        *known->second = entry.section;
        continue;
      }
      CLI::Option* const option = app.get_option_no_throw("--" + entry.key);
      if (option == nullptr || entry.key == "config" || entry.key == "help" ||
          entry.key == "version")
        throw std::runtime_error("there is no flag '--" + entry.key + "'" +
                                 nearest("--" + entry.key));
      if (!entry.section.empty())
        throw std::runtime_error("--" + entry.key +
                                 ": must be a string, a number, a boolean or an array of them");
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
    : impl_(std::make_unique<Impl>(program, description, footer)) {
  auto& app = impl_->app;
  app.set_help_flag("-h,--help", "");
  app.set_version_flag("--version", program + " " + std::string{probekit::version()}, "");
}

CommandLine::~CommandLine() = default;

void CommandLine::argument(const std::string& name, std::string& value, const std::string& help) {
  impl_->app.add_option(name, value);
  impl_->arguments.push_back({{}, name, {}, help});
}

void CommandLine::arguments(const std::string& name, std::vector<std::string>& values,
                            const std::string& help) {
  impl_->app.add_option(name, values)->required();
  impl_->arguments.push_back({{}, name, "...", help});
}

void CommandLine::section(const std::string& heading) { impl_->section = heading; }

void CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
  impl_->app.add_flag(name, value);
  impl_->show(name, {}, help);
  impl_->flags[name.substr(2)] = &value;
}

void CommandLine::add(const std::string& name, Take take, const std::string& shown,
                      const std::string& help) {
  impl_->app.add_option_function<std::string>(
      name, [name, take = std::move(take)](const std::string& given) {
        if (const auto fault = take(given); !fault.empty()) throw CLI::ValidationError(name, fault);
      });
  impl_->show(name, shown, help);
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
  impl_->app.add_option(name, values)->expected(1)->take_all();
  impl_->show(name, shown, help);
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

void CommandLine::config_section(const std::string& key, std::string& json) {
  impl_->sections[key] = &json;
}

void CommandLine::unsupported(const std::string& name) {
  impl_->app
      .add_option_function<std::vector<std::string>>(
          name,
          [name](const std::vector<std::string>&) {
            throw CLI::ValidationError(name, "this version does not have it yet");
          })
      ->expected(0, 1);
}

bool CommandLine::parse(int argc, char** argv) {
  section("every program");
  text("--config", impl_->config, "FILE", "JSON file with flags; those given here win");
  choice("--log-level", impl_->log_level, {"trace", "debug", "info", "warn", "error"},
         "LEVEL [info]", "trace, debug, info, warn, error");
  choice("--log-format", impl_->log_format, {"text", "json"}, "FORMAT [text]", "text or json");
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
  } catch (const CLI::CallForHelp&) {
    std::cout << impl_->help() << std::flush;
    return false;
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
