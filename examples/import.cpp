// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-import: sends a list to a master as one batch, follows it to its end, sums it up.

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <probekit/probe_spec.hpp>

#include "support/command_line.hpp"
#include "support/http_client_curl.hpp"
#include "support/import_source.hpp"
#include "support/json_tree_rapidjson.hpp"
#include "support/progress.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;
using examples::HttpClient;
using examples::HttpResponse;
using examples::JsonTree;

constexpr char kUsage[] =
    "examples:\n"
    "  probekit-import urls.txt                         one target a line\n"
    "  probekit-import specs.ndjson --out results.ndjson\n"
    "  grep -v ^# urls.txt | probekit-import - --timeout 5s --agents name:paris-1\n"
    "  probekit-import --follow ID                      an earlier batch";

struct Options {
  std::string file;
  std::string api = "http://127.0.0.1:8766";
  std::string name;
  std::string kind;
  std::vector<std::string> labels;
  std::chrono::milliseconds timeout{0};
  std::string agents;
  std::string priority;
  std::string out;
  std::string follow;
  bool cancel_on_interrupt = false;
};

int usage(const std::string& message) { return examples::usage_error("probekit-import", message); }

int failed(const std::string& message) {
  std::cerr << "probekit-import: " << message << '\n';
  return examples::kExitFailed;
}

// What a problem document says, or the status alone.
std::string problem_of(const HttpResponse& response) {
  try {
    const auto problem = examples::parse_json(response.body);
    if (!problem["detail"].text.empty()) return problem["detail"].text;
    if (!problem["title"].text.empty()) return problem["title"].text;
  } catch (const std::runtime_error&) {
  }
  return "the master answered with status " + std::to_string(response.status);
}

JsonTree expect(const HttpResponse& response) {
  if (response.status >= 300) throw std::runtime_error(problem_of(response));
  return examples::parse_json(response.body);
}

std::string query_of(const Options& options) {
  std::string query;
  const auto add = [&query](const char* key, const std::string& value) {
    if (!value.empty())
      query += (query.empty() ? "?" : "&") + std::string{key} + '=' + examples::url_encode(value);
  };
  add("name", options.name);
  add("kind", options.kind);
  if (options.timeout.count() > 0) add("timeout_ms", std::to_string(options.timeout.count()));
  add("agents", options.agents);
  add("priority", options.priority);
  return query;
}

// Uploads the list. Returns the batch's id.
std::string upload(const Options& options, HttpClient& client, const examples::Labels& labels) {
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary);
    if (!file) throw std::runtime_error(options.file + ": cannot be opened");
  }
  examples::ImportSource source{options.file == "-" ? std::cin : file, labels};
  const auto response =
      client.post("/v1/batches" + query_of(options), source.content_type(),
                  [&source](char* bytes, std::size_t size) { return source.read(bytes, size); });
  const auto answer = expect(response);
  for (const auto& error : answer["errors"].elements)
    std::cerr << options.file << ':' << error["line"].text << ": " << error["detail"].text << '\n';
  std::cerr << "batch " << answer["id"].text << ": accepted " << answer["accepted"].text
            << ", rejected " << answer["rejected"].text << '\n';
  return answer["id"].text;
}

bool ended(const JsonTree& batch) {
  return batch["state"].text == "done" || batch["state"].text == "cancelled";
}

examples::Progress progress_of(const JsonTree& batch) {
  examples::Progress progress;
  progress.accepted = batch["accepted"].count();
  progress.ended = batch["done"].count() + batch["expired"].count() + batch["cancelled"].count();
  progress.passed = batch["passed"].count();
  progress.failed = batch["failed"].count();
  progress.tasks_per_second = batch["tasks_per_second"].number();
  if (batch["eta_ms"].is(JsonTree::Kind::number))
    progress.eta_seconds = batch["eta_ms"].number() / 1000;
  return progress;
}

// Reads results until the batch has ended, writing them to `out` if it is open, and shows how far
// it is. Waiting is the master's: it holds the answer until there is a result.
JsonTree follow(HttpClient& client, const std::string& id, std::ofstream& out) {
  examples::ProgressDisplay display;
  const auto path = "/v1/batches/" + examples::url_encode(id);
  std::string cursor;
  for (;;) {
    const auto page = client.get(path + "/results?limit=10000&wait_ms=1000" +
                                 (cursor.empty() ? "" : "&after=" + examples::url_encode(cursor)));
    if (page.status >= 300) throw std::runtime_error("batch " + id + ": " + problem_of(page));
    if (out.is_open()) {
      out << page.body;
      if (!out) throw std::runtime_error("--out: cannot be written");
    }
    const auto batch = expect(client.get(path));
    display.show(progress_of(batch), std::chrono::steady_clock::now());
    if (page.next_cursor.empty() && ended(batch)) {
      display.finish();
      return batch;
    }
    if (!page.next_cursor.empty()) cursor = page.next_cursor;
  }
}

