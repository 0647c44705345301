// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-import: sends a list to a master as one batch, follows it to its end, sums it up.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <optional>
#include <probekit/clock.hpp>
#include <probekit/probe_spec.hpp>
#include <stdexcept>

#include "support/command_line.hpp"
#include "support/http_client_curl.hpp"
#include "support/import_source.hpp"
#include "support/json_tree_rapidjson.hpp"
#include "support/progress.hpp"
#include "support/result_file.hpp"
#include "support/stop_signal.hpp"
#include "support/token_file.hpp"

namespace {

using namespace std::chrono_literals;
using examples::HttpClient;
using examples::HttpResponse;
using examples::JsonTree;

constexpr char kProgram[] = "probekit-import";
constexpr char kFooter[] =
    "examples:\n"
    "  probekit-import urls.txt --out results.ndjson\n"
    "  sort -u urls.txt | probekit-import - --timeout 5s --agents tag:city=paris\n"
    "  probekit-import --follow ID                      an earlier batch";

// A master drops clients that send nothing for 60 s.
constexpr auto kSilenceMax = 20s;
constexpr auto kPollInterval = 500ms;
// Without a task that ended for so long, the master is asked what is wrong.
constexpr auto kStallTime = 5s;
// Of one kind of counts in the summary.
constexpr std::size_t kCountsShown = 10;

struct Options {
  std::string file;
  std::string name;
  std::string kind;
  std::vector<std::string> labels;
  std::chrono::milliseconds timeout = probekit::kTimeoutDefault;
  std::string agents;
  std::string priority;
  std::string out;
  std::string follow;
  std::string token_file;
  bool cancel_on_interrupt = false;
  examples::HttpClientOptions client = [] {
    examples::HttpClientOptions defaults;
    defaults.base = "http://127.0.0.1:8766";
    return defaults;
  }();
};

int usage(const std::string& message) { return examples::usage_error(kProgram, message); }
int failed(const std::string& message) { return examples::failure(kProgram, message); }

// What a problem document says, or the status alone.
std::string problem_of(const HttpResponse& response) {
  try {
    const auto problem = examples::parse_json(response.body);
    for (const char* member : {"detail", "title"})
      if (!problem[member].text.empty()) return examples::printable(problem[member].text);
  } catch (const std::runtime_error&) {
  }
  return "the master answered with status " + std::to_string(response.status);
}

JsonTree expect(const HttpResponse& response) {
  if (response.status < 300) return examples::parse_json(response.body);
  auto text = (response.status == 401 ? "--token-file: " : "") + problem_of(response);
  if (response.status == 429 && !response.retry_after.empty())
    text += "; try again in " + examples::printable(response.retry_after) + " s";
  throw std::runtime_error(text);
}

// Of what stands between, or of a master that starts or ends.
bool passes_by_itself(const HttpResponse& response) {
  return response.status == 502 || response.status == 503 || response.status == 504;
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

std::string path_of(const std::string& id) { return "/v1/batches/" + examples::url_encode(id); }

// 128 random bits.
std::string new_key() {
  constexpr char kHex[] = "0123456789abcdef";
  std::string key = "import-";
  for (int i = 0; i < 32; ++i) key += kHex[probekit::system_random()->below(16)];
  return key;
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

// One batch from its upload, or from wherever it is, to its end.
class Import {
 public:
  Import(const Options& options, const examples::StopSignal& stop_signal)
      : options_(options), stop_signal_(stop_signal), client_(options.client, stop_signal) {}

  const std::string& id() const { return id_; }
  // A list was sent whole and nobody said what became of it.
  bool in_doubt() const { return in_doubt_; }
  HttpClient& client() { return client_; }
  examples::ProgressDisplay& display() { return display_; }

  void upload(const examples::Labels& labels);
  void adopt(const std::string& id) { id_ = id; }
  JsonTree follow(examples::ResultFile* out);

 private:
  HttpResponse send(examples::InputFile& input, examples::ImportSource& source);
  HttpResponse get(const std::string& path);
  void wait(std::chrono::milliseconds time, int fd);
  void try_again(const std::string& why, const std::string& retry_after);
  void say_why_nothing_ends(const examples::Progress& progress);

  const Options& options_;
  const examples::StopSignal& stop_signal_;
  const std::shared_ptr<const probekit::Clock> clock_ = probekit::system_clock();
  HttpClient client_;
  examples::ProgressDisplay display_{clock_};
  std::string id_;
  std::string key_ = new_key();
  bool in_doubt_ = false;
  bool reached_ = false;      // the master answered once
  std::size_t failures_ = 0;  // since then
  std::uint64_t ended_ = 0;
  std::optional<probekit::SteadyTime> ended_at_;  // when that changed
  std::string said_;                              // of a batch that stands still
};

// Until the time is over or the descriptor is readable.
void Import::wait(std::chrono::milliseconds time, int fd) {
  pollfd waiting[] = {{stop_signal_.fd(), POLLIN, 0}, {fd, POLLIN, 0}};
  poll(waiting, 2, static_cast<int>(time.count()));
  if (stop_signal_.stopped()) throw HttpClient::Interrupted{};
}

// Waits a little longer each time, a minute in all; then throws.
void Import::try_again(const std::string& why, const std::string& retry_after) {
  constexpr std::chrono::milliseconds kDelays[] = {500ms, 1s, 2s, 4s, 8s, 15s, 30s};
  if (failures_ == std::size(kDelays)) throw std::runtime_error(why);
  auto delay = kDelays[failures_++];
  int asked = 0;
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), asked);
  delay = std::max<std::chrono::milliseconds>(delay, std::chrono::seconds{std::min(asked, 30)});
  display_.say(std::string{kProgram} + ": " + why + "; trying again");
  wait(delay, -1);
}

HttpResponse Import::get(const std::string& path) {
  for (;;) {
    try {
      auto response = client_.get(path);
      reached_ = true;
      if (!passes_by_itself(response)) {
        failures_ = 0;
        return response;
      }
      try_again(problem_of(response), response.retry_after);
    } catch (const HttpClient::Broken& broken) {
      if (!reached_) throw;
      try_again(broken.what(), {});
    }
  }
}

HttpResponse Import::send(examples::InputFile& input, examples::ImportSource& source) {
  std::vector<std::string> headers{std::string{"Content-Type: "} + source.content_type()};
  if (!key_.empty()) headers.push_back("Idempotency-Key: " + key_);
  auto last = clock_->steady_now();
  const auto read = [&](char* bytes, std::size_t size) {
    auto count = source.read(bytes, size);
    const auto now = clock_->steady_now();
    // A blank in front of a line changes nothing.
    if (!count && now - last >= kSilenceMax && source.at_line_start()) {
      *bytes = ' ';
      count = 1;
    }
    if (count) last = now;
    display_.show_upload(source.bytes_read(), input.size());
    return count;
  };
  auto response = client_.post("/v1/batches" + query_of(options_), headers, {read, input.fd()});
  display_.clear();
  return response;
}

// The key makes it safe to send the list once more, whatever became of it the first time.
void Import::upload(const examples::Labels& labels) {
  examples::InputFile input{options_.file};
  const auto once_more = [&](const std::string& why, const std::string& retry_after) {
    if (in_doubt_ && key_.empty())
      throw std::runtime_error(why + "; all was sent and may have been taken");
    try_again(why, retry_after);
    if (!input.rewind()) throw std::runtime_error(why);
  };
  HttpResponse response;
  for (;;) {
    examples::ImportSource source{input, labels};
    while (!source.find_form()) wait(1h, input.fd());
    try {
      response = send(input, source);
      reached_ = true;
      in_doubt_ = response.status == 502 || response.status == 504;
      // From a master that does not know the header yet.
      if (response.status == 400 && !key_.empty() &&
          problem_of(response).find("Idempotency-Key") != std::string::npos && input.rewind()) {
        key_.clear();
        continue;
      }
      const bool still_taken = response.status == 409;  // by the one before
      if (!passes_by_itself(response) && !still_taken) break;
      once_more(problem_of(response), response.retry_after);
    } catch (const HttpClient::Broken& broken) {
      display_.clear();
      if (!reached_ && !broken.connected) throw;
      reached_ = true;
      in_doubt_ = in_doubt_ || broken.sent_whole;
      once_more(broken.what(), {});
    }
  }
  failures_ = 0;
  const auto answer = expect(response);
  for (const auto& error : answer["errors"].elements)
    display_.say(options_.file + ':' + error["line"].text + ": " + error["detail"].text);
  id_ = answer["id"].text;
  display_.say("batch " + id_ + ": accepted " + answer["accepted"].text + ", rejected " +
               answer["rejected"].text);
}

// The master knows what holds things up.
void Import::say_why_nothing_ends(const examples::Progress& progress) {
  const auto now = clock_->steady_now();
  if (progress.ended != ended_ || !ended_at_) {
    ended_ = progress.ended;
    ended_at_ = now;
  }
  if (now - *ended_at_ < kStallTime) return;
  ended_at_ = now;
  const auto diagnosis = expect(get("/v1/status"))["diagnosis"];
  const auto& text = diagnosis["text"].text;
  if (diagnosis["verdict"].text == "healthy" || text == said_) return;
  said_ = text;
  display_.say("nothing ended for 5 s: " + text);
}

// Until the batch has ended; every result goes to `out`, when there is one.
JsonTree Import::follow(examples::ResultFile* out) {
  const auto path = path_of(id_);
  std::string cursor;
  for (bool first = true;; first = false) {
    bool last_page = true;
    if (out != nullptr) {
      const auto page = get(path + "/results?limit=2000&wait_ms=1000" +
                            (cursor.empty() ? "" : "&after=" + examples::url_encode(cursor)));
      if (page.status >= 300) throw std::runtime_error("batch " + id_ + ": " + problem_of(page));
      if (first) out->begin();
      out->write(page.body);
      last_page = page.next_cursor.empty();
      if (!last_page) cursor = page.next_cursor;
    }
    const auto answer = get(path);
    if (answer.status >= 300) throw std::runtime_error("batch " + id_ + ": " + problem_of(answer));
    const auto batch = expect(answer);
    const auto progress = progress_of(batch);
    if (last_page && ended(batch)) {
      display_.finish(progress);
      return batch;
    }
    display_.show(progress);
    say_why_nothing_ends(progress);
    if (out == nullptr) wait(kPollInterval, -1);
  }
}

// One a line, most first.
void print_counts(std::FILE* out, const char* title, const JsonTree& counts, std::size_t most) {
  auto sorted = counts.members;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.count() > b.second.count();
  });
  const std::size_t width = sorted.empty() ? 0 : sorted.front().second.text.size();
  for (std::size_t i = 0; i < std::min(sorted.size(), most); ++i)
    std::fprintf(out, "%-10s %*s %s\n", i == 0 ? title : "", static_cast<int>(width),
                 sorted[i].second.text.c_str(), examples::printable(sorted[i].first).c_str());
  if (sorted.size() > most) std::fprintf(out, "%-10s and %zu more\n", "", sorted.size() - most);
}

