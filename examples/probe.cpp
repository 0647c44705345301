// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-probe: probes targets once, without a master.

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <probekit/dns_prober.hpp>
#include <probekit/http_prober.hpp>
#include <probekit/probe_executor.hpp>

#include "support/command_line.hpp"
#include "support/terminal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr char kProgram[] = "probekit-probe";
constexpr char kFooter[] =
    "examples:\n"
    "  probekit-probe https://example.com/ http://example.org/health\n"
    "  probekit-probe dns:example.com/MX dns:example.com@192.0.2.53\n"
    "  probekit-probe --json --timeout 2s https://example.com/ | jq .phases";

struct Options {
  std::vector<std::string> targets;
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::vector<std::string> dns_servers;
  std::chrono::milliseconds timeout{probekit::kTimeoutDefault};
  bool json = false;
};

// Of the scale of all bars.
constexpr std::size_t kBarWidth = 40;
constexpr std::size_t kRecordsShown = 4;

std::string milliseconds(std::chrono::microseconds value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f ms", static_cast<double>(value.count()) / 1000.0);
  return buffer;
}

// Where something from `start` to `end` lies on the scale; what took any time is seen.
std::string bar(std::chrono::microseconds start, std::chrono::microseconds end,
                std::chrono::microseconds whole) {
  if (end <= start || whole.count() <= 0) return {};
  const auto place = [whole](std::chrono::microseconds at) {
    return static_cast<std::size_t>(
        static_cast<double>(at.count()) / static_cast<double>(whole.count()) * kBarWidth + 0.5);
  };
  const auto from = std::min(place(start), kBarWidth - 1);
  const auto length = std::clamp<std::size_t>(place(end) - from, 1, kBarWidth - from);
  return std::string(from, ' ') + std::string(length, '#');
}

std::string status_of(const probekit::TaskResult& result) {
  if (result.http && result.http->status != 0)
    return "status " + std::to_string(result.http->status) + ", HTTP/" + result.http->version;
  if (!result.dns || result.dns->rcode.empty()) return {};
  std::string text = result.dns->rcode;
  const auto& answers = result.dns->answers;
  for (std::size_t i = 0; i < std::min(answers.size(), kRecordsShown); ++i)
    text += ", " + answers[i].type + ' ' + answers[i].value;
  if (answers.size() > kRecordsShown)
    text += " and " + std::to_string(answers.size() - kRecordsShown) + " more";
  return text;
}

void print_line(const probekit::TaskResult& result, const examples::Terminal& terminal) {
  const std::string verdict{to_string(result.verdict)};
  const bool passed = result.verdict == probekit::Verdict::passed;
  std::cout << (passed ? terminal.green(verdict) : terminal.red(verdict)) << "  "
            << examples::printable(result.target) << "  " << milliseconds(result.duration);
  if (const auto status = status_of(result); !status.empty())
    std::cout << "  " << examples::printable(status);
  if (result.failure)
    std::cout << "  " << to_string(result.failure->kind) << ": "
              << examples::printable(result.failure->message);
  if (!result.address.empty()) std::cout << "  (" << result.address << ')';
  if (result.suspect) std::cout << "  (this host was busy: do not trust the times)";
  std::cout << '\n';
}

// Phases one after the other; bars of all targets have one scale.
void print_phases(const probekit::TaskResult& result, std::chrono::microseconds whole,
                  const examples::Terminal& terminal) {
  std::chrono::microseconds start{0};
  for (const auto& phase : result.phases) {
    auto name = examples::printable(phase.name);
    if (const auto suffix = name.rfind("_us"); suffix != std::string::npos) name.erase(suffix);
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    auto time = milliseconds(phase.duration);
    time.insert(0, time.size() < 12 ? 12 - time.size() : 0, ' ');
    std::cout << "        " << name << time << "  "
              << terminal.dim(bar(start, start + phase.duration, whole)) << '\n';
    start += phase.duration;
  }
}

// Results in the order of the command line, as early as that order allows.
class Results {
 public:
  void put(std::size_t place, probekit::TaskResult result) {
    const std::lock_guard lock{mutex_};
    ready_.emplace(place, std::move(result));
    changed_.notify_one();
  }
  probekit::TaskResult take(std::size_t place) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return ready_.count(place) != 0; });
    return std::move(ready_.extract(place).mapped());
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, probekit::TaskResult> ready_;
};