void print_counts(const char* title, const JsonTree& counts) {
  if (counts.members.empty()) return;
  std::cout << title;
  const char* separator = "  ";
  for (const auto& [name, count] : counts.members) {
    std::cout << separator << name << ' ' << count.text;
    separator = ", ";
  }
  std::cout << '\n';
}

void print_summary(const JsonTree& batch, const JsonTree& summary) {
  std::cout << "accepted   " << batch["accepted"].text << " = done " << batch["done"].text
            << " + expired " << batch["expired"].text << " + cancelled " << batch["cancelled"].text
            << "\nverdicts   passed " << batch["passed"].text << ", failed " << batch["failed"].text
            << '\n';
  print_counts("failures ", summary["failures"]);
  print_counts("expired  ", summary["reasons"]);
  print_counts("agents   ", summary["agents"]);
  if (summary["phases"].members.empty()) return;
  std::printf("%-14s %10s %10s %10s %10s\n", "phase (ms)", "p50", "p90", "p99", "max");
  for (const auto& [name, phase] : summary["phases"].members) {
    std::printf("%-14s", name.c_str());
    for (const char* column : {"p50", "p90", "p99", "max"})
      std::printf(" %10.2f", phase[column].number() / 1000);
    std::printf("\n");
  }
  std::fflush(stdout);
}

int interrupted(const Options& options, HttpClient& client, const std::string& id) {
  if (id.empty()) return failed("interrupted during the upload; nothing was accepted");
  if (options.cancel_on_interrupt) {
    expect(client.remove("/v1/batches/" + examples::url_encode(id)));
    return failed("interrupted; batch " + id + " is cancelled");
  }
  return failed("interrupted; batch " + id + " goes on. Follow it with: probekit-import --api " +
                options.api + " --follow " + id);
}

int run(const Options& options, const examples::Labels& labels, examples::StopSignal& stop_signal) {
  std::string id = options.follow;
  // Once interrupted the program may still cancel: only the first look counts.
  bool watching = true;
  HttpClient client{options.api, [&] { return watching && stop_signal.stopped(); }};
  try {
    std::ofstream out;
    if (!options.out.empty()) {
      out.open(options.out, std::ios::binary | std::ios::trunc);
      if (!out) return failed("--out: " + options.out + " cannot be opened for writing");
    }
    if (id.empty()) id = upload(options, client, labels);
    const auto batch = follow(client, id, out);
    if (out.is_open()) {
      out.close();
      if (!out) return failed("--out: " + options.out + " cannot be written");
    }
    print_summary(batch,
                  expect(client.get("/v1/batches/" + examples::url_encode(id) + "/summary")));
    const bool every_task_has_a_result = batch["done"].count() == batch["accepted"].count();
    return every_task_has_a_result ? examples::kExitDone : examples::kExitFailed;
  } catch (const HttpClient::Interrupted&) {
    watching = false;
    try {
      return interrupted(options, client, id);
    } catch (const std::runtime_error& error) {
      return failed(error.what());
    }
  } catch (const std::runtime_error& error) {
    return failed(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  examples::StopSignal stop_signal;
  examples::CommandLine line{"probekit-import",
                             "Sends a list of targets to a master as one batch and follows it.",
                             kUsage};
  Options options;
  auto& app = line.app();
  app.add_option("FILE", options.file, "the list; - for standard input");
  app.add_option("--api", options.api, "the master's API")
      ->option_text("URL [http://127.0.0.1:8766]");
  app.add_option("--name", options.name, "of the batch")->option_text("NAME");
  app.add_option("--kind", options.kind, "of targets that do not tell")->option_text("KIND");
  app.add_option("--label", options.labels, "added to each result; repeatable")
      ->option_text("K=V")
      ->expected(1)
      ->take_all();
  line.duration("--timeout", options.timeout, "for each probe")->option_text("DUR [10s]");
  app.add_option("--agents", options.agents, "any, or name:a,name:b")
      ->option_text("SELECTOR [any]");
  app.add_option("--priority", options.priority, "high, normal or low")->option_text("P [low]");
  app.add_option("--out", options.out, "every result, a JSON line each")->option_text("FILE");
  app.add_option("--follow", options.follow, "an earlier batch instead of FILE")->option_text("ID");
  app.add_flag("--cancel-on-interrupt", options.cancel_on_interrupt, "Ctrl-C cancels the batch");
  line.unsupported("--token-file");
  if (!line.parse(argc, argv)) return line.exit_code();

  if (options.file.empty() == options.follow.empty())
    return usage("give FILE (or -), or --follow ID");
  if (options.api.rfind("http://", 0) != 0 && options.api.rfind("https://", 0) != 0)
    return usage("--api: '" + options.api + "' is not an http:// or https:// URL");
  examples::Labels labels;
  for (const auto& label : options.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage("--label: '" + label + "' is not K=V");
    labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  if (!options.agents.empty())
    if (const auto selector = probekit::parse_selector(options.agents); !selector)
      return usage("--agents: " + selector.error().message());
  if (!options.priority.empty())
    if (const auto priority = probekit::parse_priority(options.priority); !priority)
      return usage("--priority: " + priority.error().message());
  return run(options, labels, stop_signal);
}