// In the order they happen, others after them, the sum last.
std::size_t place_of_phase(const std::string& name) {
  constexpr const char* kOrder[] = {"dns_us",        "connect_us", "tls_us",  "send_us",
                                    "first_byte_us", "receive_us", "query_us"};
  const auto* const found = std::find(std::begin(kOrder), std::end(kOrder), name);
  return static_cast<std::size_t>(found - kOrder) + (name == "duration_us" ? 1 : 0);
}

void print_summary(std::FILE* out, const JsonTree& batch, const JsonTree& summary) {
  std::fprintf(out, "accepted   %s = done %s + expired %s + cancelled %s\n",
               batch["accepted"].text.c_str(), batch["done"].text.c_str(),
               batch["expired"].text.c_str(), batch["cancelled"].text.c_str());
  std::fprintf(out, "verdicts   passed %s, failed %s\n", batch["passed"].text.c_str(),
               batch["failed"].text.c_str());
  print_counts(out, "failures", summary["failures"], kCountsShown);
  print_counts(out, "expired", summary["reasons"], kCountsShown);
  print_counts(out, "agents", summary["agents"], kCountsShown);
  auto phases = summary["phases"].members;
  std::stable_sort(phases.begin(), phases.end(), [](const auto& a, const auto& b) {
    return place_of_phase(a.first) < place_of_phase(b.first);
  });
  if (!phases.empty())
    std::fprintf(out, "%-10s %12s %12s %12s %12s\n", "phases, ms", "p50", "p90", "p99", "max");
  for (const auto& [name, phase] : phases) {
    const bool has_unit = name.size() > 3 && name.compare(name.size() - 3, 3, "_us") == 0;
    std::fprintf(out, "%-10s",
                 examples::printable(name.substr(0, name.size() - (has_unit ? 3 : 0))).c_str());
    for (const char* column : {"p50", "p90", "p99", "max"})
      std::fprintf(out, " %12.2f", phase[column].number() / 1000);
    std::fprintf(out, "\n");
  }
  std::fflush(out);
}

