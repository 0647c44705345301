// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/judge.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <unordered_set>

namespace probekit::simulation {

namespace {

using protocol::Message;

/// As the store's.
constexpr Time kAgentAwayMax = std::chrono::minutes{5};

std::string text_of(TaskId id) {
  return std::to_string(id.batch().value) + "-" + std::to_string(id.index());
}

std::string text_of(const Ledger& ledger) {
  std::ostringstream out;
  out << ledger << " [queued " << ledger.queued << ", in flight " << ledger.in_flight << "]";
  return out.str();
}

// The value of a member that is a string without escapes.
std::string_view member(std::string_view line, std::string_view name) {
  const std::string key = '"' + std::string{name} + "\":\"";
  const auto at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find('"'));
}

}  // namespace

// -- the store ------------------------------------------------------------------------------------

/// Sees each call as the store acts on it.
class Judge::Witness final : public ForwardingStore {
 public:
  Witness(Judge& judge, std::shared_ptr<TaskStore> store)
      : ForwardingStore(std::move(store)), judge_(judge) {}

  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override {
    judge_.dirty_ = true;
    inner().commit_upload(upload, rejected, std::move(answer),
                          [this, upload, done = std::move(done)](Expected<BatchView> made) {
                            if (made)
                              judge_.accept(judge_.uploads_[upload], *made, judge_.world_.now(),
                                            judge_.clock->system_now());
                            done(std::move(made));
                          });
  }
  void open_session(NewSession session, Completion<SessionOpened> done) override {
    judge_.dirty_ = judge_.sessions_moved_ = true;
    inner().open_session(session,
                         [this, session, done = std::move(done)](Expected<SessionOpened> opened) {
                           if (opened) judge_.living_[opened->session] = session;
                           done(std::move(opened));
                         });
  }
  void resume(ResumeRequest request, Completion<ResumeReply> done) override {
    judge_.dirty_ = judge_.sessions_moved_ = true;
    inner().resume(request, [this, session = request.session, previous = request.previous,
                             done = std::move(done)](Expected<ResumeReply> reply) {
      if (reply) {
        judge_.living_.erase(previous);
        judge_.left_behind_.erase(previous);
        for (const TaskId id : reply->wanted)
          if (TaskView* const view = judge_.task(id)) hold(*view, session);
      }
      done(std::move(reply));
    });
  }
  void lease(LeaseRequest request, Completion<LeaseReply> done) override {
    judge_.dirty_ = true;
    const SessionId session = request.session;
    const std::size_t count = request.count;
    inner().lease(std::move(request),
                  [this, session, count, done = std::move(done)](Expected<LeaseReply> reply) {
                    judge_.world_.trace([&] { return describe_lease(session, count, reply); });
                    if (reply) {
                      for (const LeasedTask& one : reply->tasks) take(session, one);
                    }
                    done(std::move(reply));
                  });
  }
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    judge_.dirty_ = true;
    for (const TaskReport& report : reports) {
      TaskView* const view = judge_.task(report.task);
      if (view != nullptr && view->holder == session) view->holder = 0;
    }
    const std::size_t count = reports.size();
    inner().record(session, std::move(reports),
                   [this, session, count, done = std::move(done)](Expected<RecordReply> reply) {
                     if (reply) judge_.committed_[session] += count;
                     done(std::move(reply));
                   });
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    judge_.dirty_ = true;
    for (const TaskId id : tasks) {
      TaskView* const view = judge_.task(id);
      if (view != nullptr && view->holder == session) view->holder = 0;
    }
    inner().give_back(session, std::move(tasks), std::move(done));
  }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    judge_.dirty_ = judge_.sessions_moved_ = true;
    judge_.living_.erase(loss.session);
    judge_.left_behind_.erase(loss.session);
    inner().lose_session(loss, std::move(done));
  }
  void tick(Completion<StoreTick> done) override {
    judge_.dirty_ = true;
    inner().tick(std::move(done));
  }
  void cancel(BatchId id, Completion<BatchView> done) override {
    judge_.dirty_ = true;
    const auto book = judge_.books_.find(id.value);
    if (book != judge_.books_.end()) book->second.cancelled = true;
    inner().cancel(id, std::move(done));
  }

  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override {
    judge_.dirty_ = true;
    inner().put_schedule(name, std::move(spec),
                         [this, name, done = std::move(done)](Expected<SchedulePut> put) {
                           if (put) judge_.schedules_[name].schedule = name;
                           done(std::move(put));
                         });
  }
  void close_batch(BatchId batch, Completion<BatchView> done) override {
    judge_.dirty_ = true;
    inner().close_batch(batch, std::move(done));
  }

 private:
  static std::string describe_lease(SessionId session, std::size_t count,
                                    const Expected<LeaseReply>& reply) {
    std::string text =
        "lease of " + std::to_string(count) + " to session " + std::to_string(session) + ':';
    if (!reply) return text + ' ' + reply.error().message();
    for (const LeasedTask& one : reply->tasks)
      text += ' ' + text_of(one.task) + '/' + std::to_string(one.attempt);
    for (const LaneId lane : reply->empty) text += ", lane " + std::to_string(lane) + " is empty";
    for (const LaneId lane : reply->unfit) text += ", lane " + std::to_string(lane) + " is unfit";
    return text;
  }

  void take(SessionId session, const LeasedTask& one) {
    if (!judge_.schedules_.empty() && judge_.books_.count(one.task.batch().value) == 0)
      judge_.tasks_[one.task].of_schedule = true;
    TaskView* const view = judge_.task(one.task);
    if (view == nullptr) return judge_.fail("leased a task nobody gave: " + text_of(one.task));
    if (view->has_line) judge_.fail("leased a task that has ended: " + text_of(one.task));
    if (view->holder != 0 && judge_.living_.count(view->holder) > 0)
      judge_.fail("leased " + text_of(one.task) + " to session " + std::to_string(session) +
                  " while session " + std::to_string(view->holder) + " has it");
    hold(*view, session);
  }

  static void hold(TaskView& view, SessionId session) {
    view.holder = session;
    view.lost_unseen = false;
  }

  Judge& judge_;
};

