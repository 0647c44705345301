// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// GET /probe: one probe now, answered as Prometheus's blackbox_exporter does. The target alone
// decides over probe_success; what is not its fault is a failed scrape.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/answers.hpp"
#include "api/batch_watch.hpp"
#include "api/metrics_text.hpp"
#include "api/open_upload.hpp"
#include "api/query.hpp"
#include "api/scoped_timer.hpp"
#include "api/scrape_probe.hpp"
#include "probe/task_times.hpp"
#include "probekit/probe_result.hpp"
#include "store/task_slice.hpp"

namespace probekit::api {
namespace {

class ScrapeProbeAnswer final : public ApiAnswer {
 public:
  ScrapeProbeAnswer(ApiContext& context, Exchange& exchange, ProbeModule module, ProbeSpec spec,
                    Selector agents, std::chrono::milliseconds wait)
      : ApiAnswer(context, exchange),
        module_(std::move(module)),
        spec_(std::move(spec)),
        agents_(std::move(agents)),
        wait_(wait),
        timer_(context.loop) {}
  /// Nobody will ask for it again.
  ~ScrapeProbeAnswer() override {
    if (batch_ && !ended_) store().cancel(*batch_, [](const auto&) {});
  }

  void on_body_end() override {
    if (access().draining()) return respond(Error(errc::draining, "the master is draining"));
    if (!access().has_agent(spec_.kind, agents_)) {
      return respond(Error(errc::no_agent, "no connected agent can take this probe"));
    }
    timer_.start(wait_, [this] { give_up("no result came in time"); });
    NewBatch batch;
    batch.origin = BatchOrigin::probe;
    store().open_upload(batch,
                        OpenUpload::into(store(), then_value<std::shared_ptr<OpenUpload>>(
                                                      [this](std::shared_ptr<OpenUpload> upload) {
                                                        upload_ = std::move(upload);
                                                        append();
                                                      })));
  }
  void on_client_closed() override { give_up("the scraper left"); }

 private:
  void append() {
    TaskSlice slice;
    const auto agents = std::make_shared<const Selector>(access().resolve(agents_, spec_.kind));
    slice.add(spec_.target, std::make_shared<const ProbeOptions>(std::move(spec_)), agents);
    store().append(upload_->token(), slice.tasks(),
                   then_value<std::uint64_t>([this](std::uint64_t) {
                     upload_->release();
                     store().commit_upload(upload_->token(), 0, committed());
                   }));
  }

  /// A scraper that left before this is heard has left a probe behind.
  Completion<BatchView> committed() {
    return [this, gate = context().gate, weak = weak_from_this(),
            &its_store = store()](Expected<BatchView> result) {
      gate->post([this, weak, &its_store,
                  view = std::make_shared<Expected<BatchView>>(std::move(result))] {
        if (const auto alive = weak.lock()) return begin(*view);
        if (*view) its_store.cancel((*view)->id, [](const auto&) {});
      });
    };
  }

  /// Even when time is up already: the batch must be known to be cancelled.
  void begin(const Expected<BatchView>& view) {
    if (!view) return respond(view.error());
    batch_ = view->id;
    if (responded()) return;
    watch_.emplace(context(), *batch_, weak_from_this(), [this] { look(); });
    look();
  }

  void look() {
    if (responded() || ended_) return;
    if (std::exchange(looking_, true)) {
      look_again_ = true;
      return;
    }
    store().batch(*batch_, then_value<BatchView>([this](const BatchView& view) {
      looking_ = false;
      if (!view.info.ledger.ended()) {
        if (std::exchange(look_again_, false)) look();
        return;
      }
      ended_ = true;
      ResultQuery query;
      query.batch = *batch_;
      query.limit = 1;
      store().results(
          query, then_value<ResultPage>([this](const ResultPage& page) { conclude(page.lines); }));
    }));
  }

  void conclude(const std::string& line) {
    const auto result = parse_result_line(line);
    if (!result) return respond(problem(500, "the result cannot be read"));
    if (result->state == TaskState::cancelled) {
      return respond(problem(503, "the probe was cancelled"));
    }
    if (result->state == TaskState::expired) {
      return respond(problem(503, "no agent probed it in time: " + result->diagnosis));
    }
    if (result->failure && result->failure->kind == FailureKind::internal) {
      return respond(
          problem(503, "agent " + result->agent + " could not probe: " + result->failure->message));
    }
    HttpResponse response;
    response.headers = {{"Content-Type", kMetricsContentType}, {"Cache-Control", "no-store"}};
    write_scrape(response.body, module_, *result);
    respond(std::move(response));
  }

  void give_up(const char* why) { respond(problem(504, why)); }

  ProbeModule module_;
  ProbeSpec spec_;
  Selector agents_;
  std::chrono::milliseconds wait_;
  ScopedTimer timer_;
  std::shared_ptr<OpenUpload> upload_;
  std::optional<BatchId> batch_;
  std::optional<BatchWatch> watch_;
  bool looking_ = false;
  bool look_again_ = false;
  bool ended_ = false;
};

const ProbeModule* find_module(const std::vector<ProbeModule>& modules, std::string_view name) {
  const auto found =
      std::find_if(modules.begin(), modules.end(),
                   [name](const ProbeModule& module) { return module.name == name; });
  return found == modules.end() ? nullptr : &*found;
}

}  // namespace

std::shared_ptr<Answer> get_scrape_probe(const Arrival& arrival) {
  const auto refuse = [&arrival](std::string detail) {
    return arrival.refuse(problem(400, std::move(detail)));
  };
  QueryReader query(arrival.request.query());
  const std::string target = query.text("target").value_or("");
  const std::string name = query.text("module").value_or("http_2xx");
  const auto agents = parse_selector(query.text("agents").value_or("any"));
  if (const auto fault = query.fault()) return refuse(*fault);
  if (target.empty()) return refuse("Target parameter is missing");
  if (!agents) return refuse("query parameter agents: " + agents.error().message());
  if (agents->kind == Selector::Kind::all || task_count(*agents) != 1) {
    return refuse("query parameter agents: asks for several agents; scrape once for each place");
  }
  const ProbeModule* module = find_module(arrival.context.options.modules, name);
  static const std::vector<ProbeModule> builtin = builtin_probe_modules();
  if (!module) module = find_module(builtin, name);
  if (!module) return refuse("Unknown module \"" + name.substr(0, 64) + '"');

  const auto times =
      scrape_times(*module, arrival.request.header("X-Prometheus-Scrape-Timeout-Seconds"));
  if (!times) return refuse(times.error().message());
  ProbeSpec spec;
  static_cast<ProbeOptions&>(spec) = module->options;
  spec.timeout = times->timeout;
  spec.deadline = times->timeout + kDeadlineOverTimeout;
  auto wanted = scrape_target(*module, target);
  if (!wanted) return refuse(wanted.error().message());
  spec.target = std::move(*wanted);
  if (const auto fine = complete_spec(spec, arrival.context.access.kinds()); !fine) {
    return refuse(fine.error().message());
  }
  return std::make_shared<ScrapeProbeAnswer>(arrival.context, arrival.exchange, *module,
                                             std::move(spec), *agents, times->wait);
}

}  // namespace probekit::api