// As a shell reads it back.
std::string quoted(const std::string& text) {
  constexpr char kPlain[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/@%+=,[]";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out + '\'';
}

int interrupted(const Options& options, Import& import) {
  const auto& id = import.id();
  if (id.empty())
    return failed(import.in_doubt()
                      ? "interrupted; the list was sent and may have been taken, see /v1/batches"
                      : "interrupted during the upload; nothing was accepted");
  if (options.cancel_on_interrupt) {
    expect(import.client().remove(path_of(id)));
    return failed("interrupted; batch " + id + " is cancelled");
  }
  std::string command = "probekit-import --api " + quoted(options.client.base);
  const auto add = [&command](const char* flag, const std::string& value) {
    if (!value.empty()) command += std::string{" "} + flag + ' ' + quoted(value);
  };
  add("--token-file", options.token_file);
  add("--ca-file", options.client.ca_file);
  add("--out", options.out);
  return failed("interrupted; batch " + id + " goes on. Follow it with: " + command + " --follow " +
                id);
}

int run(const Options& options, const examples::Labels& labels, examples::StopSignal& stop_signal) {
  Import import{options, stop_signal};
  try {
    std::optional<examples::ResultFile> out;
    if (!options.out.empty()) out.emplace(options.out);
    if (options.follow.empty())
      import.upload(labels);
    else
      import.adopt(options.follow);
    const auto batch = import.follow(out ? &*out : nullptr);
    if (out) out->close();
    // Where results are read, nothing else is to be.
    print_summary(options.out == "-" ? stderr : stdout, batch,
                  expect(import.client().get(path_of(import.id()) + "/summary")));
    const bool every_task_has_a_result = batch["done"].count() == batch["accepted"].count();
    return every_task_has_a_result ? examples::kExitDone : examples::kExitFailed;
  } catch (const HttpClient::Interrupted&) {
    import.client().ignore_signals();
    import.display().clear();
    return interrupted(options, import);
  } catch (const std::runtime_error&) {
    import.display().clear();
    throw;
  }
}

void declare(examples::CommandLine& line, Options& options) {
  line.argument("FILE", options.file, "the list, a target or a JSON spec a line; -: stdin");
  line.text("--api", options.client.base, "URL [http://127.0.0.1:8766]", "the master's API");
  line.text("--token-file", options.token_file, "F", "bearer token for the API");
  line.text("--ca-file", options.client.ca_file, "F [the system's]", "whom to trust, for https://");
  line.text("--name", options.name, "NAME", "of the batch, for people");
  line.text("--kind", options.kind, "KIND", "of targets that do not tell");
  line.texts("--label", options.labels, "K=V", "added to each result; repeatable");
  line.duration("--timeout", options.timeout, 1ms, probekit::kTimeoutMax,
                "for each probe, 1ms to 2m");
  line.text("--agents", options.agents, "SELECTOR [any]", "all, any*2, tag:k=v, name:a,name:b");
  line.choice("--priority", options.priority, {"high", "normal", "low"}, "P [low]",
              "high, normal or low");
  line.text("--out", options.out, "FILE", "every result, a JSON line each; -: stdout");
  line.text("--follow", options.follow, "ID", "an earlier batch instead of FILE");
  line.flag("--cancel-on-interrupt", options.cancel_on_interrupt, "Ctrl-C cancels the batch, too");
}

// Empty: fine.
std::string fault_of(Options& options, examples::Labels& labels) {
  if (options.file.empty() == options.follow.empty()) return "give FILE (or -), or --follow ID";
  if (options.client.base.rfind("http://", 0) != 0 && options.client.base.rfind("https://", 0) != 0)
    return "--api: '" + options.client.base + "' is not an http:// or https:// URL";
  for (const auto& label : options.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos || equals == 0) return "--label: '" + label + "' is not K=V";
    labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  if (!options.agents.empty())
    if (const auto selector = probekit::parse_selector(options.agents); !selector)
      return "--agents: " + selector.error().message();
  if (!options.token_file.empty()) options.client.token = examples::read_token(options.token_file);
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
