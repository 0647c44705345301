// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/dns_prober.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/local_failures.hpp"
#include "probe/dns_target.hpp"
#include "resolver/dns_client.hpp"
#include "resolver/dns_message.hpp"
#include "resolver/system_files.hpp"

namespace probekit {
namespace {

using std::chrono::microseconds;

microseconds since(SteadyTime start, SteadyTime end) {
  return std::chrono::duration_cast<microseconds>(end - start);
}

class DnsRunner final : public ProbeRunner {
 public:
  DnsRunner(ProbeLoop& loop, const ProbeEnvironment& environment, ProbeSink& sink)
      : loop_(loop),
        environment_(environment),
        sink_(sink),
        client_(loop, std::max<std::size_t>(16, environment.concurrency)),
        name_servers_(environment.dns_servers, "/etc/resolv.conf") {
    running_.reserve(environment.concurrency);
  }

  ~DnsRunner() override {
    for (const auto& [id, probe] : running_) {
      client_.abandon(*probe);
      loop_.cancel(probe->timer);
    }
  }

  void start(std::uint64_t id, std::string_view target, const ProbeOptions& options) override;
  void cancel(std::uint64_t id) override;
  void tell(ProbeWaits& waits, LocalFailures& failures) const override;

 private:
  struct Probe final : DnsQuery {
    explicit Probe(DnsRunner& its_runner) : runner(its_runner) {}
    void on_reply(const DnsReply& reply) override { runner.on_reply(*this, reply); }

    DnsRunner& runner;
    std::uint64_t id = 0;
    const ProbeOptions* options = nullptr;
    Address server;
    std::string name;
    std::uint16_t type = 0;
    bool tcp = false;
    bool asks_ours = false;  // the agent's own name server, not one the target names
    TimerId timer = 0;
    SteadyTime started{};
    SystemTime started_at{};
  };
  using Running = std::unordered_map<std::uint64_t, std::unique_ptr<Probe>>;

  void on_reply(Probe& probe, const DnsReply& reply);
  void on_timeout(Probe& probe);
  void finish(Probe& probe, ProbeResult&& result);
  void refuse(std::uint64_t id, FailureKind kind, std::string message);
  const std::string& text_of(const Address& server);

