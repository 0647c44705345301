// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// POST /v1/batches and POST /v1/batches/{id}/targets. Bytes are parsed as they arrive, a slice of
// tasks is in the store's hands while the next one fills, and when both are full the client waits.
// Nothing counts before the commit, and an Answer that goes without one abandons its upload.
//
// Memory of one import: what the connection buffers, one line, two slices of tasks and the first
// errors, under 2 MiB; the JSON form with "targets" before "defaults" up to 64 MiB more.

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/answers.hpp"
#include "api/batch_views.hpp"
#include "api/import_parser.hpp"
#include "api/media_type.hpp"
#include "api/open_upload.hpp"
#include "api/query.hpp"
#include "api/work_answer.hpp"
#include "probe/task_times.hpp"

namespace probekit::api {
namespace {

constexpr std::size_t kNameBytesMax = 256;
constexpr std::chrono::milliseconds kDeadlineDefault = std::chrono::hours(24);

/// Where an upload's tasks go.
struct Destination {
  std::optional<BatchId> batch;  ///< this open one; empty: a new one
  std::string name;
  bool open = false;
};

class ImportAnswer final : public WorkAnswer {
 public:
  ImportAnswer(const Arrival& arrival, std::optional<IdempotencyKey> key, ImportForm form,
               SpecDefaults defaults, Destination destination)
      : WorkAnswer(arrival.context, arrival.exchange, arrival.request, std::move(key)),
        parser_(
            form, std::move(defaults), arrival.context.access.kinds(),
            arrival.context.options.line_bytes_max,
            [&access = arrival.context.access](const Selector& agents, const std::string& kind) {
              return access.resolve(agents, kind);
            }),
        destination_(std::move(destination)) {
    place_.emplace(context(), [this](const Problem& problem) {
      upload_.reset();
      respond(problem);
    });
  }

 protected:
  /// What still comes is read in vain.
  void on_respond() override {
    place_.reset();
    WorkAnswer::on_respond();
  }

  void start() override {
    if (access().draining()) return fail(Error(errc::draining, "the master is draining"));
    busy_ = true;
    if (!destination_.batch) {
      NewBatch batch;
      batch.name = destination_.name;
      batch.origin = BatchOrigin::import;
      batch.open = destination_.open;
      return store().open_upload(batch, opened());
    }
    store().batch(*destination_.batch, then_value<BatchView>([this](const BatchView& view) {
      // A probe's batch is seen at /v1/probes alone.
      if (view.origin != BatchOrigin::import) {
        return respond(Error(errc::not_found, "no such batch"));
      }
      store().extend_batch(view.id, opened());
    }));
  }

  std::size_t take(std::string_view bytes) override {
    std::size_t taken = parser_.feed(bytes);
    while (taken < bytes.size() && flush()) taken += parser_.feed(bytes.substr(taken));
    if (parser_.fault()) fail(*parser_.fault());
    waiting_ = taken < bytes.size();
    return taken;
  }

  void take_end() override {
    ended_ = true;
    place_->pause();
    proceed();
  }

  void came(std::size_t bytes) override {
    if (!place_) return;
    place_->moved(bytes);
    if (waiting_) place_->pause();
  }

  void answer_again(BatchId batch, const std::string& answer) override {
    created(200, store().batch_name(batch), answer);
  }

 private:
  Completion<std::uint64_t> opened() {
    return OpenUpload::into(store(), then_value<std::shared_ptr<OpenUpload>>(
                                         [this](std::shared_ptr<OpenUpload> upload) {
                                           busy_ = false;
                                           upload_ = std::move(upload);
                                           go_on();
                                         }));
  }

  /// Hands the slice over; false when it must wait for what is under way.
  bool flush() {
    if (busy_) return false;
    busy_ = true;
    const std::vector<NewTask> tasks = parser_.slice().tasks();
    store().append(upload_->token(), tasks, then<std::uint64_t>([this](Expected<std::uint64_t> r) {
                     busy_ = false;
                     if (!r) return fail(r.error());
                     go_on();
                   }));
    parser_.slice().clear();
    return true;
  }

  void go_on() {
    if (responded()) return;
    if (ended_) return proceed();
    if (!waiting_) return;
    if (parser_.slice().full()) flush();
    waiting_ = false;
    place_->go_on();
    exchange().resume_upload();
  }

  /// After the last byte: the rest of the tasks, then the commit.
  void proceed() {
    if (busy_ || responded()) return;
    bool finished = parser_.finish();
    while (!finished || !parser_.slice().empty()) {
      if (parser_.fault()) break;
      if (!flush()) return;
      finished = parser_.finish();
    }
    if (parser_.fault()) return fail(*parser_.fault());
    if (busy_) return;
    const bool empty = parser_.accepted() == 0 && parser_.rejected() == 0;
    if (parser_.accepted() == 0 && !(empty && destination_.open)) return refuse_empty();
    if (access().draining()) return fail(Error(errc::draining, "the master is draining"));
    std::string members = import_members(parser_);
    commit(*upload_, parser_.rejected(), members,
           then_value<BatchView>(
               [this, members](const BatchView& view) { created(201, view.info.id, members); }));
  }

