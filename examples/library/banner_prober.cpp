// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "banner_prober.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "../support/json_tree_rapidjson.hpp"

namespace examples {
namespace {

using probekit::Address;
using probekit::Error;
using probekit::Expected;
using probekit::FailureKind;
using probekit::ProbeLoop;
using probekit::ProbeResult;
using probekit::SteadyTime;

constexpr char kScheme[] = "banner:";
constexpr std::size_t kLineBytesMax = 512;

std::chrono::microseconds between(SteadyTime start, SteadyTime end) {
  return std::chrono::duration_cast<std::chrono::microseconds>(end - start);
}

// snippet: kind
Expected<Address> address_of(std::string_view target) {
  auto address = probekit::parse_address(target.substr(sizeof kScheme - 1), 0);
  if (!address) return address.error();
  if (address->port == 0)
    return Error(probekit::errc::invalid_argument, "target: banner:IP:PORT needs a port");
  return address;
}

// The options' own section: `{"expect":"220 "}`, or nothing at all.
Expected<std::string> expected_start(std::string_view section) {
  const auto wrong = [](const std::string& why) {
    return Error(probekit::errc::invalid_argument, why);
  };
  if (section.empty()) return std::string{};
  try {
    std::string expect;
    for (const auto& [name, value] : parse_json(std::string{section}).members) {
      if (name != "expect") return wrong(name + ": unknown field");
      if (!value.is(JsonTree::Kind::string)) return wrong("expect: must be a string");
      if (value.text.size() > kLineBytesMax) return wrong("expect: longer than 512 bytes");
      expect = value.text;
    }
    return expect;
  } catch (const std::runtime_error& error) {
    return wrong(error.what());
  }
}

probekit::ProbeKind make_kind() {
  probekit::ProbeKind kind;
  kind.name = "banner";
  kind.schemes = {"banner"};
  kind.check_target = [](std::string_view target) -> Expected<void> {
    if (auto address = address_of(target); !address) return address.error();
    return {};
  };
  kind.check_section = [](std::string_view section) -> Expected<void> {
    if (auto expect = expected_start(section); !expect) return expect.error();
    return {};
  };
  // What --per-host counts.
  kind.host_key = [](std::string_view target) { return std::string{target}; };
  return kind;
}
// snippet end

// snippet: runner
// All probes of one probing thread. Nothing here blocks, nothing needs a lock.
class BannerRunner final : public probekit::ProbeRunner {
 public:
  BannerRunner(ProbeLoop& loop, const probekit::ProbeEnvironment& environment,
               probekit::ProbeSink& sink)
      : loop_(loop), environment_(environment), sink_(sink) {}
  ~BannerRunner() override {
    while (!running_.empty()) forget(running_.begin()->first);
  }

  void start(std::uint64_t id, std::string_view target,
             const probekit::ProbeOptions& options) override {
    Probe& probe = running_[id];
    probe.started = loop_.clock_now();
    probe.started_at = loop_.system_now();
    probe.address = *address_of(target);  // checked before it came here
    probe.expect = *expected_start(options.section);
    // The address really connected to is what the policy judges.
    if (const auto judged = environment_.address_policy.judge(probe.address); !judged.allowed)
      return fail(id, FailureKind::denied, judged.message);
    probe.timer = loop_.call_at(probe.started + options.timeout, [this, id] {
      fail(id, FailureKind::timeout, running_[id].connected ? "no line came" : "connecting");
    });
    connect(id, probe);
  }
  void cancel(std::uint64_t id) override { forget(id); }

 private:
  struct Probe {
    int fd = -1;
    probekit::TimerId timer = 0;
    Address address;
    std::string expect;
    std::string line;
    bool connected = false;
    SteadyTime started;
    SteadyTime connected_at;
    probekit::SystemTime started_at;
  };

  void connect(std::uint64_t id, Probe& probe);
  void on_ready(std::uint64_t id);
  void fail(std::uint64_t id, FailureKind kind, std::string message);
  void finish(std::uint64_t id, ProbeResult result);
  void forget(std::uint64_t id);

