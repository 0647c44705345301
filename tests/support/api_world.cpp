// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/api_world.hpp"

#include <utility>

#include "probekit/stores.hpp"
#include "store/task_store.hpp"
#include "support/catch.hpp"
#include "support/store_answer.hpp"

namespace probekit::test {

StoreWorker::StoreWorker(TaskStore& store) : store_(store) {
  session_ = value_of<TaskStore::SessionOpened>([&](Completion<TaskStore::SessionOpened> done) {
               store.open_session({"worker", {}, {}}, std::move(done));
             }).session;
}

std::size_t StoreWorker::work(std::size_t count, const std::string& more) {
  LeaseRequest request;
  request.session = session_;
  for (const Lane& lane : store_.lanes()) request.lanes.push_back(lane.id);
  request.count = count;
  const auto leased = value_of<LeaseReply>(
      [&](Completion<LeaseReply> done) { store_.lease(request, std::move(done)); });
  std::vector<TaskReport> reports;
  for (const LeasedTask& task : leased.tasks) {
    TaskReport report;
    report.task = task.task;
    report.attempt = task.attempt;
    const bool fails = done_++ % 3 == 2;
    report.verdict = fails ? Verdict::failed : Verdict::passed;
    if (fails) report.failure = FailureKind::connect;
    report.phases = {{"connect_us", std::chrono::microseconds(100)}};
    report.fields = "\"verdict\":\"" + std::string(to_string(report.verdict)) + "\"," + more +
                    "\"started_at\":\"2026-01-01T00:00:00.000000Z\",\"suspect\":false";
    reports.push_back(std::move(report));
  }
  value_of<RecordReply>(
      [&](Completion<RecordReply> done) { store_.record(session_, reports, std::move(done)); });
  return reports.size();
}

World::World(HttpApiOptions options, StoreOptions store_options, MasterOptions master_options)
    : store(std::make_shared<StallingStore>(make_memory_store(store_options))),
      master(store, std::move(master_options)) {
  REQUIRE(master.listen(network.listener()));
  options.port = 0;
  api.emplace(master, options);
  const auto url = api->start();
  REQUIRE(url);
  port = static_cast<std::uint16_t>(std::stoi(url->substr(url->rfind(':') + 1)));
}

RawReply World::request(std::string_view method, std::string_view target, std::string_view headers,
                        std::string_view body) const {
  auto reply = RawHttp(port).request(method, target, headers, body);
  REQUIRE(reply);
  return std::move(*reply);
}

std::string World::import(std::size_t targets, const std::string& query) const {
  std::string body;
  for (std::size_t i = 0; i < targets; ++i) {
    body += "http://h" + std::to_string(i) + ".example/\n";
  }
  const RawReply reply = request("POST", "/v1/batches" + query, kText, body);
  REQUIRE(reply.status == 201);
  return *reply.json().find("id")->as_string();
}

std::uint64_t World::status(const std::string& part, const std::string& member) const {
  return *get("/v1/status").json().find(part)->find(member)->as_uint64();
}

std::uint64_t World::agents() const {
  return *get("/v1/status").json().find("agents_connected")->as_uint64();
}

std::string text(const json::Value& value, const std::string& member) {
  const json::Value* const found = value.find(member);
  REQUIRE(found);
  return found->as_string() ? *found->as_string() : found->to_json();
}

std::vector<std::string> lines_of(const std::string& body) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = body.find('\n', at);
    REQUIRE(end != std::string::npos);
    lines.push_back(body.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace probekit::test
