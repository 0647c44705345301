// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/metrics_views.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "api/metrics_text.hpp"

namespace probekit::api {
namespace {

using Agents = std::vector<AgentSnapshot>;

std::uint64_t one_if(bool condition) noexcept { return condition ? 1 : 0; }

/// A series for each state there is, 1 for the one it is in.
void write_diagnosis(MetricsText& text, std::string_view agent, const Diagnosis& diagnosis) {
  for (std::size_t i = 0; i < kDiagnosisVerdicts; ++i) {
    const auto verdict = static_cast<DiagnosisVerdict>(i);
    text.sample({{"agent", agent}, {"verdict", to_string(verdict)}},
                one_if(verdict == diagnosis.verdict));
  }
}

void write_tasks(MetricsText& text, const MasterFigures& figures) {
  const Ledger& ledger = figures.status.ledger;
  text.counter("probekit_tasks_accepted_total", "Tasks accepted since the store began.")
      .sample(ledger.accepted);
  text.counter("probekit_tasks_ended_total",
               "Tasks ended since the store began, by state; of the "
               "expired ones, by reason.")
      .sample({{"state", "done"}}, ledger.done)
      .sample({{"state", "cancelled"}}, ledger.cancelled);
  const auto& expired = figures.store.ended.expired;
  for (std::size_t i = 0; i < expired.size(); ++i) {
    text.sample({{"state", "expired"}, {"reason", to_string(static_cast<ExpiryReason>(i))}},
                expired[i]);
  }
  text.gauge("probekit_tasks_queued", "Tasks waiting for an agent.").sample(ledger.queued);
  text.gauge("probekit_tasks_queued_limit",
             "Tasks that may wait or be in flight; beyond it the "
             "API answers 429.")
      .sample(figures.status.queued_max);
  text.gauge("probekit_tasks_in_flight", "Tasks given to agents, not yet ended.")
      .sample(ledger.in_flight);
  text.gauge("probekit_results_kept", "Result lines of finished batches in the store.")
      .sample(figures.store.results_kept);
  text.gauge("probekit_results_kept_limit", "Beyond it the oldest finished batches are forgotten.")
      .sample(figures.status.results_kept_max);
}

void write_probes(MetricsText& text, const MasterFigures& figures) {
  const std::vector<KindCounters>& kinds = figures.store.ended.kinds;
  text.counter("probekit_probes_total",
               "Recorded results by kind and verdict; of the failed ones, "
               "by kind of failure.");
  for (const KindCounters& kind : kinds) {
    text.sample({{"kind", kind.kind}, {"verdict", "passed"}}, kind.passed);
    for (std::size_t i = 0; i < kind.failed.size(); ++i) {
      text.sample({{"kind", kind.kind},
                   {"verdict", "failed"},
                   {"failure", to_string(static_cast<FailureKind>(i))}},
                  kind.failed[i]);
    }
  }
  text.family(MetricsText::Type::histogram, "probekit_probe_duration_seconds",
              "How long probes took, passed and failed ones, as their agents measured it.");
  for (const KindCounters& kind : kinds) text.sample({{"kind", kind.kind}}, kind.durations);

  const MasterStatus& status = figures.status;
  text.counter("probekit_results_dropped_total",
               "Items from agents that changed nothing: results "
               "of tasks that had ended or are not known, and returns of tasks not held.")
      .sample({{"reason", "duplicate"}}, status.results_duplicate)
      .sample({{"reason", "unknown"}}, status.results_unknown)
      .sample({{"reason", "not_held"}}, status.returns_not_held);
  text.counter("probekit_results_malformed_total",
               "Results that could not be read; their tasks "
               "ended as failed with internal.")
      .sample(status.results_malformed);
}

template <class Write>
void write_each(MetricsText& text, std::string_view name, std::string_view help,
                const Agents& agents, Write write) {
  text.gauge(name, help);
  for (const AgentSnapshot& agent : agents) {
    if (agent.connected) write(agent);
  }
}

void write_agents(MetricsText& text, Agents agents, std::size_t connected) {
  text.gauge("probekit_agents_connected", "Agents with a session.")
      .sample(std::uint64_t{connected});
  text.gauge("probekit_agents_lost", "Agents that were connected and are still remembered.")
      .sample(std::uint64_t{agents.size() - std::min(connected, agents.size())});
  std::sort(agents.begin(), agents.end(), [](const AgentSnapshot& a, const AgentSnapshot& b) {
    return std::tie(b.connected, a.name) < std::tie(a.connected, b.name);
  });
  const std::size_t listed = std::min(agents.size(), kMetricsAgentsMax);
  text.gauge("probekit_agents_unlisted", "Agents beyond the 1000 that have series of their own.")
      .sample(std::uint64_t{agents.size() - listed});
  agents.resize(listed);

  text.gauge("probekit_agent_connected", "1 for an agent with a session, 0 for a lost one.");
  for (const AgentSnapshot& agent : agents) {
    text.sample({{"agent", agent.name}}, one_if(agent.connected));
  }
  text.counter("probekit_agent_results_total",
               "Results received from the agent, repeated ones "
               "included.");
  for (const AgentSnapshot& agent : agents) text.sample({{"agent", agent.name}}, agent.results);

  write_each(text, "probekit_agent_tasks_in_flight", "Tasks given to the agent, not yet ended.",
             agents, [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, std::uint64_t{agent.in_flight});
             });
  write_each(text, "probekit_agent_tasks_queued", "Tasks the agent holds and has not started.",
             agents, [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, std::uint64_t{agent.queued});
             });
  write_each(text, "probekit_agent_credit", "Tasks the agent would take now, by their priority.",
             agents, [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}, {"priority", "high"}}, agent.credit_high);
               text.sample({{"agent", agent.name}, {"priority", "other"}}, agent.credit_other);
             });
  write_each(text, "probekit_agent_heartbeat_age_seconds",
             "Time since the agent's last heartbeat; 0 before the first one.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}},
                           static_cast<double>(agent.heartbeat_age.count()) / 1e3);
             });
  write_each(text, "probekit_agent_heartbeat_rtt_seconds",
             "Round trip of heartbeats, through all proxies; 0 before the second one.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, seconds_of(agent.heartbeat_rtt.count()));
             });
  write_each(text, "probekit_agent_loop_lag_seconds",
             "How late the agent's latest thread was, by its last heartbeat.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, seconds_of(agent.loop_lag.count()));
             });
  write_each(text, "probekit_agent_draining", "1 when the agent gets no new tasks.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, one_if(agent.draining));
             });
  write_each(text, "probekit_agent_slots", "Probes the agent runs at once at most.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, std::uint64_t{agent.slots});
             });
  write_each(text, "probekit_agent_slots_busy", "Probes the agent runs.", agents,
             [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}}, std::uint64_t{agent.slots_busy});
             });
  write_each(text, "probekit_agent_waiting",
             "What the agent's work waits for: its queued tasks for --per-host, its running probes "
             "for the phase they are in.",
             agents, [&](const AgentSnapshot& agent) {
               if (!agent.waits) return;
               const auto write = [&](std::string_view what, std::uint64_t count) {
                 text.sample({{"agent", agent.name}, {"for", what}}, count);
               };
               write("host", agent.waiting_for_host);
               write("dns", agent.waits->dns);
               write("connect", agent.waits->connect);
               write("tls", agent.waits->tls);
               write("first_byte", agent.waits->first_byte);
               write("receive", agent.waits->receive);
             });
  text.counter("probekit_agent_local_failures_total",
               "Probes that failed because the agent itself had no port, descriptor or memory.");
  for (const AgentSnapshot& agent : agents) {
    if (!agent.connected || !agent.failures) continue;
    const auto write = [&](std::string_view what, std::uint64_t count) {
      text.sample({{"agent", agent.name}, {"resource", what}}, count);
    };
    write("ports", agent.failures->ports);
    write("descriptors", agent.failures->descriptors);
    write("memory", agent.failures->memory);
  }
  write_each(text, "probekit_agent_recv_queue_bytes",
             "Received by the kernel and not read, at either end of the agent's connection.",
             agents, [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}, {"end", "master"}},
                           std::uint64_t{agent.connection.recv_queue_bytes});
               if (!agent.agent_socket) return;
               text.sample({{"agent", agent.name}, {"end", "agent"}},
                           agent.agent_socket->recv_queue_bytes);
             });
  write_each(text, "probekit_agent_send_queue_bytes",
             "Sent or to be sent and not acknowledged, at either end, what still waits in the "
             "process included.",
             agents, [&](const AgentSnapshot& agent) {
               text.sample({{"agent", agent.name}, {"end", "master"}},
                           std::uint64_t{agent.connection.send_queue_bytes +
                                         agent.connection.unsent_bytes});
               if (!agent.agent_socket) return;
               text.sample({{"agent", agent.name}, {"end", "agent"}},
                           agent.agent_socket->send_queue_bytes + agent.agent_socket->unsent_bytes);
             });
  write_each(
      text, "probekit_agent_stalled_seconds",
      "How long bytes for the agent wait and none was acknowledged; 0 when none wait.", agents,
      [&](const AgentSnapshot& agent) {
        text.sample({{"agent", agent.name}}, static_cast<double>(agent.stalled.count()) / 1e3);
      });
  write_each(
      text, "probekit_agent_diagnosis", "1 for the verdict on the agent that holds.", agents,
      [&](const AgentSnapshot& agent) { write_diagnosis(text, agent.name, agent.diagnosis); });
}

