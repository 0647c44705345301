// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/planted.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "protocol/codec.hpp"
#include "simulation/world/forwarding_store.hpp"

namespace probekit::simulation {

namespace {

using protocol::Message;

struct Kind {
  Planted planted;
  std::string_view name;
  std::string_view what;
};
constexpr Kind kKinds[] = {
    {Planted::ack_lost, "ack_lost", "the master never says what it has committed"},
    {Planted::ack_ahead, "ack_ahead", "the store says that results are committed before they are"},
    {Planted::completion_lost, "completion_lost",
     "now and then the store never says that results are committed"},
    {Planted::return_forgotten, "return_forgotten", "a task that comes back is not queued again"},
    {Planted::loss_forgotten, "loss_forgotten", "the store does not hear that a session was lost"},
    {Planted::give_back_dropped, "give_back_dropped",
     "tasks that were leased and never sent are not given back"},
    {Planted::ticks_forgotten, "ticks_forgotten", "nothing happens because of time alone"},
    {Planted::recorded_twice, "recorded_twice", "a result that comes twice gets two lines"},
    {Planted::late_result_recorded, "late_result_recorded",
     "a result of a task that has ended without one gets a line, too"},
    {Planted::reasons_mixed_up, "reasons_mixed_up",
     "a task that expired says `deadline` for `no_agent`, and the other way round"},
    {Planted::credit_doubled, "credit_doubled", "the agent grants its room twice"},
    {Planted::held_forgotten, "held_forgotten", "a resuming agent does not list one of its tasks"},
    {Planted::window_overdrawn, "window_overdrawn",
     "the agent is told a larger window of results than the master keeps to"},
    {Planted::cancel_misdirected, "cancel_misdirected", "a cancel goes to another agent"},
    {Planted::tasks_lost, "tasks_lost",
     "a message of tasks is not sent, and counted as if it were"},
    {Planted::tasks_repeated, "tasks_repeated", "a message of tasks is sent twice"},
    {Planted::late_start, "late_start", "the agent believes it has a second longer than it has"},
    {Planted::reading_waits, "reading_waits", "probes run in the thread that reads"},
    {Planted::sync_forgotten, "sync_forgotten",
     "the disk of SQLite says that it has what it does not have"},
};

std::string text_of(const Message& message) {
  std::string text;
  protocol::encode(message, text);
  return text;
}

using Sent = std::vector<std::string>;

Sent only(std::string text) {
  Sent sent;
  sent.push_back(std::move(text));
  return sent;
}

/// Changes a decoded message; false: it is not sent.
template <class One, class Change>
Sent changed(std::string text, Change change) {
  auto message = protocol::decode(text);
  auto* const one = message ? std::get_if<One>(&*message) : nullptr;
  if (one == nullptr) return only(std::move(text));
  if (!change(*one)) return {};
  return only(text_of(*message));
}

Sent lose_ack(std::string text) {
  auto message = protocol::decode(text);
  if (!message) return only(std::move(text));
  if (std::holds_alternative<protocol::Ack>(*message)) return {};
  if (auto* const beat = std::get_if<protocol::Heartbeat>(&*message)) {
    beat->ack.reset();
    return only(text_of(*message));
  }
  return only(std::move(text));
}

Sent double_credit(std::string text) {
  auto message = protocol::decode(text);
  if (!message) return only(std::move(text));
  auto* credit = std::get_if<protocol::Credit>(&*message);
  auto* const beat = std::get_if<protocol::Heartbeat>(&*message);
  if (beat != nullptr && beat->credit) credit = &*beat->credit;
  if (credit == nullptr) return only(std::move(text));
  credit->high *= 2;
  credit->other *= 2;
  return only(text_of(*message));
}

Sent widen_window(std::string text) {
  auto message = protocol::decode(text);
  if (!message) return only(std::move(text));
  if (auto* const welcome = std::get_if<protocol::Welcome>(&*message)) welcome->results_bytes *= 16;
  auto* const beat = std::get_if<protocol::Heartbeat>(&*message);
  if (beat != nullptr && beat->results_bytes) *beat->results_bytes *= 16;
  return only(text_of(*message));
}

/// Leaves the first task out of what is held.
struct ForgetHeld {
  std::map<std::uint64_t, bool> forgets = {};  // by connection: hello has said one less