Judge::Judge(World& world) : world_(world) {}
Judge::~Judge() = default;

std::shared_ptr<TaskStore> Judge::watch(std::shared_ptr<TaskStore> store) {
  return std::make_shared<Witness>(*this, std::move(store));
}

void Judge::expect_batch(std::uint64_t upload, const std::string& name, BatchTerms terms) {
  uploads_[upload] = {name, terms};
  asked_[name] = terms;
}

std::optional<BatchId> Judge::batch_named(const std::string& name) const {
  for (const auto& [id, book] : books_) {
    if (book.name == name) return BatchId{id};
  }
  return std::nullopt;
}

void Judge::accept(const Asked& asked, const BatchView& view, Time when, SystemTime wall) {
  Book& book = books_[view.id.value];
  book.name = asked.name;
  book.last_asked = asked.terms.last;
  TaskView fresh;
  fresh.terms = asked.terms;
  fresh.accepted_at = when;
  fresh.accepted_wall = wall;
  const std::uint64_t tasks = view.info.ledger.accepted;
  if (tasks < book.tasks) return fail("a batch lost tasks it had");
  accepted_ += tasks - book.tasks;
  for (; book.tasks < tasks; ++book.tasks)
    tasks_[TaskId::of(view.id, static_cast<std::uint32_t>(book.tasks))] = fresh;
  world_.trace([&] {
    return "accepted batch " + std::to_string(view.id.value) + " of " + std::to_string(tasks);
  });
}

void Judge::read_from(std::shared_ptr<TaskStore> store) {
  reading_ = std::move(store);
  dirty_ = reading_ != nullptr;
  if (!reading_) return;
  if (std::exchange(closed_, false)) adopt();
  check();  // what had ended before, by the deadlines of then
  opened_at_ = world_.now();
  for (auto& one : tasks_)
    one.second.accepted_at = opened_at_ + (one.second.accepted_wall - clock->system_now());
}

void Judge::store_closed() {
  closed_ = true;
  closed_at_ = world_.now();
  closed_wall_ = clock->system_now();
  left_behind_.clear();
}

void Judge::master_crashed() {
  master_ended();
  store_closed();
  // It may have leased what it told nobody of, and then nobody had it in hand when it counts as
  // lost.
  for (auto& one : tasks_) ++one.second.handed;
}

