// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/network.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "probekit/error.hpp"
#include "protocol/codec.hpp"

namespace probekit::simulation {

namespace {

constexpr seconds kCloseTime{5};  // without progress, as the real transports
constexpr seconds kConnectTime{10};

}  // namespace

struct Network::Hub {
  World& world;
  Tap& tap;
  std::map<const Machine*, Way> ways;
  std::map<const Machine*, Time> stalled;       // until then
  std::map<const Machine*, Time> gates;         // closed until then
  std::map<const Machine*, Time> reading_time;  // for each message
  std::vector<std::weak_ptr<End>> ends;
  std::uint64_t last_connection = 0;
  // The one that listens, if any.
  Machine* listening = nullptr;
  AcceptObserver* observer = nullptr;

  Hub(World& given_world, Tap& given_tap) : world(given_world), tap(given_tap) {}

  Time delay(const Machine& agent) {
    const Way& way = ways[&agent];
    return way.delay_max > way.delay_min ? world.chance().between(way.delay_min, way.delay_max)
                                         : way.delay_min;
  }
  Time stalled_until(const Machine& agent) const {
    const auto found = stalled.find(&agent);
    return found == stalled.end() ? Time{0} : found->second;
  }
};

/// One side of a connection: its process's part, and its kernel's.
struct Network::End : std::enable_shared_from_this<End> {
  enum class Phase { open, closing, ended };
  struct Segment {
    std::shared_ptr<const protocol::Message> message;
    std::string text;
    std::optional<CloseReason> close;
    std::size_t bytes = 0;
    Time begins{0};
    Time ends{0};
    Time arrives{0};
  };

  std::shared_ptr<Hub> hub;
  Machine* machine;
  const Machine* agent;  // whose way this is
  Tap::Line line;
  std::weak_ptr<End> peer;

  Phase phase = Phase::open;
  ConnectionObserver* observer = nullptr;
  bool attached = true;  // a Connection has it
  bool dead = false;     // its process is gone
  bool started = false;
  bool told = false;
  bool blocked = false;
  bool reading = false;  // a turn to read is on its way
  CloseReason reason;

  // What leaves.
  std::deque<Segment> outbox;  // in the transport's hands
  std::size_t held = 0;
  std::deque<Segment> flying;
  std::size_t flying_bytes = 0;
  bool silent = false;  // what leaves from now on arrives nowhere
  Time free_at{0};
  Time last_arrival{0};
  std::uint64_t acked = 0;
  std::uint64_t acked_at_check = 0;
  // What has arrived.
  std::deque<Segment> inbox;
  std::size_t inbox_bytes = 0;
  std::uint64_t received = 0;

  World& world() const { return hub->world; }
  const Way& way() const { return hub->ways[agent]; }

  void post(std::function<void()> function) const {
    if (!dead) machine->loop().post(std::move(function));
  }

  std::size_t send_room() const noexcept {
    return held >= Connection::kSendRoom ? 0 : Connection::kSendRoom - held;
  }

  void send(std::string text) {
    if (dead) return;
    if (phase != Phase::open) {
      if (const auto dropped = protocol::decode(text)) hub->tap.on_dropped(line, *dropped);
      return;
    }
    for (std::string& one : hub->tap.tamper(line, std::move(text))) {
      Segment segment;
      segment.bytes = one.size();
      auto decoded = protocol::decode(one);
      if (!decoded) {
        return world().fail(machine->name() + " sent what nobody can read: " +
                            decoded.error().message() + ": " + one.substr(0, 200));
      }
      segment.message = std::make_shared<const protocol::Message>(std::move(*decoded));
      segment.text = std::move(one);
      held += segment.bytes;
      hub->tap.on_sent(line, *segment.message, segment.bytes, held);
      outbox.push_back(std::move(segment));
    }
    blocked = blocked || send_room() == 0;
    pump();
  }

