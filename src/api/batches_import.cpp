// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// POST /v1/batches. Bytes are parsed as they arrive, a slice of tasks is in the store's hands
// while the next one fills, and when both are full the client waits. Nothing counts before the
// commit, and an Answer that goes without one abandons its upload.
//
// Memory of one import: what the connection buffers, one line, two slices of tasks and the first
// errors, under 2 MiB; the JSON form with "targets" before "defaults" up to 64 MiB more.

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/answers.hpp"
#include "api/import_parser.hpp"
#include "api/json_views.hpp"
#include "api/media_type.hpp"
#include "api/query.hpp"
#include "probe/task_times.hpp"

namespace probekit::api {
namespace {

constexpr std::size_t kNameBytesMax = 256;
constexpr std::chrono::milliseconds kDeadlineDefault = std::chrono::hours(24);

class ImportAnswer final : public ApiAnswer {
 public:
  ImportAnswer(ApiContext& context, Exchange& exchange, ImportForm form, SpecDefaults defaults,
               std::string name)
      : ApiAnswer(context, exchange),
        parser_(form, std::move(defaults), context.access.kinds(), context.options.line_bytes_max,
                [&access = context.access](const Selector& agents, const std::string& kind) {
                  return access.resolve(agents, kind);
                }),
        name_(std::move(name)) {
    ++context.uploads;
  }
  ~ImportAnswer() override { --context().uploads; }

  std::size_t on_body(std::string_view bytes) override {
    std::size_t taken = parser_.feed(bytes);
    while (taken < bytes.size() && flush()) taken += parser_.feed(bytes.substr(taken));
    if (parser_.fault()) fail(*parser_.fault());
    waiting_ = taken < bytes.size();
    return taken;
  }

  void on_body_end() override {
    ended_ = true;
    proceed();
  }

 private:
  /// Hands the slice over; false when it must wait for the one before.
  bool flush() {
    if (busy_) return false;
    busy_ = true;
    if (!upload_) {
      NewBatch batch;
      batch.name = name_;
      batch.origin = BatchOrigin::import;
      store().open_upload(
          batch,
          OpenUpload::into(store(), then<std::shared_ptr<OpenUpload>>(
                                        [this](Expected<std::shared_ptr<OpenUpload>> opened) {
                                          on_opened(std::move(opened));
                                        })));
      return false;
    }
    const std::vector<NewTask> tasks = parser_.slice().tasks();
    store().append(upload_->token(), tasks, then<std::uint64_t>([this](Expected<std::uint64_t> r) {
                     busy_ = false;
                     if (!r) return fail(r.error());
                     go_on();
                   }));
    parser_.slice().clear();
    return true;
  }

  void on_opened(Expected<std::shared_ptr<OpenUpload>> opened) {
    busy_ = false;
    if (!opened) return fail(opened.error());
    upload_ = std::move(*opened);
    go_on();
  }

  void go_on() {
    if (responded()) return;
    if (ended_) return proceed();
    if (!waiting_) return;
    if (parser_.slice().full()) flush();
    waiting_ = false;
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
    if (parser_.accepted() == 0) return refuse_empty();
    if (access().draining()) return fail(Error(errc::draining, "the master is draining"));
    upload_->release();
    store().commit_upload(upload_->token(), parser_.rejected(),
                          then_value<BatchView>([this](const BatchView& view) { finish(view); }));
  }

  void finish(const BatchView& view) {
    std::string body;
    json::Writer(body).begin_object().member("id", view.info.id);
    body += ',' + import_members(parser_) + '}';
    HttpResponse response = json_response(201, std::move(body));
    response.headers.push_back({"Location", "/v1/batches/" + view.info.id});
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
  std::string name_;
  std::shared_ptr<OpenUpload> upload_;
  bool busy_ = false;     // the store is opening or appending
  bool waiting_ = false;  // on_body() took less than it was given
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

}  // namespace

std::shared_ptr<Answer> post_batch(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  SpecDefaults defaults = read_defaults(query, arrival.context.access.kinds());
  std::string name = query.text("name").value_or("");
  if (name.size() > kNameBytesMax) query.refuse("name", "longer than 256 bytes");
  if (const auto open = query.word("open", {"true", "false"}); open && *open == "true") {
    return arrival.refuse(unsupported("open=true"));
  }
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));

  const auto type = media_type_of(arrival.request);
  const auto form = type ? form_of(*type) : std::nullopt;
  if (!form) {
    return arrival.refuse(
        problem(415,
                "the Content-Type must be text/plain, application/x-ndjson or application/json, "
                "in UTF-8"));
  }
  if (arrival.context.access.draining()) {
    return arrival.refuse(problem(Error(errc::draining, "the master is draining")));
  }
  if (arrival.context.uploads >= arrival.context.options.uploads_max) {
    return arrival.refuse(problem(
        Error(errc::limit_reached, std::to_string(arrival.context.options.uploads_max) +
                                       " uploads are running already; try again when one ended")));
  }
  return std::make_shared<ImportAnswer>(arrival.context, arrival.exchange, *form,
                                        std::move(defaults), std::move(name));
}

}  // namespace probekit::api