// What the store took and could not answer for any more.
void Judge::adopt() {
  BatchList batches;
  reading_->batches({{}, 1000}, [&](const Expected<BatchList>& list) {
    if (!list) return fail("the store does not list its batches: " + list.error().message());
    batches = *list;
  });
  for (const BatchSnapshot& one : batches.items) {
    const auto asked = asked_.find(one.name);
    const auto id = reading_->find_batch(one.id);
    if (asked == asked_.end() || !id) return fail("a batch nobody asked for: " + one.name);
    reading_->batch(*id, [&](const Expected<BatchView>& view) {
      if (view && view->info.ledger.accepted != books_[id->value].tasks)
        accept({asked->first, asked->second}, *view, closed_at_, closed_wall_);
    });
  }
  reading_->schedules({}, 1000, [this](const Expected<ScheduleList>& list) {
    if (!list) return fail("the store does not list its schedules: " + list.error().message());
    for (const ScheduleView& one : list->items) schedules_[one.name].schedule = one.name;
  });
}

void Judge::store_lost() {
  reading_.reset();
  uploads_.clear();
  asked_.clear();
  books_.clear();
  schedules_.clear();
  tasks_.clear();
  accepted_ = 0;
  dirty_ = false;
  master_ended();
  left_behind_.clear();
}

void Judge::master_ended() {
  committed_.clear();
  left_behind_.merge(living_);
  living_.clear();
  sessions_moved_ = true;
  // That a task came back may be gone with it.
  for (auto& one : tasks_) one.second.lost_unseen = true;
}

Judge::TaskView* Judge::task(TaskId id) {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second;
}

// -- the agents -----------------------------------------------------------------------------------

void Judge::agent_began(Machine& machine, SimulatedProbing& probing) {
  AgentView& view = agents_[&machine];
  view = {};
  view.probing = &probing;
  probing.on_result = [this, &machine](TaskId id, bool wanted) {
    if (wanted) agents_[&machine].kept.insert(id);
    if (TaskView* const one = task(id)) one->has_run = true;
  };
}

void Judge::agent_ended(Machine& machine) { agents_.erase(&machine); }

// -- the wire -------------------------------------------------------------------------------------

std::vector<std::string> Judge::tamper(const Line& line, std::string message) {
  if (tamperer) return tamperer(line, std::move(message));
  std::vector<std::string> one;
  one.push_back(std::move(message));
  return one;
}

std::string Judge::describe(const Line& line, const Message& message) const {
  struct Describe {
    std::string operator()(const protocol::Hello& one) const {
      return "hello of " + one.name + ", holds " + std::to_string(one.holds);
    }
    std::string operator()(const protocol::Held& one) const {
      std::string text = "held";
      for (const auto& item : one.tasks)
        text += ' ' + text_of(item.task) + '/' + std::to_string(item.attempt) + ':' +
                std::string{protocol::to_string(item.state)};
      return text;
    }
    std::string operator()(const protocol::Welcome& one) const {
      return "welcome, session " + one.session + ", wanted " + std::to_string(one.wanted.size());
    }
    std::string operator()(const protocol::Wanted& one) const {
      return "wanted " + std::to_string(one.tasks.size());
    }
    std::string operator()(const protocol::Reject& one) const {
      return "reject " + one.reason + ": " + one.detail;
    }
    std::string operator()(const protocol::Tasks& one) const {
      std::string text = "tasks";
      for (const auto& item : one.tasks)
        text += ' ' + text_of(item.task) + '/' + std::to_string(item.attempt);
      return text;
    }
    std::string operator()(const protocol::Results& one) const {
      std::string text = "results from " + std::to_string(one.seq);
      for (const auto& item : one.items) {
        text += ' ' + text_of(item.task);
        if (item.returned) text += ':' + std::string{protocol::to_string(*item.returned)};
      }
      return text;
    }
    std::string operator()(const protocol::Ack& one) const {
      return "ack " + std::to_string(one.seq);
    }
    std::string operator()(const protocol::Cancel& one) const {
      std::string text = "cancel";
      for (const TaskId id : one.tasks) text += ' ' + text_of(id);
      return text;
    }
    std::string operator()(const protocol::Credit& one) const {
      return "credit " + std::to_string(one.high) + " and " + std::to_string(one.other);
    }
    std::string operator()(const protocol::Heartbeat& one) const {
      std::string text =
          "heartbeat " + std::to_string(one.seq) + ", items " + std::to_string(one.items_sent);
      if (one.credit) text += ", " + (*this)(*one.credit);
      if (one.ack) text += ", ack " + std::to_string(*one.ack);
      return text;
    }
    std::string operator()(const protocol::Draining&) const { return "draining"; }
    std::string operator()(const protocol::Ignored&) const { return "something optional"; }
  };
  return line.machine->name() + " #" + std::to_string(line.connection) + ": " +
         std::visit(Describe{}, message);
}