// Without what may hold a password.
std::string shown(const std::string& target) {
  const auto scheme = target.find("://");
  if (scheme == std::string::npos) return target;
  const auto end = std::min(target.find_first_of("/?#", scheme + 3), target.size());
  const auto at = target.rfind('@', end);
  if (at == std::string::npos || at < scheme + 3) return target;
  return target.substr(0, scheme + 3) + "***" + target.substr(at);
}

int usage(const std::string& message) { return examples::usage_error(kProgram, message); }

int run(const Options& options, const std::shared_ptr<probekit::Log>& log) {
  probekit::ProbeExecutorOptions executor_options;
  executor_options.log = log;
  executor_options.queue = std::max<std::size_t>(options.targets.size(), 1);
  executor_options.address_policy = probekit::AddressPolicy::allow_all();
  for (const auto& cidr : options.allow)
    if (auto done = executor_options.address_policy.try_allow(cidr); !done)
      return usage("--allow: " + done.error().message());
  for (const auto& cidr : options.deny)
    if (auto done = executor_options.address_policy.try_deny(cidr); !done)
      return usage("--deny: " + done.error().message());
  for (const auto& text : options.dns_servers) {
    const auto server = probekit::parse_address(text, 53);
    if (!server) return usage("--dns-server: '" + text + "': " + server.error().message());
    executor_options.dns_servers.push_back(*server);
  }

  Results results;
  probekit::ProbeExecutor executor{executor_options};
  executor.add(probekit::make_http_prober());
  executor.add(probekit::make_dns_prober());

  std::vector<probekit::ProbeSpec> specs;
  for (const auto& target : options.targets) {
    probekit::ProbeSpec spec;
    spec.target = target;
    spec.timeout = options.timeout;
    if (auto complete = complete_spec(spec, executor.kinds()); !complete)
      return usage("TARGET '" + examples::printable(shown(target)) +
                   "': " + complete.error().message());
    specs.push_back(std::move(spec));
  }

  executor.start();
  for (std::size_t place = 0; place < specs.size(); ++place) {
    auto submitted = executor.submit(specs[place], [&results, place](probekit::TaskResult result) {
      results.put(place, std::move(result));
    });
    if (!submitted) {
      probekit::TaskResult refused;
      static_cast<probekit::ProbeResult&>(refused) =
          failed_result(probekit::FailureKind::internal, submitted.error().message());
      refused.target = specs[place].target;
      results.put(place, std::move(refused));
    }
  }
  const examples::Terminal terminal{STDOUT_FILENO};
  std::vector<probekit::TaskResult> taken;
  bool all_passed = true;
  for (std::size_t place = 0; place < specs.size(); ++place) {
    taken.push_back(results.take(place));
    const auto& result = taken.back();
    all_passed = all_passed && result.verdict == probekit::Verdict::passed;
    if (options.json)
      std::cout << to_json(specs[place], result) << '\n';
    else
      print_line(result, terminal);
    std::cout.flush();
  }
  if (!options.json) {
    std::chrono::microseconds whole{0};
    for (const auto& result : taken) whole = std::max(whole, result.duration);
    for (const auto& result : taken) {
      if (result.phases.empty()) continue;
      if (taken.size() > 1) std::cout << '\n' << examples::printable(result.target) << '\n';
      print_phases(result, whole, terminal);
    }
  }
  if (!std::cout.flush()) return examples::failure(kProgram, "standard output cannot be written");
  executor.stop();
  return all_passed ? examples::kExitDone : examples::kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  return examples::guarded(kProgram, [argc, argv] {
    examples::CommandLine line{kProgram, "Probes each target once and tells what it saw.", kFooter};
    Options options;
    line.arguments("TARGET", options.targets, "URL, or dns:NAME[/TYPE][@SERVER[:PORT]]");
    line.duration("--timeout", options.timeout, 1ms, probekit::kTimeoutMax,
                  "for each probe, 1ms to 2m");
    line.flag("--json", options.json, "one result object a line");
    line.texts("--allow", options.allow, "CIDR [all]", "addresses that may be probed; repeatable");
    line.texts("--deny", options.deny, "CIDR", "addresses that may not; repeatable");
    line.texts("--dns-server", options.dns_servers, "IP[:PORT] [the system's]",
               "resolver; repeatable");
    if (!line.parse(argc, argv)) return line.exit_code();
    return run(options, line.make_log());
  });
}