void write_master(MetricsText& text, const MasterFigures& figures, const ApiFacts& api) {
  const MasterStatus& status = figures.status;
  text.gauge("probekit_build_info", "1; the version, the kind of store and the master's name.")
      .sample({{"version", status.version}, {"store", status.store}, {"master", status.name}},
              std::uint64_t{1});
  text.gauge("probekit_draining", "1 while the master takes no new work.")
      .sample(one_if(status.draining));
  text.gauge("probekit_diagnosis", "1 for the verdict on the whole that holds.");
  write_diagnosis(text, {}, status.diagnosis);
  text.gauge("probekit_agents_diagnosed", "Connected agents by the verdict on them.");
  for (std::size_t i = 0; i < kDiagnosisVerdicts; ++i) {
    text.sample({{"verdict", to_string(static_cast<DiagnosisVerdict>(i))}},
                std::uint64_t{status.agents_diagnosed[i]});
  }
  text.gauge("probekit_loop_cpu_ratio", "Share of a core the master's IO thread used of late.")
      .sample(status.loop_cpu);
  text.gauge("probekit_store_waits_seconds", "How long the oldest call of the store has no answer.")
      .sample(static_cast<double>(status.store_waits.count()) / 1e3);
  text.gauge("probekit_uncommitted_bytes", "Of results that wait for the store.")
      .sample(status.uncommitted_bytes);
  text.gauge("probekit_loop_lag_seconds", "How late the loop ran its last timer.")
      .sample({{"loop", "master"}}, seconds_of(status.loop_lag.last.count()))
      .sample({{"loop", "api"}}, seconds_of(api.loop_lag.last.count()));
  text.gauge("probekit_loop_lag_max_seconds", "The most in the last minute.")
      .sample({{"loop", "master"}}, seconds_of(status.loop_lag.max.count()))
      .sample({{"loop", "api"}}, seconds_of(api.loop_lag.max.count()));
  text.family(MetricsText::Type::histogram, "probekit_store_latency_seconds",
              "How long the store took to lease and to record, the wait for the master's loop "
              "included.")
      .sample({}, figures.store_latency);
}