  void created(int status, const std::string& id, const std::string& members) {
    std::string body;
    json::Writer(body).begin_object().member("id", id);
    body += ',' + members + '}';
    HttpResponse response = json_response(status, std::move(body));
    response.headers.push_back({"Location", "/v1/batches/" + id});
    respond(std::move(response));
  }

  void refuse_empty() {
    Problem refusal =
        problem(400, parser_.rejected() == 0 ? "no target was given" : "every target was rejected");
    refusal.members = import_members(parser_);
    respond(refusal);
  }

  void fail(const Error& error) {
    upload_.reset();
    respond(error);
  }

  ImportParser parser_;
  Destination destination_;
  std::shared_ptr<OpenUpload> upload_;
  std::optional<UploadPlace> place_;  // until there is a response
  bool busy_ = false;                 // the store is opening or appending
  bool waiting_ = false;              // take() took less than it was given
  bool ended_ = false;
};

std::optional<ImportForm> form_of(std::string_view media_type) {
  if (media_type == "text/plain") return ImportForm::plain;
  if (media_type == "application/x-ndjson") return ImportForm::ndjson;
  if (media_type == "application/json") return ImportForm::json;
  return std::nullopt;
}

/// What stands in the query for every target.
SpecDefaults read_defaults(QueryReader& query, const ProbeKinds& kinds) {
  SpecDefaults defaults;
  ProbeOptions& options = defaults.options;
  options.priority = Priority::low;
  if (auto kind = query.text("kind")) {
    std::string known;
    for (const ProbeKind& each : kinds.all()) known += (known.empty() ? "" : ", ") + each.name;
    if (!kinds.find(*kind)) query.refuse("kind", "must be one of: " + known);
    options.kind = std::move(*kind);
  }
  const auto timeout =
      query.number("timeout_ms", 1, static_cast<std::uint64_t>(kTimeoutMax.count()));
  if (timeout) options.timeout = std::chrono::milliseconds(*timeout);
  const auto deadline = query.number(
      "deadline_ms", static_cast<std::uint64_t>((options.timeout + kDeadlineOverTimeout).count()),
      static_cast<std::uint64_t>(kDeadlineMax.count()));
  options.deadline = deadline ? std::chrono::milliseconds(*deadline) : kDeadlineDefault;
  if (const auto priority = query.word("priority", {"high", "normal", "low"})) {
    options.priority = *parse_priority(*priority);
  }
  if (const auto agents = query.text("agents")) {
    auto selector = parse_selector(*agents);
    if (selector) {
      defaults.agents = std::move(*selector);
    } else {
      query.refuse("agents", selector.error().message());
    }
  }
  return defaults;
}

/// A request that has no body, and says so.
bool has_no_body(const HttpRequest& request) {
  const std::string* const length = request.header("Content-Length");
  return !request.header("Transfer-Encoding") && (!length || *length == "0");
}

std::shared_ptr<Answer> import(const Arrival& arrival, QueryReader& query,
                               Destination destination) {
  SpecDefaults defaults = read_defaults(query, arrival.context.access.kinds());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  auto key = read_idempotency_key(arrival);
  if (!key) return arrival.refuse(problem(key.error()));

  const auto type = media_type_of(arrival.request);
  auto form = type ? form_of(*type) : std::nullopt;
  if (destination.open && has_no_body(arrival.request)) {
    form = ImportForm::plain;  // of nothing, every form is the same
  }
  if (!form) {
    return arrival.refuse(
        problem(415,
                "the Content-Type must be text/plain, application/x-ndjson or application/json, "
                "in UTF-8"));
  }
  // A repeat is answered all the same.
  if (!*key && arrival.context.access.draining()) {
    return arrival.refuse(problem(Error(errc::draining, "the master is draining")));
  }
  if (const auto refusal = UploadPlace::none_left(arrival.context)) return arrival.refuse(*refusal);
  auto answer = std::make_shared<ImportAnswer>(arrival, std::move(*key), *form, std::move(defaults),
                                               std::move(destination));
  answer->begin();
  return answer;
}

}  // namespace

std::shared_ptr<Answer> post_batch(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  Destination destination;
  destination.name = query.text("name").value_or("");
  if (destination.name.size() > kNameBytesMax) query.refuse("name", "longer than 256 bytes");
  destination.open = query.word("open", {"true", "false"}) == "true";
  return import(arrival, query, std::move(destination));
}

std::shared_ptr<Answer> post_targets(const Arrival& arrival) {
  Destination destination;
  destination.batch = arrival.context.access.store().find_batch(arrival.name);
  if (!destination.batch) return arrival.refuse(problem(404, "no such batch"));
  QueryReader query(arrival.request.query());
  return import(arrival, query, std::move(destination));
}

}  // namespace probekit::api