void Judge::on_sent(const Line& line, const Message& message, std::size_t bytes, std::size_t held) {
  world_.trace([&] { return describe(line, message) + " (" + std::to_string(bytes) + " bytes)"; });
  if (held - bytes >= Connection::kSendRoom)
    fail(line.machine->name() + " gave the transport " + std::to_string(held) + " bytes");
  if (bytes > protocol::kMessageBytesMax) fail("a message of " + std::to_string(bytes) + " bytes");
  Talk& talk = talks_[line.connection];
  if (line.by_master) {
    sent_by_master(talk, line, message);
  } else {
    talk.agent = line.machine;
    sent_by_agent(talk, line, message);
  }
}

// As far as its master can know, the agent had it in hand.
void Judge::on_dropped(const Line& line, const Message& message) {
  world_.trace([&] { return describe(line, message) + ", into nothing"; });
  const auto* const tasks = std::get_if<protocol::Tasks>(&message);
  if (tasks == nullptr) return;
  for (const protocol::Tasks::Item& item : tasks->tasks)
    if (TaskView* const view = task(item.task)) ++view->handed;
}

void Judge::sent_by_master(Talk& talk, const Line& line, const Message& message) {
  if (const auto* const welcome = std::get_if<protocol::Welcome>(&message)) {
    talk.session = std::stoull(welcome->session);
  } else if (const auto* const tasks = std::get_if<protocol::Tasks>(&message)) {
    for (const protocol::Tasks::Item& item : tasks->tasks) {
      const auto& options = *tasks->options[item.options];
      const bool high = options.priority == Priority::high;
      if (++talk.tasks_sent[high] > talk.credit_read[high])
        fail("credit overdrawn: " + describe(line, message));
      TaskView* const view = task(item.task);
      if (view == nullptr) {
        fail("an unknown task was sent: " + describe(line, message));
        continue;
      }
      ++view->handed;
      if (item.attempt > view->handed)
        fail("attempt " + std::to_string(item.attempt) + " of " + text_of(item.task) +
             ", which no agent had in hand so often");
      if (!view->of_schedule &&
          item.left - tasks->waited > view->left(world_.now()) + milliseconds{2})
        fail("an agent is told a later deadline than there is: " + text_of(item.task));
      talk.given.insert(item.task);
    }
  } else if (const auto* const ack = std::get_if<protocol::Ack>(&message)) {
    check_ack(talk, ack->seq);
  } else if (const auto* const beat = std::get_if<protocol::Heartbeat>(&message)) {
    if (beat->ack) check_ack(talk, *beat->ack);
  } else if (const auto* const cancel = std::get_if<protocol::Cancel>(&message)) {
    for (const TaskId id : cancel->tasks)
      if (talk.given.count(id) == 0)
        fail("a cancel for who does not have it: " + describe(line, message));
  }
}

void Judge::check_ack(const Talk& talk, std::uint64_t seq) {
  if (seq > 0 && seq > committed_[talk.session])
    fail("session " + std::to_string(talk.session) + ": ack " + std::to_string(seq) + ", but " +
         std::to_string(committed_[talk.session]) + " are committed");
}