void write_api(MetricsText& text, const ApiFacts& api, const HttpCounters& http) {
  constexpr std::string_view kClasses[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  text.counter("probekit_api_requests_total", "Requests answered, by class of status code.");
  for (std::size_t i = 0; i < http.responses.size(); ++i) {
    text.sample({{"code", kClasses[i]}}, http.responses[i]);
  }
  text.gauge("probekit_api_connections", "Open connections.")
      .sample(std::uint64_t{api.connections});
  text.gauge("probekit_api_connections_limit", "Beyond it connections are answered 503.")
      .sample(std::uint64_t{api.connections_max});
  text.counter("probekit_api_connections_refused_total", "Connections beyond the limit.")
      .sample(http.refused);
  text.gauge("probekit_api_uploads", "Uploads under way.").sample(std::uint64_t{api.uploads});
  text.gauge("probekit_api_uploads_limit", "Beyond it uploads are answered 429.")
      .sample(std::uint64_t{api.uploads_max});
}

/// The names of Prometheus's own client libraries, with their help.
void write_process(MetricsText& text, const ProcessFigures& process) {
  const auto write = [&text](MetricsText::Type type, std::string_view name, std::string_view help,
                             const auto& value) {
    if (value) text.family(type, name, help).sample({}, *value);
  };
  write(MetricsText::Type::counter, "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.", process.cpu_seconds);
  write(MetricsText::Type::gauge, "process_max_fds", "Maximum number of open file descriptors.",
        process.descriptors_max);
  write(MetricsText::Type::gauge, "process_open_fds", "Number of open file descriptors.",
        process.open_descriptors);
  write(MetricsText::Type::gauge, "process_resident_memory_bytes", "Resident memory size in bytes.",
        process.resident_bytes);
  write(MetricsText::Type::gauge, "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.", process.start_time_seconds);
  write(MetricsText::Type::gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
        process.virtual_bytes);
}

}  // namespace

void write_metrics(std::string& out, MasterFigures figures, const ApiFacts& api,
                   const HttpCounters& http, const ProcessFigures& process) {
  MetricsText text(out);
  write_master(text, figures, api);
  write_tasks(text, figures);
  write_probes(text, figures);
  write_agents(text, std::move(figures.agents), figures.status.agents_connected);
  write_api(text, api, http);
  write_process(text, process);
}

}  // namespace probekit::api
