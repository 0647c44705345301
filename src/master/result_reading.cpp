// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/result_reading.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <utility>

#include "json/json_cursor.hpp"
#include "master/await.hpp"
#include "master/master_core.hpp"
#include "probe/task_times.hpp"

namespace probekit {

// -- one asynchronous read ------------------------------------------------------------------------

/// Reads a page, and again whenever the batch moved, until there is something or time is up.
class PendingRead : public std::enable_shared_from_this<PendingRead> {
 public:
  using Done = std::function<void(Expected<ResultPage>)>;

  PendingRead(std::shared_ptr<MasterCore> core, ResultSource source, std::string after,
              std::size_t limit, Done done)
      : core_(std::move(core)),
        source_(std::move(source)),
        after_(std::move(after)),
        limit_(limit),
        done_(std::move(done)) {}

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
      await_moves(std::min(wait, kLongestTime));
    }
    read();
  }

  void close() { finish(closed_error()); }

 private:
  void await_moves(std::chrono::milliseconds wait) {
    MasterCore& core = *core_;
    const std::weak_ptr<PendingRead> weak = weak_from_this();
    const auto again = [weak] {
      if (const auto self = weak.lock()) self->read();
    };
    const std::uint64_t token =
        core.watches.watch(source_.watch, [&core, again] { core.post(again); });
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
    source_.read(after_, limit_, [self = shared_from_this()](Expected<ResultPage> page) {
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
  const ResultSource source_;
  const std::string after_;
  const std::size_t limit_;
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

void read_when_there(const std::shared_ptr<MasterCore>& core, ResultSource source,
                     std::string after, std::size_t limit, std::chrono::milliseconds wait,
                     std::function<void(Expected<ResultPage>)> done) {
  std::make_shared<PendingRead>(core, std::move(source), std::move(after),
                                std::clamp<std::size_t>(limit, 1, 10'000), std::move(done))
      ->start(wait);
}

// -- ResultRange ----------------------------------------------------------------------------------

namespace {

constexpr std::size_t kRangeLines = 1000;

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

  Impl(std::shared_ptr<MasterCore> given_core, ResultSource given_source)
      : core(std::move(given_core)),
        source(std::move(given_source)),
        bell(std::make_shared<Bell>()) {
    token = core->watches.watch(source.watch, [bell = bell] {
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
      auto read =
          await<ResultPage>([&](auto done) { source.read(cursor, kRangeLines, std::move(done)); });
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
  ResultSource source;
  std::shared_ptr<Bell> bell;
  std::uint64_t token = 0;
  std::string cursor;
  std::string page;
  std::size_t position = 0;
  bool last = false;  // the page at hand is the last one
  TaskResult current;
  std::optional<Error> error;
};

ResultRange ResultRange::over(std::shared_ptr<MasterCore> core, ResultSource source) {
  return ResultRange{std::make_unique<Impl>(std::move(core), std::move(source))};
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