void Judge::sent_by_agent(Talk& talk, const Line& line, const Message& message) {
  if (const auto* const hello = std::get_if<protocol::Hello>(&message)) {
    talk.holds = hello->holds;
    if (hello->holds == 0) check_held(talk);
  } else if (const auto* const held = std::get_if<protocol::Held>(&message)) {
    for (const auto& item : held->tasks) {
      talk.listed.insert(item.task);
      talk.given.insert(item.task);
      if (item.state == protocol::HeldState::finished) talk.finished_listed.insert(item.task);
    }
    if (held->last) check_held(talk);
  } else if (const auto* const results = std::get_if<protocol::Results>(&message)) {
    if (results->seq != talk.results_sent + 1)
      fail("results begin at a wrong number: " + describe(line, message));
    std::uint64_t bytes = 0;
    const auto view = agents_.find(line.machine);
    for (const auto& item : results->items) {
      const std::uint64_t size = item.result.size() + protocol::kResultItemBytes;
      bytes += size;
      talk.unacked.push_back({item.task, !item.returned, size});
      if (item.returned == protocol::Returned::overdrawn)
        fail("credit overdrawn: " + describe(line, message));
      if (!item.returned && (view == agents_.end() || !view->second.probing->has_run(item.task)))
        fail("a result of a probe that did not run: " + text_of(item.task));
    }
    if (talk.unacked_bytes > 0 && talk.unacked_bytes + bytes > talk.window)
      fail("results window overdrawn: " + std::to_string(talk.unacked_bytes + bytes) + " of " +
           std::to_string(talk.window) + " bytes; " + describe(line, message));
    talk.unacked_bytes += bytes;
    talk.results_sent += results->items.size();
  }
}

// Whatever is in hand, and nobody has told the agent to end, is in the list.
void Judge::check_held(Talk& talk) {
  const auto found = agents_.find(talk.agent);
  if (found == agents_.end()) return;
  const auto missing = [&](const std::set<TaskId>& tasks) {
    for (const TaskId id : tasks) {
      if (talk.listed.count(id) > 0) continue;
      fail(talk.agent->name() + " has " + text_of(id) + " in hand and does not list it");
      return;
    }
  };
  missing(found->second.probing->wanted());
  missing(found->second.kept);
}

void Judge::on_read(const Line& line, const Message& message) {
  Talk& talk = talks_[line.connection];
  const auto credit = [&](const protocol::Credit& told) {
    talk.credit_read[0] = std::max(talk.credit_read[0], told.other);
    talk.credit_read[1] = std::max(talk.credit_read[1], told.high);
  };
  if (line.by_master) {
    if (const auto* const one = std::get_if<protocol::Credit>(&message)) credit(*one);
    const auto* const beat = std::get_if<protocol::Heartbeat>(&message);
    if (beat != nullptr && beat->credit) credit(*beat->credit);
    return;
  }
  if (const auto* const welcome = std::get_if<protocol::Welcome>(&message)) {
    talk.window = std::max(welcome->results_bytes, protocol::kResultsBytesMin);
    talk.wanted.insert(welcome->wanted.begin(), welcome->wanted.end());
    const auto view = agents_.find(line.machine);
    if (view != agents_.end() && view->second.store != welcome->store) {
      view->second.kept.clear();
      view->second.store = welcome->store;
    }
    if (welcome->last) end_welcome(talk);
  } else if (const auto* const wanted = std::get_if<protocol::Wanted>(&message)) {
    talk.wanted.insert(wanted->tasks.begin(), wanted->tasks.end());
    if (wanted->last) end_welcome(talk);
  } else if (const auto* const ack = std::get_if<protocol::Ack>(&message)) {
    read_ack(talk, ack->seq);
  } else if (const auto* const beat = std::get_if<protocol::Heartbeat>(&message)) {
    if (beat->results_bytes)
      talk.window = std::max(*beat->results_bytes, protocol::kResultsBytesMin);
    if (beat->ack) read_ack(talk, *beat->ack);
  }
}

// Results that are not wanted any more are dropped.
void Judge::end_welcome(Talk& talk) {
  const auto view = agents_.find(talk.agent);
  if (view == agents_.end()) return;
  for (const TaskId id : talk.listed)
    if (talk.wanted.count(id) == 0) view->second.kept.erase(id);
}