  Sent operator()(const Tap::Line& line, std::string text) {
    auto message = protocol::decode(text);
    if (!message) return only(std::move(text));
    if (auto* const hello = std::get_if<protocol::Hello>(&*message)) {
      if (hello->holds == 0) return only(std::move(text));
      --hello->holds;
      forgets[line.connection] = true;
      return only(text_of(*message));
    }
    auto* const held = std::get_if<protocol::Held>(&*message);
    if (held == nullptr || !std::exchange(forgets[line.connection], false))
      return only(std::move(text));
    held->tasks.erase(held->tasks.begin());
    if (held->tasks.empty()) return {};
    return only(text_of(*message));
  }
};

/// Sends what is meant for one agent to the next one that is sent anything.
struct MisdirectCancel {
  std::optional<std::pair<std::uint64_t, std::string>> taken = {};

  Sent operator()(const Tap::Line& line, std::string text) {
    if (text.rfind("{\"type\":\"cancel\"", 0) == 0 && !taken) {
      taken.emplace(line.connection, std::move(text));
      return {};
    }
    const bool welcome = text.rfind("{\"type\":\"welcome\"", 0) == 0;
    Sent sent = only(std::move(text));
    if (taken && taken->first != line.connection && !welcome) {
      sent.push_back(std::move(taken->second));
      taken.reset();
    }
    return sent;
  }
};

bool is_tasks(const std::string& text) { return text.rfind("{\"type\":\"tasks\"", 0) == 0; }

/// Has the mistakes of what it does.
class MistakenStore final : public ForwardingStore {
 public:
  MistakenStore(Planted planted, std::shared_ptr<TaskStore> store)
      : ForwardingStore(std::move(store)), planted_(planted) {}

  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    if (planted_ == Planted::return_forgotten) {
      reports.erase(std::remove_if(
                        reports.begin(), reports.end(),
                        [](const TaskReport& one) { return one.kind != TaskReport::Kind::result; }),
                    reports.end());
    }
    if (planted_ == Planted::recorded_twice || planted_ == Planted::late_result_recorded) {
      for (const TaskReport& one : reports) {
        if (one.kind == TaskReport::Kind::result) record_again(one);
      }
    }
    inner().record(session, std::move(reports), std::move(done));
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    if (planted_ == Planted::give_back_dropped) return done(std::uint64_t{0});
    inner().give_back(session, std::move(tasks), std::move(done));
  }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    if (planted_ == Planted::loss_forgotten) return done(std::uint64_t{0});
    inner().lose_session(loss, std::move(done));
  }
  void tick(Completion<StoreTick> done) override {
    if (planted_ == Planted::ticks_forgotten) return done(StoreTick{});
    inner().tick(std::move(done));
  }
  void batch(BatchId id, Completion<BatchView> done) override {
    inner().batch(id, [this, id, done = std::move(done)](Expected<BatchView> view) {
      if (view) view->info.ledger = with_second_ends(id, view->info.ledger);
      done(std::move(view));
    });
  }
  void facts(Completion<StoreFacts> done) override {
    inner().facts([this, done = std::move(done)](Expected<StoreFacts> facts) {
      if (facts) {
        for (const auto& one : second_lines_) {
          const Ledger plain = ledger_of(BatchId{one.first});
          const Ledger moved = with_second_ends(BatchId{one.first}, plain);
          facts->ledger.done += moved.done - plain.done;
          facts->ledger.passed += moved.passed - plain.passed;
          facts->ledger.in_flight -= plain.in_flight - moved.in_flight;
          facts->ledger.queued -= plain.queued - moved.queued;
        }
      }
      done(std::move(facts));
    });
  }
  /// Second lines come before the others that are still to be read. A cursor is the store's own,
  /// and after a plus how many of them were read.
  void results(ResultQuery query, Completion<ResultPage> done) override {
    if (planted_ == Planted::reasons_mixed_up) {
      return inner().results(std::move(query), [&](Expected<ResultPage> page) {
        if (page) page->lines = with_reasons_mixed_up(page->lines);
        done(std::move(page));
      });
    }
    const auto found = second_lines_.find(query.batch.value);
    if (found == second_lines_.end()) return inner().results(std::move(query), std::move(done));
    const std::vector<std::string>& seconds = found->second;
    const auto plus = query.after.find('+');
    std::size_t read = 0;
    if (plus != std::string::npos) {
      read = std::stoul(query.after.substr(plus + 1));
      query.after.resize(plus);
    }
    ResultPage page;
    for (; read < seconds.size() && page.count < query.limit && page.lines.size() < query.bytes_max;
         ++read, ++page.count)
      page.lines += seconds[read];
    const std::string mark = '+' + std::to_string(read);
    page.next = query.after + mark;
    query.limit -= page.count;
    query.bytes_max -= std::min(query.bytes_max, page.lines.size());
    if (query.limit == 0 || query.bytes_max == 0) return done(std::move(page));
    inner().results(std::move(query), [&](Expected<ResultPage> rest) {
      if (!rest) return done(std::move(rest));
      rest->lines.insert(0, page.lines);
      rest->count += page.count;
      if (!rest->next.empty()) rest->next += mark;
      done(std::move(rest));
    });
  }