  // As much as the window takes goes on its way; one message always may.
  void pump() {
    const auto other = peer.lock();
    while (!outbox.empty()) {
      const std::size_t under_way = flying_bytes + (other ? other->inbox_bytes : 0);
      if (under_way > 0 && under_way + outbox.front().bytes > way().window_bytes) return;
      Segment segment = std::move(outbox.front());
      outbox.pop_front();
      const Time now = world().now();
      segment.begins = std::max(now, free_at);
      segment.ends = segment.begins;
      if (way().bytes_per_second > 0) {
        segment.ends +=
            Time{static_cast<std::int64_t>(segment.bytes * 1'000'000'000 / way().bytes_per_second)};
      }
      free_at = segment.ends;
      segment.arrives = last_arrival =
          std::max(segment.ends + hub->delay(*agent), last_arrival + Time{1});
      flying_bytes += segment.bytes;
      const Time ends = segment.ends;
      const std::size_t bytes = segment.bytes;
      const Time arrives = segment.arrives;
      flying.push_back(std::move(segment));
      if (bytes > 0) {
        world().at(ends, [self = weak_from_this(), bytes] {
          if (const auto end = self.lock()) end->taken(bytes);
        });
      }
      world().at(arrives, [self = weak_from_this()] {
        if (const auto end = self.lock()) end->land();
      });
    }
  }

  // The kernel has so much more of what was sent.
  void taken(std::size_t bytes) {
    held -= std::min(held, bytes);
    if (!blocked || send_room() == 0 || phase == Phase::ended) return;
    blocked = false;
    post([self = shared_from_this()] {
      if (self->observer != nullptr && self->started && self->phase != Phase::ended)
        self->observer->on_writable();
    });
  }

  void land() {
    if (flying.empty()) return;
    const Time until = hub->stalled_until(*agent);
    if (silent || until > world().now()) {
      // What comes too late is tried again.
      if (!silent) {
        world().at(until, [self = weak_from_this()] {
          if (const auto end = self.lock()) end->land();
        });
      }
      return;
    }
    if (flying.front().arrives > world().now()) return;  // another call is for it
    const auto other = peer.lock();
    Segment segment = std::move(flying.front());
    flying.pop_front();
    flying_bytes -= segment.bytes;
    acked += segment.bytes;
    if (!other || other->phase == Phase::ended || other->dead) return;
    other->received += segment.bytes;
    other->inbox_bytes += segment.bytes;
    other->inbox.push_back(std::move(segment));
    other->read_later();
  }

  void start(ConnectionObserver& given) {
    observer = &given;
    post([self = shared_from_this()] {
      if (self->observer == nullptr) return;
      self->started = true;
      if (self->phase == Phase::ended) return self->tell();
      self->read_later();
    });
  }

  void read_later() {
    if (!started || reading || inbox.empty() || dead) return;
    reading = true;
    const auto slow = hub->reading_time.find(machine);
    const auto turn = [self = shared_from_this()] {
      self->post([self] {
        self->reading = false;
        self->read();
      });
    };
    if (slow == hub->reading_time.end() || slow->second == Time{0}) return turn();
    world().at(world().now() + slow->second, *machine, turn);
  }

  void read() {
    const auto self = shared_from_this();
    for (auto left = world().chance().between(1, 4); left > 0 && !inbox.empty(); --left) {
      if (phase == Phase::ended || observer == nullptr) return;
      Segment segment = std::move(inbox.front());
      inbox.pop_front();
      inbox_bytes -= segment.bytes;
      // The other side's window opens when it hears of it.
      world().at(world().now() + hub->delay(*agent), [other = peer] {
        if (const auto end = other.lock()) end->pump();
      });
      if (segment.close) {
        peer_closes(std::move(*segment.close));
        return;
      }
      hub->tap.on_read(line, *segment.message);
      observer->on_message(std::move(segment.text));
    }
    read_later();
  }

  void close(CloseCode code, std::string_view text) {
    if (phase != Phase::open) return;
    phase = Phase::closing;
    reason = CloseReason{code, true, std::string{text.substr(0, 123)}, {}};
    Segment segment;
    segment.close = CloseReason{code, false, reason.text, {}};
    outbox.push_back(std::move(segment));
    pump();
    watch_close();
  }

  void watch_close() {
    if (dead) return;
    acked_at_check = acked;
    world().at(world().now() + kCloseTime, *machine, [self = shared_from_this()] {
      self->post([self] {
        if (self->phase != Phase::closing) return;
        if (self->acked != self->acked_at_check) return self->watch_close();
        CloseReason why = self->reason;
        why.error = make_error_code(errc::timed_out);
        self->tell_peer();
        self->end(std::move(why));
      });
    });
  }

  void peer_closes(CloseReason given) {
    if (phase == Phase::ended) return;
    // The answer travels back.
    after_delay(peer, [](End& other) {
      if (other.phase == Phase::closing) other.end(other.reason);
    });
    end(phase == Phase::closing ? reason : std::move(given));
  }

  void abort(CloseCode code, std::string_view text) {
    if (phase == Phase::ended) return;
    tell_peer();
    end(CloseReason{code, true, std::string{text.substr(0, 123)}, {}});
  }

  // It hears that the connection is broken.
  void tell_peer() {
    after_delay(peer, [](End& other) { other.lost(); });
  }

  void after_delay(const std::weak_ptr<End>& to, std::function<void(End&)> act) {
    if (silent) return;
    const auto deliver = [to, act = std::move(act)] {
      const auto other = to.lock();
      if (!other || other->dead) return;
      other->post([other, act] { act(*other); });
    };
    const Time when = std::max(world().now() + hub->delay(*agent), hub->stalled_until(*agent));
    world().at(when, deliver);
  }

  void lost() {
    if (phase == Phase::ended) return;
    CloseReason why;
    if (phase == Phase::closing) why = reason;
    why.error = make_error_code(errc::connection_lost);
    end(std::move(why));
  }

  void end(CloseReason why) {
    phase = Phase::ended;
    reason = std::move(why);
    inbox.clear();
    inbox_bytes = 0;
    outbox.clear();
    if (started) {
      post([self = shared_from_this()] { self->tell(); });
    }
  }

  void tell() {
    if (observer == nullptr || told) return;
    told = true;
    hub->tap.on_closed(line, reason);
    observer->on_closed(reason);
  }

  // Its owner lets go of it.
  void detach() {
    observer = nullptr;
    attached = false;
    if (phase == Phase::ended || dead) return;
    tell_peer();
    end(CloseReason{});
  }

  // Bytes of a message that is still arriving count, too.
  std::uint64_t received_so_far() const {
    const auto other = peer.lock();
    if (!other || other->silent || hub->stalled_until(*agent) > world().now()) return received;
    std::uint64_t sum = received;
    for (const Segment& segment : other->flying) {
      if (segment.ends <= segment.begins) break;
      const Time way_time = segment.arrives - segment.ends;
      const Time passed = world().now() - segment.begins - way_time;
      if (passed <= Time{0}) break;
      const double part =
          std::min(1.0, static_cast<double>(passed.count()) /
                            static_cast<double>((segment.ends - segment.begins).count()));
      sum += static_cast<std::uint64_t>(static_cast<double>(segment.bytes) * part);
    }
    return sum;
  }

  ConnectionFacts facts() const {
    ConnectionFacts facts;
    facts.peer = "simulated";
    facts.unsent_bytes = held;
    facts.send_queue_bytes = flying_bytes;
    facts.recv_queue_bytes = inbox_bytes;
    facts.bytes_received = received_so_far();
    facts.bytes_acked = acked;
    return facts;
  }
};

namespace {

class SimulatedConnection final : public Connection {
 public:
  explicit SimulatedConnection(std::shared_ptr<Network::End> end) : end_(std::move(end)) {}
  ~SimulatedConnection() override { end_->detach(); }

  void start(ConnectionObserver& observer) override { end_->start(observer); }
  std::size_t send_room() const noexcept override { return end_->send_room(); }
  void send(std::string message) override { end_->send(std::move(message)); }
  void close(CloseCode code, std::string_view text) override { end_->close(code, text); }
  void abort(CloseCode code, std::string_view text) override { end_->abort(code, text); }
  ConnectionFacts facts() const override { return end_->facts(); }
  std::optional<std::string> token() const override { return std::nullopt; }

 private:
  const std::shared_ptr<Network::End> end_;
};

class SimulatedListener final : public Listener {
 public:
  SimulatedListener(std::shared_ptr<Network::Hub> hub, Machine& machine)
      : hub_(std::move(hub)), machine_(machine) {}
  ~SimulatedListener() override { stop(); }

  Expected<std::string> start(EventLoop&, AcceptObserver& observer) override {
    hub_->listening = &machine_;
    hub_->observer = &observer;
    return std::string{"sim:"};
  }
  void stop() override {
    if (hub_->listening != &machine_) return;
    hub_->listening = nullptr;
    hub_->observer = nullptr;
  }

 private:
  const std::shared_ptr<Network::Hub> hub_;
  Machine& machine_;
};

}  // namespace

/// One call of connect().
struct Network::Attempt : std::enable_shared_from_this<Attempt> {
  std::shared_ptr<Hub> hub;
  Machine* agent = nullptr;
  std::uint64_t agent_life = 0;
  Connector::Done done;
  seconds retry_after{0};

  World& world() const { return hub->world; }

  void begin() {
    const Time gate = hub->gates.count(agent) > 0 ? hub->gates[agent] : Time{0};
    world().at(world().now() + kConnectTime, *agent, [self = shared_from_this()] {
      self->finish(Error{make_error_code(errc::timed_out), "nobody answered"});
    });
    if (gate > world().now()) return;  // the packets go nowhere
    travel([self = shared_from_this()] { self->arrive(); });
  }

  void travel(std::function<void()> then) {
    const Time when = std::max(world().now() + hub->delay(*agent), hub->stalled_until(*agent));
    world().at(when, std::move(then));
  }

  void arrive() {
    if (hub->listening == nullptr) {
      return answer(Error{make_error_code(errc::connection_failed), "refused"}, seconds{0});
    }
    Machine& master = *hub->listening;
    master.loop().post([self = shared_from_this(), &master] { self->enter(master); });
  }

  // On the master's loop.
  void enter(Machine& master) {
    if (!done || hub->listening != &master) {
      return answer(Error{make_error_code(errc::connection_failed), "refused"}, seconds{0});
    }
    seconds later{0};
    if (!hub->observer->admits(later)) {
      return answer(Error{make_error_code(errc::handshake_failed), "429"}, later);
    }
    const std::uint64_t id = ++hub->last_connection;
    const auto ours = std::make_shared<End>();
    const auto theirs = std::make_shared<End>();
    for (const auto& end : {ours, theirs}) {
      end->hub = hub;
      end->agent = agent;
      end->line.connection = id;
      hub->ends.push_back(end);
    }
    ours->machine = ours->line.machine = agent;
    theirs->machine = theirs->line.machine = &master;
    theirs->line.by_master = true;
    ours->peer = theirs;
    theirs->peer = ours;
    hub->observer->on_connection(std::make_unique<SimulatedConnection>(theirs));
    travel([self = shared_from_this(), ours] {
      if (self->agent->life() != self->agent_life) return ours->abort(CloseCode::abnormal, "");
      self->agent->loop().post([self, ours] {
        if (!self->done) return ours->abort(CloseCode::abnormal, "");
        self->finish(std::unique_ptr<Connection>(std::make_unique<SimulatedConnection>(ours)));
      });
    });
  }

  void answer(Error error, seconds later) {
    travel([self = shared_from_this(), error = std::move(error), later] {
      if (self->agent->life() != self->agent_life) return;
      self->agent->loop().post([self, error, later] {
        self->retry_after = later;
        self->finish(error);
      });
    });
  }

  void finish(Expected<std::unique_ptr<Connection>> made) {
    if (!done) return;
    const auto tell = std::exchange(done, nullptr);
    tell(std::move(made));
  }
};

namespace {

class SimulatedConnector final : public Connector {
 public:
  SimulatedConnector(std::shared_ptr<Network::Hub> hub, Machine& machine)
      : hub_(std::move(hub)), machine_(machine) {}
  ~SimulatedConnector() override { cancel(); }

  void connect(EventLoop&, Done done) override {
    attempt_ = std::make_shared<Network::Attempt>();
    attempt_->hub = hub_;
    attempt_->agent = &machine_;
    attempt_->agent_life = machine_.life();
    attempt_->done = std::move(done);
    attempt_->begin();
  }
  void cancel() override {
    if (attempt_) attempt_->done = nullptr;
  }
  std::string url() const override { return "sim:"; }
  std::chrono::seconds retry_after() const override {
    return attempt_ ? attempt_->retry_after : seconds{0};
  }

 private:
  const std::shared_ptr<Network::Hub> hub_;
  Machine& machine_;
  std::shared_ptr<Network::Attempt> attempt_;
};

}  // namespace

Network::Network(World& world, Tap& tap) : hub_(std::make_shared<Hub>(world, tap)) {}
Network::~Network() = default;

std::unique_ptr<Listener> Network::listener(Machine& master) {
  return std::make_unique<SimulatedListener>(hub_, master);
}

std::unique_ptr<Connector> Network::connector(Machine& agent) {
  return std::make_unique<SimulatedConnector>(hub_, agent);
}

void Network::set_way(const Machine& agent, Way way) { hub_->ways[&agent] = way; }

void Network::stall(const Machine& agent, Time until) {
  hub_->stalled[&agent] = std::max(hub_->stalled[&agent], until);
}

void Network::close_gate(const Machine& agent, Time until) { hub_->gates[&agent] = until; }

void Network::set_reading_time(const Machine& machine, Time time) {
  hub_->reading_time[&machine] = time;
}

void Network::cut(const Machine& agent) {
  for (const auto& weak : hub_->ends) {
    const auto end = weak.lock();
    if (!end || end->agent != &agent || end->phase == End::Phase::ended) continue;
    // What is on its way, and what is unread, is lost with it.
    end->flying.clear();
    end->flying_bytes = 0;
    end->inbox.clear();
    end->inbox_bytes = 0;
    end->after_delay(end->weak_from_this(), [](End& one) { one.lost(); });
    end->silent = true;
  }
}

void Network::silence(const Machine& agent, bool to_master, bool to_agent) {
  for (const auto& weak : hub_->ends) {
    const auto end = weak.lock();
    if (!end || end->agent != &agent) continue;
    if (end->line.by_master ? to_agent : to_master) end->silent = true;
  }
}

void Network::heal() {
  hub_->stalled.clear();
  hub_->gates.clear();
  hub_->reading_time.clear();
}

void Network::on_death(const Machine& machine, bool silent) {
  for (const auto& weak : hub_->ends) {
    const auto end = weak.lock();
    if (!end || end->machine != &machine || end->dead) continue;
    if (end->phase != End::Phase::ended && !silent) end->tell_peer();
    end->dead = true;
    end->silent = true;
    end->observer = nullptr;
  }
  auto& ends = hub_->ends;
  ends.erase(
      std::remove_if(ends.begin(), ends.end(), [](const auto& one) { return one.expired(); }),
      ends.end());
}

}  // namespace probekit::simulation