void Judge::read_ack(Talk& talk, std::uint64_t seq) {
  const auto view = agents_.find(talk.agent);
  while (talk.acked < seq && !talk.unacked.empty()) {
    const Talk::Sent& one = talk.unacked.front();
    talk.unacked_bytes -= one.bytes;
    if (one.is_result && view != agents_.end()) view->second.kept.erase(one.task);
    talk.unacked.pop_front();
    ++talk.acked;
  }
}

void Judge::on_closed(const Line& line, const CloseReason& reason) {
  world_.trace([&] {
    return line.machine->name() + " #" + std::to_string(line.connection) + ": closed " +
           std::to_string(static_cast<unsigned>(reason.code)) + (reason.local ? " here" : "") +
           ' ' + reason.text + (reason.error ? ' ' + reason.error.message() : std::string{});
  });
  switch (reason.code) {
    case CloseCode::protocol_error:
    case CloseCode::unsupported:
    case CloseCode::policy:
    case CloseCode::too_large:
    case CloseCode::internal:
    case CloseCode::accounting:
      fail(line.machine->name() + " #" + std::to_string(line.connection) + " was closed with " +
           std::to_string(static_cast<unsigned>(reason.code)) + ": " + reason.text);
      break;
    default:
      break;
  }
  if (calm && reason.code != CloseCode::normal && reason.code != CloseCode::going_away)
    fail("a connection ended though nothing went wrong: " + line.machine->name() + ", " +
         std::to_string(static_cast<unsigned>(reason.code)) + ' ' + reason.text);
}

// -- the ledger -----------------------------------------------------------------------------------

void Judge::check() {
  if (!dirty_ || !reading_ || world_.failed()) return;
  dirty_ = false;
  Ledger sum;
  const auto add = [&sum](const Ledger& one) {
    sum.accepted += one.accepted;
    sum.queued += one.queued;
    sum.in_flight += one.in_flight;
    sum.done += one.done;
    sum.expired += one.expired;
    sum.cancelled += one.cancelled;
  };
  for (auto& [id, book] : books_) {
    if (!book.complete) check_batch(id, book);
    add(book.last);
  }
  std::uint64_t scheduled = 0;
  for (auto& one : schedules_) {
    check_schedule(one.second);
    add(one.second.last);
    scheduled += one.second.last.accepted;
  }
  reading_->facts([&](const Expected<StoreFacts>& facts) {
    if (!facts) return fail("the store says nothing of itself: " + facts.error().message());
    const Ledger& total = facts->ledger;
    if (!total.balanced()) fail("the ledger does not close: " + text_of(total));
    if (total.accepted != sum.accepted || total.queued != sum.queued ||
        total.in_flight != sum.in_flight || total.done != sum.done ||
        total.expired != sum.expired || total.cancelled != sum.cancelled)
      fail("the ledger of all is " + text_of(total) + ", its batches make " + text_of(sum));
    if (total.accepted != accepted_ + scheduled)
      fail("accepted " + std::to_string(accepted_ + scheduled) + ", the ledger says " +
           text_of(total));
  });
  dirty_ = sessions_moved_ = false;
}

void Judge::check_ledger(const std::string& where, Book& book, const Ledger& ledger) {
  if (!ledger.balanced()) fail(where + "the ledger does not close: " + text_of(ledger));
  if (ledger.accepted < book.last.accepted || ledger.done < book.last.done ||
      ledger.expired < book.last.expired || ledger.cancelled < book.last.cancelled)
    fail(where + "what had ended came back: " + text_of(book.last) + ", then " + text_of(ledger));
  book.last = ledger;
}

void Judge::read_lines(const std::string& where, Book& book,
                       const std::function<void(Completion<ResultPage>)>& ask) {
  const auto ended = [&book] { return book.last.done + book.last.expired + book.last.cancelled; };
  const auto lines = [&book] { return book.done + book.expired + book.cancelled_lines; };
  while (!world_.failed() && !book.complete &&
         (lines() < ended() || (book.last.ended() && lines() == ended()))) {
    std::size_t count = 0;
    ask([&](const Expected<ResultPage>& page) {
      if (!page) return fail(where + page.error().message());
      count = page->count;
      std::string_view rest = page->lines;
      while (!rest.empty()) {
        const auto end = rest.find('\n');
        read_line(book, rest.substr(0, end));
        rest.remove_prefix(end + 1);
      }
      book.after = page->next;
      if (page->next.empty()) book.complete = true;
    });
    if (count == 0) break;
  }
  if (book.done != book.last.done || book.expired != book.last.expired ||
      book.cancelled_lines != book.last.cancelled)
    fail(where + text_of(book.last) + ", but its lines are done " + std::to_string(book.done) +
         ", expired " + std::to_string(book.expired) + ", cancelled " +
         std::to_string(book.cancelled_lines));
}

