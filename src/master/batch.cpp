// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "json/json_cursor.hpp"
#include "master/await.hpp"
#include "master/master_core.hpp"
#include "master/upload.hpp"
#include "probekit/master.hpp"

namespace probekit {

// -- one asynchronous read ------------------------------------------------------------------------

/// Reads a page, and again whenever the batch moved, until there is something or time is up.
class PendingRead : public std::enable_shared_from_this<PendingRead> {
 public:
  using Done = std::function<void(Expected<ResultPage>)>;

  PendingRead(std::shared_ptr<MasterCore> core, ResultQuery query, Done done)
      : core_(std::move(core)), query_(std::move(query)), done_(std::move(done)) {}

  void start(std::chrono::milliseconds wait) {
    MasterCore& core = *core_;
    bool open = false;
    {
      const std::lock_guard<std::mutex> lock{core.reads_mutex};
      open = !core.reads_closed;
      if (open) core.reads.insert(shared_from_this());
    }
    if (!open) return close();
    if (wait.count() <= 0) {
      const std::lock_guard<std::mutex> lock{mutex_};
      last_ = true;
    } else {
      await_moves(std::min<std::chrono::milliseconds>(wait, kWaitMax));
    }
    read();
  }

  void close() { finish(closed_error()); }

 private:
  static constexpr std::chrono::hours kWaitMax{24 * 366};  // so that no sum of times overflows

  void await_moves(std::chrono::milliseconds wait) {
    MasterCore& core = *core_;
    const std::weak_ptr<PendingRead> weak = weak_from_this();
    const auto again = [weak] {
      if (const auto self = weak.lock()) self->read();
    };
    const std::uint64_t token =
        core.watches.watch(query_.batch, [&core, again] { core.post(again); });
    bool finished = false;
    {
      // The watch is live already, and stop() knows this read.
      const std::lock_guard<std::mutex> lock{mutex_};
      finished = finished_;
      if (!finished) token_ = token;
    }
    if (finished) return core.watches.unwatch(token);
    core.call_after(wait, [weak] {
      const auto self = weak.lock();
      if (!self) return;
      {
        const std::lock_guard<std::mutex> lock{self->mutex_};
        self->last_ = true;
      }
      self->read();
    });
  }

  void read() {
    {
      const std::lock_guard<std::mutex> lock{mutex_};
      if (finished_) return;
      if (reading_) {
        again_ = true;
        return;
      }
      reading_ = true;
      final_ = last_;
    }
    core_->store->results(query_, [self = shared_from_this()](Expected<ResultPage> page) {
      self->on_page(std::move(page));
    });
  }

  void on_page(Expected<ResultPage> page) {
    bool enough = !page || page->count > 0 || page->next.empty();
    bool again = false;
    {
      const std::lock_guard<std::mutex> lock{mutex_};
      reading_ = false;
      enough = enough || final_;
      again = std::exchange(again_, false);
    }
    if (enough) {
      finish(std::move(page));
    } else if (again) {
      // Not from here: a store may complete inside the call.
      core_->post([self = shared_from_this()] { self->read(); });
    }
  }

  void finish(Expected<ResultPage> page) {
    std::uint64_t token = 0;
    {
      const std::lock_guard<std::mutex> lock{mutex_};
      if (std::exchange(finished_, true)) return;
      token = std::exchange(token_, 0);
    }
    if (token != 0) core_->watches.unwatch(token);
    core_->notifier.answer(
        [done = std::move(done_), page = std::move(page)]() mutable { done(std::move(page)); });
    const std::lock_guard<std::mutex> lock{core_->reads_mutex};
    core_->reads.erase(shared_from_this());
  }

  const std::shared_ptr<MasterCore> core_;
  const ResultQuery query_;
  Done done_;