 private:
  static std::string with_reasons_mixed_up(std::string_view lines) {
    constexpr std::string_view kReason = "\"reason\":\"";
    constexpr std::string_view kDeadline = "deadline\"";
    constexpr std::string_view kNoAgent = "no_agent\"";
    static_assert(kDeadline.size() == kNoAgent.size());
    std::string text;
    for (auto at = lines.find(kReason); at != std::string_view::npos; at = lines.find(kReason)) {
      text += lines.substr(0, at + kReason.size());
      lines.remove_prefix(at + kReason.size());
      if (lines.rfind(kDeadline, 0) != 0 && lines.rfind(kNoAgent, 0) != 0) continue;
      text += lines.rfind(kDeadline, 0) == 0 ? kNoAgent : kDeadline;
      lines.remove_prefix(kDeadline.size());
    }
    return text.append(lines);
  }

  // Of runs of a schedule: none, they have lines elsewhere.
  Ledger ledger_of(BatchId id) {
    Ledger ledger;
    inner().batch(id, [&ledger](const Expected<BatchView>& view) {
      if (view && view->origin != BatchOrigin::schedule) ledger = view->info.ledger;
    });
    return ledger;
  }

  // Each task that ends a second time is counted in place of one that has not ended, while there is
  // one: terms close.
  Ledger with_second_ends(BatchId id, Ledger ledger) const {
    const auto found = second_lines_.find(id.value);
    std::size_t left = found == second_lines_.end() ? 0 : found->second.size();
    for (; left > 0 && ledger.in_flight + ledger.queued > 0; --left) {
      --(ledger.in_flight > 0 ? ledger.in_flight : ledger.queued);
      ++ledger.done;
      ++ledger.passed;
    }
    return ledger;
  }

  void record_again(const TaskReport& report) {
    const BatchId id = report.task.batch();
    const bool late = planted_ == Planted::late_result_recorded;
    std::string line = line_of(report.task, late ? "expired" : "done");
    if (late && line.empty()) line = line_of(report.task, "cancelled");
    if (line.empty()) return;
    const auto task = line.find("\"task\":");
    second_lines_[id.value].push_back(late ? "{\"state\":\"done\"," +
                                                 line.substr(task, line.find(',', task) - task) +
                                                 ',' + report.fields + "}\n"
                                           : line);
  }

  /// With its line end; empty: it has no line of that state.
  std::string line_of(TaskId task, const std::string& state) {
    std::string found;
    inner().results({task.batch(), {}, 1000, 1 << 24, {}}, [&](const Expected<ResultPage>& page) {
      if (!page) return;
      const std::string task_end = "-" + std::to_string(task.index()) + "\",";
      const std::string begin = "{\"state\":\"" + state + "\"";
      std::string_view rest = page->lines;
      while (!rest.empty() && found.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n') + 1);
        if (line.rfind(begin, 0) == 0 && line.find(task_end) != std::string_view::npos)
          found = line;
        rest.remove_prefix(line.size());
      }
    });
    return found;
  }

  const Planted planted_;
  std::map<std::uint32_t, std::vector<std::string>> second_lines_;  // by batch
};