void Judge::check_batch(std::uint32_t id, Book& book) {
  const std::string where = "batch " + std::to_string(id) + ": ";
  reading_->batch(BatchId{id}, [&](const Expected<BatchView>& view) {
    if (!view) return fail(where + view.error().message());
    check_ledger(where, book, view->info.ledger);
    if (book.last.accepted != book.tasks)
      fail(where + "accepted " + std::to_string(book.last.accepted));
  });
  read_lines(where, book, [&](Completion<ResultPage> done) {
    ResultQuery query;
    query.batch = BatchId{id};
    query.after = book.after;
    reading_->results(query, std::move(done));
  });
}

void Judge::check_schedule(Book& book) {
  const std::string where = "schedule " + book.schedule + ": ";
  reading_->schedule(book.schedule, [&](const Expected<ScheduleView>& view) {
    if (!view) return fail(where + view.error().message());
    check_ledger(where, book, view->ledger);
  });
  read_lines(where, book, [&](Completion<ResultPage> done) {
    ScheduleResultQuery query;
    query.name = book.schedule;
    query.after = book.after;
    reading_->schedule_results(query, std::move(done));
  });
}

void Judge::read_line(Book& book, std::string_view line) {
  // t<store>-<batch>-<index>
  const std::string_view text = member(line, "task");
  const auto dash = text.rfind('-');
  const auto before = dash == std::string_view::npos ? dash : text.rfind('-', dash - 1);
  BatchId batch;
  std::uint32_t index = 0;
  if (before == std::string_view::npos ||
      std::from_chars(text.data() + before + 1, text.data() + dash, batch.value).ec !=
          std::errc{} ||
      std::from_chars(text.data() + dash + 1, text.data() + text.size(), index).ec != std::errc{})
    return fail("a line without its task: " + std::string{line});
  const TaskId id = TaskId::of(batch, index);
  if (!book.schedule.empty()) tasks_[id].of_schedule = true;  // it may never have been leased
  TaskView* const view = task(id);
  if (view == nullptr) return fail("a line of no task: " + std::string{line});
  if (view->has_line) return fail("a second line of one task: " + std::string{line});
  view->has_line = true;
  ++ended_of_all_;
  world_.trace([&] { return "line: " + std::string{line.substr(0, 160)}; });
  const std::string_view state = member(line, "state");
  const Time left = view->left(world_.now());
  if (state == "done") {
    ++book.done;
    if (!view->has_run) fail("done, and no agent ran it: " + std::string{line});
    const Time since = std::max(left, opened_at_ - world_.now());  // what may have moved it
    if (!view->of_schedule && since + standstill + seconds{2} < Time{0})
      fail("done long after its deadline: " + std::string{line});
  } else if (state == "expired") {
    ++book.expired;
    check_expiry(*view, line);
  } else if (state == "cancelled") {
    ++book.cancelled_lines;
    if (!book.cancelled) fail("cancelled by nobody: " + std::string{line});
  } else {
    fail("a line in no final state: " + std::string{line});
  }
}

// What was read stays, and nothing has joined it.
void Judge::check_all_lines() {
  if (!reading_) return;
  for (const auto& [id, book] : books_) {
    const std::string name = "batch " + std::to_string(id);
    std::unordered_set<std::string> tasks;
    ResultQuery query;
    query.batch = BatchId{id};
    query.limit = 7;
    std::size_t count = 0;
    do {
      reading_->results(query, [&](const Expected<ResultPage>& page) {
        count = 0;
        if (!page) return fail(name + ": " + page.error().message());
        for (std::string_view rest = page->lines; !rest.empty(); ++count) {
          const std::string_view line = rest.substr(0, rest.find('\n'));
          if (!tasks.emplace(member(line, "task")).second)
            fail("a second line of one task, read again: " + std::string{line});
          rest.remove_prefix(line.size() + 1);
        }
        query.after = page->next;
      });
      if (count > query.limit) fail("a page of " + std::to_string(count) + " lines");
    } while (count > 0 && !query.after.empty() && !world_.failed());
    if (tasks.size() != book.tasks)
      fail(name + ": " + std::to_string(tasks.size()) + " lines of " + std::to_string(book.tasks) +
           " tasks, when read again");
  }
}