  ProbeLoop& loop_;
  const ProbeEnvironment& environment_;
  ProbeSink& sink_;
  DnsClient client_;
  NameServers name_servers_;
  Address last_server_;  // with its text: most probes ask the same one
  std::string last_server_text_;
  Running running_;
  std::vector<Running::node_type> pool_;  // of probes that ended
  DnsMessage message_;                    // of the answer at hand; kept for its memory
  LocalFailures failures_;
};

void DnsRunner::start(std::uint64_t id, std::string_view target, const ProbeOptions& options) {
  auto parsed = parse_dns_target(target);
  if (!parsed) return refuse(id, FailureKind::internal, parsed.error().message());
  if (parsed->server) {
    const AddressPolicy& policy = environment_.address_policy;
    if (!policy.allows(*parsed->server)) {
      return refuse(id, FailureKind::denied, policy.judge(*parsed->server).message);
    }
  }

  Running::iterator at;
  if (pool_.empty()) {
    at = running_.emplace(id, std::make_unique<Probe>(*this)).first;
  } else {
    pool_.back().key() = id;
    at = running_.insert(std::move(pool_.back())).position;
    pool_.pop_back();
  }
  Probe& probe = *at->second;
  probe.id = id;
  probe.options = &options;
  probe.server = parsed->server ? *parsed->server : name_servers_.at(loop_.now()).front();
  probe.name = std::move(parsed->name);
  probe.type = static_cast<std::uint16_t>(parsed->type);
  probe.tcp = false;
  probe.asks_ours = !parsed->server;
  probe.started = loop_.clock_now();
  probe.started_at = loop_.system_now();
  probe.timer =
      loop_.call_at(probe.started + options.timeout, [this, &probe] { on_timeout(probe); });
  client_.ask(probe, probe.server, false, probe.name, probe.type);
}

void DnsRunner::cancel(std::uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  client_.abandon(*found->second);
  loop_.cancel(found->second->timer);
  pool_.push_back(running_.extract(found));
}

void DnsRunner::tell(ProbeWaits& waits, LocalFailures& failures) const {
  const SteadyTime now = loop_.now();
  for (const auto& one : running_) {
    const Probe& probe = *one.second;
    if (!probe.asks_ours) {
      ++waits.first_byte;
      continue;
    }
    ++waits.dns;
    waits.dns_longest =
        std::max(waits.dns_longest,
                 std::chrono::duration_cast<std::chrono::milliseconds>(now - probe.started));
  }
  failures.ports += failures_.ports;
  failures.descriptors += failures_.descriptors;
  failures.memory += failures_.memory;
}

void DnsRunner::refuse(std::uint64_t id, FailureKind kind, std::string message) {
  ProbeResult result = failed_result(kind, std::move(message));
  result.started_at = loop_.system_now();
  sink_.on_result(id, std::move(result));
}

const std::string& DnsRunner::text_of(const Address& server) {
  if (last_server_text_.empty() || server.bytes != last_server_.bytes ||
      server.port != last_server_.port || server.v6 != last_server_.v6) {
    last_server_ = server;
    last_server_text_ = server.to_string();
  }
  return last_server_text_;
}

void DnsRunner::on_timeout(Probe& probe) {
  client_.abandon(probe);
  finish(probe,
         failed_result(FailureKind::timeout,
                       "timeout after " + std::to_string(probe.options->timeout.count()) +
                           " ms while waiting for the answer over " + (probe.tcp ? "TCP" : "UDP")));
}

void DnsRunner::on_reply(Probe& probe, const DnsReply& reply) {
  switch (reply.outcome) {
    case DnsOutcome::answered:
      break;
    case DnsOutcome::unreachable:
      return finish(probe, failed_result(FailureKind::connect, describe(reply)));
    case DnsOutcome::cut_off:
      return finish(probe, failed_result(FailureKind::protocol, describe(reply)));
    case DnsOutcome::bad_question:
      return finish(probe, failed_result(FailureKind::dns, describe(reply)));
    case DnsOutcome::agent_fault:
      count_local_failure(failures_, reply.os_error);
      return finish(probe, failed_result(FailureKind::internal, describe(reply)));
  }
  DnsMessage& message = message_;
  const auto decoded = decode_dns_message(reply.packet, message);
  if (!reply.tcp && (decoded ? message.tc : reply.at_limit)) {
    probe.tcp = true;
    client_.ask(probe, probe.server, true, probe.name, probe.type);
    return;
  }
  if (!decoded) {
    return finish(probe, failed_result(FailureKind::protocol, decoded.error().message()));
  }

  ProbeResult result;
  DnsResult& dns = result.dns.emplace();
  dns.rcode = dns_rcode_name(message.rcode);
  dns.server = text_of(probe.server);
  dns.transport = reply.tcp ? "tcp" : "udp";
  const std::pair<bool, std::string_view> flags[] = {{message.aa, "aa"}, {message.tc, "tc"},
                                                     {message.rd, "rd"}, {message.ra, "ra"},
                                                     {message.ad, "ad"}, {message.cd, "cd"}};
  dns.flags.reserve(std::size(flags));
  for (const auto& [set, name] : flags) {
    if (set) dns.flags.emplace_back(name);
  }
  const auto move_section = [](std::vector<DnsResourceRecord>& from, std::vector<DnsRecord>& to) {
    to.reserve(from.size());
    for (DnsResourceRecord& record : from) to.push_back(to_record(std::move(record)));
  };
  move_section(message.answers, dns.answers);
  move_section(message.authority, dns.authority);
  move_section(message.additional, dns.additional);
  if (message.rcode == static_cast<std::uint16_t>(DnsRcode::noerror)) {
    result.verdict = Verdict::passed;
  } else {
    result.verdict = Verdict::failed;
    result.failure = Failure{FailureKind::dns, "rcode " + dns.rcode};
  }
  finish(probe, std::move(result));
}

void DnsRunner::finish(Probe& probe, ProbeResult&& result) {
  const std::uint64_t id = probe.id;
  result.address = text_of(probe.server);
  result.started_at = probe.started_at;
  result.duration = since(probe.started, loop_.clock_now());
  result.phases.push_back({"query_us", result.duration});
  loop_.cancel(probe.timer);
  pool_.push_back(running_.extract(id));
  sink_.on_result(id, std::move(result));
}

class DnsProber final : public Prober {
 public:
  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop, const ProbeEnvironment& environment,
                                           ProbeSink& sink) const override {
    return std::make_unique<DnsRunner>(loop, environment, sink);
  }

 private:
  const ProbeKind kind_ = *ProbeKinds().find("dns");
};

}  // namespace

std::unique_ptr<Prober> make_dns_prober() { return std::make_unique<DnsProber>(); }

}  // namespace probekit