/// Has the mistakes of what it says.
class RashStore final : public ForwardingStore {
 public:
  RashStore(Planted planted, World& world, Machine& master, std::shared_ptr<TaskStore> store)
      : ForwardingStore(std::move(store)), planted_(planted), world_(world), master_(master) {}

  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    if (planted_ == Planted::completion_lost && world_.chance().one_in(8)) {
      return inner().record(session, std::move(reports), [](auto) {});
    }
    if (planted_ != Planted::ack_ahead)
      return inner().record(session, std::move(reports), std::move(done));
    world_.at(world_.now() + milliseconds{20}, master_,
              [this, session, reports = std::move(reports)]() mutable {
                inner().record(session, std::move(reports), [](auto) {});
              });
    done(RecordReply{});
  }

 private:
  const Planted planted_;
  World& world_;
  Machine& master_;
};

}  // namespace

const std::vector<Planted>& all_planted() {
  static const std::vector<Planted> all = [] {
    std::vector<Planted> made;
    for (const Kind& kind : kKinds) made.push_back(kind.planted);
    return made;
  }();
  return all;
}

std::string_view to_string(Planted planted) noexcept {
  for (const Kind& kind : kKinds) {
    if (kind.planted == planted) return kind.name;
  }
  return "none";
}

std::string_view what_is(Planted planted) noexcept {
  for (const Kind& kind : kKinds) {
    if (kind.planted == planted) return kind.what;
  }
  return "nothing is wrong";
}

std::optional<Planted> parse_planted(std::string_view text) noexcept {
  for (const Kind& kind : kKinds) {
    if (kind.name == text) return kind.planted;
  }
  return std::nullopt;
}

std::function<Sent(const Tap::Line&, std::string)> tamperer_for(Planted planted, World& world) {
  using Line = Tap::Line;
  // Of one side only.
  const auto by = [](bool master, std::function<Sent(const Line&, std::string)> change) {
    return [master, change = std::move(change)](const Line& line, std::string text) {
      return line.by_master == master ? change(line, std::move(text)) : only(std::move(text));
    };
  };
  switch (planted) {
    case Planted::ack_lost:
      return by(true, [](const Line&, std::string text) { return lose_ack(std::move(text)); });
    case Planted::credit_doubled:
      return by(false,
                [](const Line&, std::string text) { return double_credit(std::move(text)); });
    case Planted::window_overdrawn:
      return by(true, [](const Line&, std::string text) { return widen_window(std::move(text)); });
    case Planted::held_forgotten:
      return by(false, ForgetHeld{});
    case Planted::cancel_misdirected:
      return by(true, MisdirectCancel{});
    case Planted::tasks_lost:
      return by(true, [&world](const Line&, std::string text) {
        return is_tasks(text) && world.chance().one_in(4) ? Sent{} : only(std::move(text));
      });
    case Planted::tasks_repeated:
      return by(true, [&world](const Line&, std::string text) {
        Sent sent = only(std::move(text));
        if (is_tasks(sent.front()) && world.chance().one_in(4)) sent.push_back(sent.front());
        return sent;
      });
    case Planted::late_start:
      return by(true, [](const Line&, std::string text) {
        return changed<protocol::Tasks>(std::move(text), [](protocol::Tasks& tasks) {
          for (auto& item : tasks.tasks) item.left += milliseconds{1000};
          return true;
        });
      });
    default:
      return nullptr;
  }
}

std::shared_ptr<TaskStore> with_mistake(Planted planted, std::shared_ptr<TaskStore> store) {
  switch (planted) {
    case Planted::return_forgotten:
    case Planted::loss_forgotten:
    case Planted::give_back_dropped:
    case Planted::ticks_forgotten:
    case Planted::recorded_twice:
    case Planted::late_result_recorded:
    case Planted::reasons_mixed_up:
      return std::make_shared<MistakenStore>(planted, std::move(store));
    default:
      return store;
  }
}

std::shared_ptr<TaskStore> with_mistake_of_answers(Planted planted, World& world, Machine& master,
                                                   std::shared_ptr<TaskStore> store) {
  if (planted != Planted::ack_ahead && planted != Planted::completion_lost) return store;
  return std::make_shared<RashStore>(planted, world, master, std::move(store));
}

}  // namespace probekit::simulation
