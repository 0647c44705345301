// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-probe: probes targets once, without a master.

#include <algorithm>
#include <condition_variable>
#include <iostream>
#include <map>
#include <mutex>
#include <probekit/dns_prober.hpp>
#include <probekit/http_prober.hpp>
#include <probekit/probe_executor.hpp>

#include "support/command_line.hpp"

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

// 20 characters for the whole duration; every phase that took any time gets at least one.
std::string bar(std::chrono::microseconds part, std::chrono::microseconds whole) {
  constexpr long kWidth = 20;
  if (part.count() <= 0 || whole.count() <= 0) return {};
  const auto length = std::clamp<long>(kWidth * part.count() / whole.count(), 1, kWidth);
  return std::string(static_cast<std::size_t>(length), '#');
}

std::string milliseconds(std::chrono::microseconds value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f ms", static_cast<double>(value.count()) / 1000.0);
  return buffer;
}

std::string what_was_seen(const probekit::TaskResult& result) {
  if (result.failure)
    return std::string{to_string(result.failure->kind)} + ": " + result.failure->message;
  if (result.http)
    return "status " + std::to_string(result.http->status) + ", HTTP/" + result.http->version;
  if (!result.dns) return {};
  std::string text = result.dns->rcode;
  for (const auto& record : result.dns->answers) text += ", " + record.type + " " + record.value;
  return text;
}

void print(const probekit::TaskResult& result) {
  std::cout << to_string(result.verdict) << "  " << result.target << "  "
            << milliseconds(result.duration) << "  " << what_was_seen(result);
  if (!result.address.empty()) std::cout << "  (" << result.address << ')';
  std::cout << '\n';
  for (const auto& phase : result.phases) {
    auto name = phase.name;
    if (const auto suffix = name.rfind("_us"); suffix != std::string::npos) name.erase(suffix);
    name.resize(12, ' ');
    auto time = milliseconds(phase.duration);
    time.insert(0, time.size() < 12 ? 12 - time.size() : 0, ' ');
    std::cout << "        " << name << time << "  " << bar(phase.duration, result.duration) << '\n';
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
      return usage("TARGET: " + complete.error().message());
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
  bool all_passed = true;
  for (std::size_t place = 0; place < specs.size(); ++place) {
    const auto result = results.take(place);
    all_passed = all_passed && result.verdict == probekit::Verdict::passed;
    if (options.json)
      std::cout << to_json(specs[place], result) << '\n';
    else
      print(result);
    std::cout.flush();
  }
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