// Why it says that it expired, as far as that can be known from here.
void Judge::check_expiry(const TaskView& view, std::string_view line) {
  const auto wrong = [&](const char* what) { fail(what + std::string{": "} + std::string{line}); };
  const std::string_view reason = member(line, "reason");
  if (reason.empty() || member(line, "diagnosis").empty())
    return wrong("expired, and does not say why");
  if (view.of_schedule) return;
  const Selector& agents = view.terms.agents;
  const Time left = view.left(world_.now());
  const std::size_t fitting = agents_fitting(agents, living_);
  // The sessions of when it ended may be others than those of now.
  const bool nobody_fits = fitting == 0 || sessions_moved_;
  if (reason == "agent_lost") {
    if (agents.kind == Selector::Kind::names && world_.now() - view.accepted_at > kAgentAwayMax &&
        nobody_fits)
      return;
    const auto at = line.find("\"attempts\":");
    std::uint32_t attempts = 0;
    std::from_chars(line.data() + at + 11, line.data() + line.size(), attempts);
    if (attempts < attempts_max && left > Time{0}) wrong("given up for lost agents too soon");
    if (!view.lost_unseen && (view.holder == 0 || living_.count(view.holder) > 0))
      wrong("a wrong reason, as no agent was lost with it");
    return;
  }
  if (reason != "no_agent" && reason != "deadline") return wrong("not a reason of such a task");
  if (left > Time{view.terms.timeout} + seconds{1}) wrong("expired too soon");
  if (sessions_moved_) return;
  if (reason == "deadline" && fitting == 0 && agents_fitting(agents, left_behind_) == 0)
    wrong("a wrong reason, as nobody fits");
  // A count may want more of them than there are: others of the target have the rest.
  if (reason == "no_agent" && fitting >= agents.count) wrong("a wrong reason, as agents fit");
}

/// Different ones among these; all of them run all probes here, and who is named is one.
std::size_t Judge::agents_fitting(const Selector& selector, const Sessions& sessions) {
  std::set<std::string_view> names;
  for (const auto& one : sessions) {
    const NewSession& session = one.second;
    const bool fits =
        selector.kind == Selector::Kind::names
            ? std::count(selector.names.begin(), selector.names.end(), session.agent) > 0
            : std::all_of(selector.tags.begin(), selector.tags.end(), [&](const Label& tag) {
                return std::count(session.tags.begin(), session.tags.end(), tag) > 0;
              });
    if (fits) names.insert(session.agent);
  }
  return names.size();
}

bool Judge::all_ended() const {
  return std::all_of(books_.begin(), books_.end(),
                     [](const auto& one) { return one.second.complete; }) &&
         std::all_of(schedules_.begin(), schedules_.end(),
                     [](const auto& one) { return one.second.last.ended(); });
}

std::vector<BatchId> Judge::batches() const {
  std::vector<BatchId> ids;
  for (const auto& [id, book] : books_) {
    if (!book.last_asked) ids.push_back(BatchId{id});
  }
  return ids;
}

std::uint64_t Judge::last_not_done() const {
  std::uint64_t sum = 0;
  for (const auto& one : books_) {
    const Book& book = one.second;
    if (book.last_asked) sum += book.tasks - book.done;
  }
  return sum;
}

std::string Judge::unfinished() const {
  std::string text;
  for (const auto& [id, book] : books_) {
    if (!book.complete) text += " batch " + std::to_string(id) + ": " + text_of(book.last);
  }
  for (const auto& [name, book] : schedules_) {
    if (!book.last.ended()) text += " schedule " + name + ": " + text_of(book.last);
  }
  return text;
}

}  // namespace probekit::simulation