  ProbeLoop& loop_;
  const probekit::ProbeEnvironment& environment_;
  probekit::ProbeSink& sink_;
  std::unordered_map<std::uint64_t, Probe> running_;
};
// snippet end

void BannerRunner::connect(std::uint64_t id, Probe& probe) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  if (probe.address.v6) {
    auto& to = reinterpret_cast<sockaddr_in6&>(storage);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(probe.address.port);
    std::memcpy(&to.sin6_addr, probe.address.bytes.data(), 16);
    size = sizeof to;
  } else {
    auto& to = reinterpret_cast<sockaddr_in&>(storage);
    to.sin_family = AF_INET;
    to.sin_port = htons(probe.address.port);
    std::memcpy(&to.sin_addr, probe.address.bytes.data(), 4);
  }
  probe.fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // What this host cannot do is not the target's fault.
  if (probe.fd < 0) return fail(id, FailureKind::internal, std::strerror(errno));
  if (::connect(probe.fd, reinterpret_cast<sockaddr*>(&storage), size) != 0 && errno != EINPROGRESS)
    return fail(id, FailureKind::connect, std::strerror(errno));
  loop_.watch(probe.fd, ProbeLoop::writable, [this, id](unsigned) { on_ready(id); });
}

// snippet: result
void BannerRunner::on_ready(std::uint64_t id) {
  Probe& probe = running_[id];
  if (!probe.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(probe.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(id, FailureKind::connect, std::strerror(error));
    probe.connected = true;
    probe.connected_at = loop_.clock_now();
    return loop_.watch(probe.fd, ProbeLoop::readable, {});
  }
  char bytes[kLineBytesMax];
  const auto count = read(probe.fd, bytes, sizeof bytes);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) return fail(id, FailureKind::connect, std::strerror(errno));
  probe.line.append(bytes, static_cast<std::size_t>(count));
  const auto end = probe.line.find_first_of("\r\n");
  if (end == std::string::npos && count > 0 && probe.line.size() < kLineBytesMax) return;
  if (end == std::string::npos)
    return fail(id, FailureKind::protocol,
                count == 0 ? "it hung up before a line was complete" : "a line over 512 bytes");
  probe.line.resize(end);

  const SteadyTime now = loop_.clock_now();
  ProbeResult result;
  result.verdict = probekit::Verdict::passed;
  if (probe.line.rfind(probe.expect, 0) != 0)
    result = probekit::failed_result(FailureKind::assertion,
                                     "the line does not start with '" + probe.expect + "'");
  result.phases = {{"connect_us", between(probe.started, probe.connected_at)},
                   {"banner_us", between(probe.connected_at, now)}};
  result.sections = {{"banner", "{\"line\":" + json_string(probe.line) + "}"}};
  finish(id, std::move(result));
}
// snippet end

void BannerRunner::fail(std::uint64_t id, FailureKind kind, std::string message) {
  finish(id, probekit::failed_result(kind, std::move(message)));
}

void BannerRunner::finish(std::uint64_t id, ProbeResult result) {
  const Probe& probe = running_[id];
  result.started_at = probe.started_at;
  result.duration = between(probe.started, loop_.clock_now());
  if (probe.connected) result.address = probe.address.to_string();
  forget(id);
  sink_.on_result(id, std::move(result));  // the last word: it may start the next probe
}

void BannerRunner::forget(std::uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  loop_.cancel(found->second.timer);
  if (found->second.fd >= 0) {
    loop_.unwatch(found->second.fd);  // before it is closed
    close(found->second.fd);
  }
  running_.erase(found);
}

// snippet: prober
class BannerProber final : public probekit::Prober {
 public:
  const probekit::ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<probekit::ProbeRunner> make_runner(ProbeLoop& loop,
                                                     const probekit::ProbeEnvironment& environment,
                                                     probekit::ProbeSink& sink) const override {
    return std::make_unique<BannerRunner>(loop, environment, sink);
  }

 private:
  const probekit::ProbeKind kind_ = make_kind();
};
// snippet end

}  // namespace

std::unique_ptr<probekit::Prober> make_banner_prober() { return std::make_unique<BannerProber>(); }

}  // namespace examples
