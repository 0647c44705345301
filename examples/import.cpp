// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-import: sends a list to a master as one batch, follows it to its end, sums it up.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <probekit/clock.hpp>
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

constexpr char kProgram[] = "probekit-import";
constexpr char kFooter[] =
    "examples:\n"
    "  probekit-import urls.txt                         one target a line\n"
    "  probekit-import specs.ndjson --out results.ndjson\n"
    "  grep -v ^# urls.txt | probekit-import - --timeout 5s --agents name:paris-1\n"
    "  probekit-import --follow ID                      an earlier batch\n"
    "Ctrl-C tells how to follow the batch later; a second one ends at once, with 130 or 143.";

struct Options {
  std::string file;
  std::string api = "http://127.0.0.1:8766";
  std::string name;
  std::string kind;
  std::vector<std::string> labels;
  std::chrono::milliseconds timeout = probekit::kTimeoutDefault;
  std::string agents;
  std::string priority;
  std::string out;
  std::string follow;
  bool cancel_on_interrupt = false;
};

int usage(const std::string& message) { return examples::usage_error(kProgram, message); }
int failed(const std::string& message) { return examples::failure(kProgram, message); }

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
  add("timeout_ms", std::to_string(options.timeout.count()));
  add("agents", options.agents);
  add("priority", options.priority);
  return query;
}

// Uploads the list. Returns the batch's id.
std::string upload(const Options& options, HttpClient& client, const examples::Labels& labels,
                   examples::ProgressDisplay& display) {
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary);
    if (!file) throw std::runtime_error(options.file + ": cannot be opened");
  }
  std::error_code no_size;  // of a pipe
  auto total = options.file == "-" ? 0 : std::filesystem::file_size(options.file, no_size);
  if (no_size) total = 0;
  examples::ImportSource source{options.file == "-" ? std::cin : file, labels};
  const auto response = client.post("/v1/batches" + query_of(options), source.content_type(),
                                    [&](char* bytes, std::size_t size) {
                                      display.show_upload(source.bytes_read(), total);
                                      return source.read(bytes, size);
                                    });
  display.clear();
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
JsonTree follow(HttpClient& client, const std::string& id, std::ofstream& out,
                examples::ProgressDisplay& display) {
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
    if (page.next_cursor.empty() && ended(batch)) {
      display.finish(progress_of(batch));
      return batch;
    }
    display.show(progress_of(batch));
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

// In the order they happen, others after them, the sum last.
std::size_t place_of_phase(const std::string& name) {
  constexpr const char* kOrder[] = {"dns_us",        "connect_us", "tls_us",  "send_us",
                                    "first_byte_us", "receive_us", "query_us"};
  const auto* const found = std::find(std::begin(kOrder), std::end(kOrder), name);
  return static_cast<std::size_t>(found - kOrder) + (name == "duration_us" ? 1 : 0);
}

void print_summary(const JsonTree& batch, const JsonTree& summary) {
  std::cout << "accepted   " << batch["accepted"].text << " = done " << batch["done"].text
            << " + expired " << batch["expired"].text << " + cancelled " << batch["cancelled"].text
            << "\nverdicts   passed " << batch["passed"].text << ", failed " << batch["failed"].text
            << '\n';
  print_counts("failures ", summary["failures"]);
  print_counts("expired  ", summary["reasons"]);
  print_counts("agents   ", summary["agents"]);
  auto phases = summary["phases"].members;
  if (phases.empty()) return;
  std::stable_sort(phases.begin(), phases.end(), [](const auto& a, const auto& b) {
    return place_of_phase(a.first) < place_of_phase(b.first);
  });
  std::printf("%-10s %10s %10s %10s %10s  ms\n", "phases", "p50", "p90", "p99", "max");
  for (const auto& [name, phase] : phases) {
    const bool has_unit = name.size() > 3 && name.compare(name.size() - 3, 3, "_us") == 0;
    std::printf("%-10s", name.substr(0, name.size() - (has_unit ? 3 : 0)).c_str());
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
  examples::ProgressDisplay display{probekit::system_clock()};
  HttpClient client{options.api, [&] { return watching && stop_signal.stopped(); }};
  try {
    std::ofstream out;
    if (!options.out.empty()) {
      out.open(options.out, std::ios::binary | std::ios::trunc);
      if (!out) return failed("--out: " + options.out + " cannot be opened for writing");
    }
    if (id.empty()) id = upload(options, client, labels, display);
    const auto batch = follow(client, id, out, display);
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
    display.clear();
    return interrupted(options, client, id);
  } catch (const std::runtime_error&) {
    display.clear();
    throw;
  }
}

void declare(examples::CommandLine& line, Options& options) {
  line.argument("FILE", options.file, "the list; - for standard input");
  line.text("--api", options.api, "URL [http://127.0.0.1:8766]", "the master's API");
  line.text("--name", options.name, "NAME", "of the batch");
  line.text("--kind", options.kind, "KIND", "of targets that do not tell");
  line.texts("--label", options.labels, "K=V", "added to each result; repeatable");
  line.duration("--timeout", options.timeout, 1ms, probekit::kTimeoutMax,
                "for each probe, 1ms to 2m");
  line.text("--agents", options.agents, "SELECTOR [any]", "any, or name:a,name:b");
  line.choice("--priority", options.priority, {"high", "normal", "low"}, "P [low]",
              "high, normal or low");
  line.text("--out", options.out, "FILE", "every result, a JSON line each");
  line.text("--follow", options.follow, "ID", "an earlier batch instead of FILE");
  line.flag("--cancel-on-interrupt", options.cancel_on_interrupt, "Ctrl-C cancels the batch");
  line.unsupported("--token-file");
}

// Empty: fine.
std::string fault_of(const Options& options, examples::Labels& labels) {
  if (options.file.empty() == options.follow.empty()) return "give FILE (or -), or --follow ID";
  if (options.api.rfind("http://", 0) != 0 && options.api.rfind("https://", 0) != 0)
    return "--api: '" + options.api + "' is not an http:// or https:// URL";
  for (const auto& label : options.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos || equals == 0) return "--label: '" + label + "' is not K=V";
    labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  if (!options.agents.empty())
    if (const auto selector = probekit::parse_selector(options.agents); !selector)
      return "--agents: " + selector.error().message();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return examples::guarded(kProgram, [argc, argv] {
    examples::StopSignal stop_signal;
    examples::CommandLine line{
        kProgram, "Sends a list of targets to a master as one batch and follows it.", kFooter};
    Options options;
    declare(line, options);
    if (!line.parse(argc, argv)) return line.exit_code();
    examples::Labels labels;
    if (const auto fault = fault_of(options, labels); !fault.empty()) return usage(fault);
    return run(options, labels, stop_signal);
  });
}