  std::mutex mutex_;
  std::uint64_t token_ = 0;  // under mutex_
  bool reading_ = false;     // under mutex_
  bool again_ = false;       // under mutex_: it moved while reading
  bool last_ = false;        // under mutex_: the next read answers, whatever it finds
  bool final_ = false;       // under mutex_: the read under way is that one
  bool finished_ = false;    // under mutex_
};

void MasterCore::close_reads() {
  std::unordered_set<std::shared_ptr<PendingRead>> open;
  {
    const std::lock_guard<std::mutex> lock{reads_mutex};
    reads_closed = true;
    open.swap(reads);
  }
  for (const auto& read : open) read->close();
}

// -- Batch ----------------------------------------------------------------------------------------

Batch::Batch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Batch::id() const noexcept { return impl_->id; }

Expected<BatchSnapshot> Batch::info() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->batch(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

Ledger Batch::ledger() const {
  const auto view = info();
  return view ? view->ledger : Ledger{};
}

Expected<BatchSnapshot> Batch::cancel() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->cancel(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

Expected<std::uint64_t> Batch::add(const BatchRequest& request) const {
  auto upload = extend(request);
  if (!upload) return upload.error();
  const auto filled = upload->impl_->fill(request);
  if (!filled) return filled.error();
  const auto committed = upload->commit(0);
  if (!committed) return committed.error();
  return upload->accepted();
}

Expected<Upload> Batch::extend(const BatchRequest& request) const {
  auto inside = Upload::Impl::start(impl_->core, request, impl_->batch);
  if (!inside) return inside.error();
  return Upload{std::move(*inside)};
}

Expected<BatchSnapshot> Batch::close() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->close_batch(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

void Batch::read_results(std::string after, std::size_t limit, std::chrono::milliseconds wait,
                         std::function<void(Expected<ResultPage>)> done) const {
  ResultQuery query;
  query.batch = impl_->batch;
  query.after = std::move(after);
  query.limit = std::clamp<std::size_t>(limit, 1, 10'000);
  std::make_shared<PendingRead>(impl_->core, std::move(query), std::move(done))->start(wait);
}

// -- ResultRange ----------------------------------------------------------------------------------

namespace {

/// What stands for a line that cannot be read, with what can still be told of its task: the lines
/// behind it are none the worse.
TaskResult unreadable(std::string_view line, const Error& fault) {
  TaskResult result;
  static_cast<ProbeResult&>(result) =
      failed_result(FailureKind::internal, "its line cannot be read: " + fault.message());
  json::Cursor cursor{line};
  std::string_view key;
  for (cursor.enter_object(); cursor.next_member(key);) {
    std::string* const text = key == "task"     ? &result.task
                              : key == "batch"  ? &result.batch
                              : key == "agent"  ? &result.agent
                              : key == "kind"   ? &result.kind
                              : key == "target" ? &result.target
                                                : nullptr;
    text != nullptr ? cursor.read_string(*text, line.size()) : cursor.skip();
  }
  return result;
}

}  // namespace

struct ResultRange::Impl {
  // Shared with the watcher, which only rings.
  struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
    bool moved = false;
  };

  Impl(std::shared_ptr<MasterCore> given_core, BatchId given_batch)
      : core(std::move(given_core)), batch(given_batch), bell(std::make_shared<Bell>()) {
    token = core->watches.watch(batch, [bell = bell] {
      const std::lock_guard<std::mutex> lock{bell->mutex};
      bell->moved = true;
      bell->rung.notify_all();
    });
  }
  ~Impl() { core->watches.unwatch(token); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Blocks until there is a page with lines; false at the end.
  bool fetch() {
    while (!last) {
      {
        const std::lock_guard<std::mutex> lock{bell->mutex};
        bell->moved = false;
      }
      ResultQuery query;
      query.batch = batch;
      query.after = cursor;
      auto read = await<ResultPage>(
          [&](auto done) { core->store->results(std::move(query), std::move(done)); });
      if (!read) return fail(read.error());
      last = read->next.empty();
      if (!last) cursor = read->next;
      if (read->count > 0) {
        page = std::move(read->lines);
        position = 0;
        return true;
      }
      if (last) return false;
      std::unique_lock<std::mutex> lock{bell->mutex};
      bell->rung.wait(lock, [&] { return bell->moved || core->stopped.load(); });
      if (!bell->moved) return fail(closed_error());
    }
    return false;
  }

  bool advance() {
    if (error) return false;
    if (position >= page.size() && !fetch()) return false;
    std::size_t end = page.find('\n', position);
    if (end == std::string::npos) end = page.size();
    const std::size_t begin = position;
    auto line = parse_result_line(std::string_view{page}.substr(begin, end - begin));
    position = end + 1;
    current = line ? std::move(*line)
                   : unreadable(std::string_view{page}.substr(begin, end - begin), line.error());
    return true;
  }

  bool fail(Error why) {
    error = std::move(why);
    return false;
  }

  std::shared_ptr<MasterCore> core;
  BatchId batch;
  std::shared_ptr<Bell> bell;
  std::uint64_t token = 0;
  std::string cursor;
  std::string page;
  std::size_t position = 0;
  bool last = false;  // the page at hand is the last one
  TaskResult current;
  std::optional<Error> error;
};

ResultRange Batch::results() const {
  return ResultRange{std::make_unique<ResultRange::Impl>(impl_->core, impl_->batch)};
}

ResultRange::ResultRange(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResultRange::~ResultRange() = default;
ResultRange::ResultRange(ResultRange&&) noexcept = default;
ResultRange& ResultRange::operator=(ResultRange&&) noexcept = default;

ResultRange::iterator ResultRange::begin() { return advance() ? iterator{this} : iterator{}; }
bool ResultRange::advance() { return impl_->advance(); }
const TaskResult& ResultRange::current() const noexcept { return impl_->current; }
const std::optional<Error>& ResultRange::error() const noexcept { return impl_->error; }

}  // namespace probekit
