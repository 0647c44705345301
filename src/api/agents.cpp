// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/agent_views.hpp"
#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "api/query.hpp"

namespace probekit::api {
namespace {

std::shared_ptr<Answer> with_agent(const Arrival& arrival,
                                   void (*function)(CallAnswer&, const std::string& name)) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call(
      [name = arrival.name, function](CallAnswer& answer) { function(answer, name); });
}

Completion<AgentSnapshot> respond_with_agent(CallAnswer& answer) {
  return answer.then_value<AgentSnapshot>([&answer](const AgentSnapshot& agent) {
    answer.respond_json(200, to_object(agent, write_agent));
  });
}

/// Which agents are asked for.
struct AgentListQuery {
  std::string after;  ///< the last agent's name: names are the order, and the cursor
  std::size_t limit = 100;
  std::string name;             ///< a part of it
  std::optional<bool> healthy;  ///< connected, with nothing to say against it
};

std::string agent_list(std::vector<AgentSnapshot> agents, const AgentListQuery& query) {
  const auto unfit = [&query](const AgentSnapshot& agent) {
    if (agent.name.find(query.name) == std::string::npos) return true;
    const bool healthy = agent.connected && agent.diagnosis.verdict == DiagnosisVerdict::healthy;
    return query.healthy && *query.healthy != healthy;
  };
  agents.erase(std::remove_if(agents.begin(), agents.end(), unfit), agents.end());
  std::sort(agents.begin(), agents.end(),
            [](const AgentSnapshot& a, const AgentSnapshot& b) { return a.name < b.name; });
  const std::size_t total = agents.size();
  agents.erase(agents.begin(),
               std::find_if(agents.begin(), agents.end(), [&query](const AgentSnapshot& agent) {
                 return agent.name > query.after;
               }));
  const bool more = agents.size() > query.limit;
  if (more) agents.resize(query.limit);
  return to_list(agents, more ? agents.back().name : std::string(), write_agent, total);
}

}  // namespace

std::shared_ptr<Answer> list_agents(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  AgentListQuery wanted;
  wanted.after = query.text("after").value_or("");
  wanted.limit = query.number("limit", 1, 1000).value_or(100);
  wanted.name = query.text("name").value_or("");
  if (const auto healthy = query.word("healthy", {"true", "false"})) {
    wanted.healthy = *healthy == "true";
  }
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([wanted](CallAnswer& answer) {
    answer.access().agents(
        answer.then_value<std::vector<AgentSnapshot>>([&answer, wanted](auto agents) {
          answer.respond_json(200, agent_list(std::move(agents), wanted));
        }));
  });
}

std::shared_ptr<Answer> get_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().agent(name, respond_with_agent(answer));
  });
}

std::shared_ptr<Answer> drain_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().set_agent_drained(name, true, respond_with_agent(answer));
  });
}

std::shared_ptr<Answer> undrain_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().set_agent_drained(name, false, respond_with_agent(answer));
  });
}

}  // namespace probekit::api
