// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// What is particular to WebSocket: handshakes, hostile peers, deadlines, descriptors, nginx.

#include "probekit/websocket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/http_test_server.hpp"
#include "support/nginx.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/transport_world.hpp"
#include "transport/websocket_connector.hpp"

namespace {

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1024 * 1024;

struct Lines {
  std::mutex mutex;
  std::vector<LogLine> lines;

  std::size_t count(const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex);
    std::size_t found = 0;
    for (const LogLine& line : lines) found += line.message == message ? 1 : 0;
    return found;
  }
};

class LineSink final : public LogSink {
 public:
  explicit LineSink(std::shared_ptr<Lines> lines) : lines_(std::move(lines)) {}
  void write(const LogLine& line) override {
    const std::lock_guard<std::mutex> lock(lines_->mutex);
    lines_->lines.push_back(line);
  }

 private:
  std::shared_ptr<Lines> lines_;
};

// A listener on a loop of its own; the clock may be the test's.
class Master {
 public:
  explicit Master(WebSocketListenerOptions options = {},
                  std::shared_ptr<const Clock> clock = nullptr) {
    EventLoopOptions loop_options;
    loop_options.clock = std::move(clock);
    loop_ = std::make_unique<EventLoop>(loop_options);
    loop_->start();
    door = std::make_unique<Door>(*loop_);
    options.port = 0;
    run_on(*loop_, [&] {
      listener_ = make_websocket_listener(options);
      auto started = listener_->start(*loop_, *door);
      if (started) url_ = *started;
    });
    REQUIRE_FALSE(url_.empty());
  }
  ~Master() {
    run_on(*loop_, [this] { listener_.reset(); });
  }

  EventLoop& loop() { return *loop_; }
  const std::string& url() const { return url_; }
  std::uint16_t port() const { return port_of(url_); }

 private:
  std::unique_ptr<EventLoop> loop_;

 public:
  std::unique_ptr<Door> door;

 private:
  std::unique_ptr<Listener> listener_;
  std::string url_;
};

// A connector on a loop of its own.
class Client {
 public:
  explicit Client(const std::string& url, WebSocketConnectorOptions options = {}) {
    options.urls = {url};
    connector_ = make_websocket_connector(options);
  }
  ~Client() {
    run_on(*loop_, [this] { connector_.reset(); });
  }

  Connected connect() { return connect_and_wait(*loop_, *connector_); }
  std::unique_ptr<Peer> connect_and_start() {
    auto result = connect();
    INFO(result.text);
    REQUIRE(result.peer);
    result.peer->start();
    return std::move(result.peer);
  }
  EventLoop& loop() { return *loop_; }
  Connector& connector() { return *connector_; }

 private:
  std::unique_ptr<EventLoop> loop_ = make_running_loop("client");
  std::unique_ptr<Connector> connector_;
};

// A socket that listens and, left alone, answers nothing.
class BareServer {
 public:
  explicit BareServer(const char* ip = "127.0.0.1", std::uint16_t port = 0, int backlog = 8) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, ip, &address.sin_addr);
    socklen_t size = sizeof address;
    REQUIRE(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(descriptor_, backlog) == 0);
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~BareServer() { ::close(descriptor_); }

  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/ws"; }

  // Takes one connection, reads its request and says this.
  void answer_once(const std::string& answer) const {
    const int connection = ::accept(descriptor_, nullptr, nullptr);
    std::array<char, 4096> bytes;
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(connection, bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      request.append(bytes.data(), static_cast<std::size_t>(got));
    }
    static_cast<void>(::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL));
    ::close(connection);
  }

 private:
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
};

std::vector<RawHeader> headers_with(const std::string& name, const std::string& value) {
  auto headers = RawWebSocket::good_headers();
  for (auto at = headers.begin(); at != headers.end();) {
    at = at->name == name ? headers.erase(at) : at + 1;
  }
  if (!value.empty()) headers.push_back({name, value});
  return headers;
}

std::string status_of(const std::string& head) { return head.substr(0, 12); }

}  // namespace

// --- the opening handshake --------------------------------------------------------------------

TEST_CASE("an agent may come on any path, and among other subprotocols", "[websocket]") {
  Master master;
  RawWebSocket raw(master.port());
  const std::string head =
      raw.request(headers_with("Sec-WebSocket-Protocol", "chat, probekit.v1"), "/any/path?x=1");
  CHECK(status_of(head) == "HTTP/1.1 101");
  CHECK(head.find("Sec-WebSocket-Protocol: probekit.v1\r\n") != std::string::npos);
  CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
  CHECK(head.find("Sec-WebSocket-Extensions") == std::string::npos);
  auto peer = master.door->take();
  raw.send_frame(RawOpcode::binary, "hello");
  peer->wait_count(1);
  peer->send("world");
  const auto frame = raw.read_frame();
  REQUIRE(frame);
  CHECK(frame->payload == "world");
  CHECK(frame->opcode == static_cast<std::uint8_t>(RawOpcode::binary));
  CHECK_FALSE(frame->masked);
}

TEST_CASE("compression is not agreed to", "[websocket]") {
  Master master;
  RawWebSocket raw(master.port());
  auto headers = RawWebSocket::good_headers();
  headers.push_back({"Sec-WebSocket-Extensions", "permessage-deflate"});
  const std::string head = raw.request(headers);
  CHECK(status_of(head) == "HTTP/1.1 101");
  CHECK(head.find("Sec-WebSocket-Extensions") == std::string::npos);
  auto peer = master.door->take();
}

TEST_CASE("a handshake that is wrong is refused with its reason", "[websocket]") {
  Master master;
  struct Case {
    const char* what;
    std::vector<RawHeader> headers;
    const char* status;
    const char* reason;
  };
  const auto which = GENERATE(range(0, 9));
  const Case cases[] = {
      {"no subprotocol", headers_with("Sec-WebSocket-Protocol", ""), "HTTP/1.1 400",
       "subprotocol probekit.v1 is required"},
      {"another subprotocol", headers_with("Sec-WebSocket-Protocol", "probekit.v2"), "HTTP/1.1 400",
       "subprotocol probekit.v1 is required"},
      {"version 8", headers_with("Sec-WebSocket-Version", "8"), "HTTP/1.1 426",
       "version 13 of WebSocket is required"},
      {"version 7", headers_with("Sec-WebSocket-Version", "7"), "HTTP/1.1 426",
       "version 13 of WebSocket is required"},
      {"no version", headers_with("Sec-WebSocket-Version", ""), "HTTP/1.1 426",
       "version 13 of WebSocket is required"},
      {"version x", headers_with("Sec-WebSocket-Version", "13x"), "HTTP/1.1 426",
       "version 13 of WebSocket is required"},
      {"an origin", headers_with("Origin", "http://127.0.0.1"), "HTTP/1.1 403",
       "requests with an Origin are not accepted"},
      {"no key", headers_with("Sec-WebSocket-Key", ""), "HTTP/1.1 400",
       "Sec-WebSocket-Key is missing"},
      {"no upgrade", headers_with("Upgrade", ""), "HTTP/1.1 426", "agents connect here"},
  };
  const Case& each = cases[which];
  INFO(each.what);
  RawWebSocket raw(master.port());
  const std::string head = raw.request(each.headers);
  CHECK(status_of(head) == each.status);
  CHECK(head.find(each.reason) != std::string::npos);
  if (std::string(each.status) == "HTTP/1.1 426") {
    CHECK(head.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
    CHECK(head.find("Upgrade: websocket\r\n") != std::string::npos);
  }
  CHECK(raw.read_until("\n").find(each.reason) == 0);
  CHECK(raw.wait_end());
  CHECK(master.door->waiting() == 0);
}

TEST_CASE("a browser that asks for a page is told what the port is for", "[websocket]") {
  Master master;
  RawWebSocket raw(master.port());
  raw.send_bytes("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const std::string head = raw.read_until("\r\n\r\n");
  CHECK(status_of(head) == "HTTP/1.1 426");
  CHECK(head.find("Connection: Upgrade, close\r\n") != std::string::npos);
  CHECK(raw.wait_end());
}

TEST_CASE("garbage gets a clean answer and nothing else", "[websocket]") {
  Master master;
  const std::string tls_hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  for (const std::string& garbage :
       {tls_hello, std::string("\0\0\0\0", 4), std::string(200'000, 'A'), std::string("\r\n\r\n"),
        std::string("GET\r\n\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
        std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n") +
            std::string(100'000, 'x')}) {
    RawWebSocket raw(master.port());
    raw.send_bytes(garbage);
    const std::string head = raw.read_until("\r\n\r\n");
    CHECK(head.compare(0, 10, "HTTP/1.1 4") == 0);
    CHECK(raw.wait_end());
  }
  RawWebSocket good(master.port());
  CHECK(good.open());
  auto peer = master.door->take();
}

TEST_CASE("who says nothing, or too little, is dropped", "[websocket]") {
  WebSocketListenerOptions options;
  options.handshake_timeout = 50ms;
  Master master(options);
  RawWebSocket silent(master.port());
  RawWebSocket slow(master.port());
  slow.send_bytes("GET / HTTP/1.1\r\nHost: x\r\n");
  CHECK(silent.wait_end());
  CHECK(slow.wait_end());
}

TEST_CASE("a newcomer that is not admitted learns when to come again", "[websocket]") {
  Master master;
  run_on(master.loop(), [&] {
    master.door->open = false;
    master.door->retry_after = 12s;
  });
  RawWebSocket raw(master.port());
  const std::string head = raw.request(RawWebSocket::good_headers());
  CHECK(status_of(head) == "HTTP/1.1 429");
  CHECK(head.find("Retry-After: 12\r\n") != std::string::npos);
  Client client(master.url());
  const auto refused = client.connect();
  CHECK(refused.error == errc::handshake_failed);
  CHECK(refused.text.find("HTTP 429 too many newcomers") != std::string::npos);
  CHECK(client.connector().retry_after() == 12s);
}

// --- hostile peers ------------------------------------------------------------------------------

namespace {

struct Hostile {
  Hostile() : raw(master.port()) {
    REQUIRE(raw.open());
    peer = master.door->take();
  }

  void expect_close(CloseCode code) {
    const auto frame = raw.read_frame();
    REQUIRE(frame);
    CHECK(frame->opcode == static_cast<std::uint8_t>(RawOpcode::close));
    CHECK(frame->close_code() == static_cast<std::uint16_t>(code));
    raw.send_frame(RawOpcode::close, frame->payload);
    const CloseReason reason = peer->wait_closed();
    CHECK(reason.code == code);
    CHECK(reason.local);
    CHECK(peer->count() == 0);
    CHECK(raw.wait_end());
  }

  static WebSocketListenerOptions options() {
    WebSocketListenerOptions small;
    small.message_bytes_max = 1000;
    return small;
  }

  Master master{options()};
  RawWebSocket raw;
  std::unique_ptr<Peer> peer;
};

}  // namespace

TEST_CASE("what breaks the protocol ends the connection with a code", "[websocket]") {
  Hostile hostile;
  SECTION("a text message") {
    hostile.raw.send_frame(RawOpcode::text, "{}");
    hostile.expect_close(CloseCode::unsupported);
  }
  SECTION("an empty message") {
    hostile.raw.send_frame(RawOpcode::binary, "");
    hostile.expect_close(CloseCode::policy);
  }
  SECTION("a frame without a mask") {
    hostile.raw.send_frame(RawOpcode::binary, "x", true, false);
    hostile.expect_close(CloseCode::protocol_error);
  }
  SECTION("an unknown opcode") {
    hostile.raw.send_frame(static_cast<RawOpcode>(3), "x");
    hostile.expect_close(CloseCode::protocol_error);
  }
  SECTION("a continuation of nothing") {
    hostile.raw.send_frame(RawOpcode::continuation, "x");
    hostile.expect_close(CloseCode::protocol_error);
  }
  SECTION("a compressed frame nobody agreed to") {
    hostile.raw.send_bytes("\xC2\x81\x01\x02\x03\x04");
    hostile.expect_close(CloseCode::protocol_error);
  }
  SECTION("a message over the limit, refused by its head") {
    hostile.raw.send_frame_head(RawOpcode::binary, 1001);
    hostile.expect_close(CloseCode::too_large);
  }
  SECTION("a message of 2^62 bytes") {
    hostile.raw.send_frame_head(RawOpcode::binary, std::uint64_t{1} << 62U);
    hostile.expect_close(CloseCode::too_large);
  }
  SECTION("a message over the limit in pieces") {
    hostile.raw.send_frame(RawOpcode::binary, std::string(600, 'x'), false);
    hostile.raw.send_frame(RawOpcode::continuation, std::string(600, 'x'), true);
    hostile.expect_close(CloseCode::too_large);
  }
}

TEST_CASE("a message in pieces is one message", "[websocket]") {
  Hostile hostile;
  hostile.raw.send_frame(RawOpcode::binary, "one ", false);
  hostile.raw.send_frame(RawOpcode::ping, "still there?");
  hostile.raw.send_frame(RawOpcode::continuation, "two", true);
  hostile.peer->wait_count(1);
  CHECK(hostile.peer->messages().front() == "one two");
  const auto pong = hostile.raw.read_frame();
  REQUIRE(pong);
  CHECK(pong->opcode == static_cast<std::uint8_t>(RawOpcode::pong));
  CHECK(pong->payload == "still there?");
}

TEST_CASE("a peer that pings and does not read is answered its last ping", "[websocket]") {
  Hostile hostile;
  // Far more pongs than the kernel's buffers would take.
  const std::string filler(100, 'p');
  for (int i = 0; i < 100'000; ++i) hostile.raw.send_frame(RawOpcode::ping, filler);
  hostile.raw.send_frame(RawOpcode::ping, "the last");
  hostile.raw.send_frame(RawOpcode::binary, "and a message");
  hostile.peer->wait_count(1);
  CHECK(hostile.peer->facts().unsent_bytes == 0);
  std::optional<RawFrame> frame;
  do {
    frame = hostile.raw.read_frame();
    REQUIRE(frame);
  } while (frame->payload != "the last");
}

TEST_CASE("a close frame without a code is reported as none", "[websocket]") {
  Hostile hostile;
  hostile.raw.send_frame(RawOpcode::close, "");
  CHECK(hostile.peer->wait_closed().code == CloseCode::none);
  CHECK_FALSE(hostile.peer->wait_closed().local);
}

TEST_CASE("a connection that just ends is abnormal", "[websocket]") {
  auto hostile = std::make_unique<Hostile>();
  ::shutdown(hostile->raw.descriptor(), SHUT_RDWR);
  const CloseReason reason = hostile->peer->wait_closed();
  CHECK(reason.code == CloseCode::abnormal);
  CHECK_FALSE(reason.local);
  CHECK(reason.error);
}

TEST_CASE("a client that sends too much reads why", "[websocket]") {
  for (int round = 0; round < 20; ++round) {
    Hostile hostile;
    hostile.peer.reset();
    Client client(hostile.master.url());
    auto sender = client.connect_and_start();
    auto receiver = hostile.master.door->take();
    // Still being sent while it is refused.
    sender->send_all({std::string(8 * kMiB, 'x')});
    const CloseReason reason = sender->wait_closed();
    CHECK(reason.code == CloseCode::too_large);
    CHECK_FALSE(reason.local);
    const CloseReason ours = receiver->wait_closed();
    CHECK(ours.error == errc::message_too_large);
    CHECK(ours.local);
  }
}

// --- deadlines ----------------------------------------------------------------------------------

namespace {

// Moves the clock and waits until the loop has run what is due by then.
void advance(testing::ManualClock& clock, EventLoop& loop, std::chrono::milliseconds by) {
  clock.advance(by);
  auto seen = std::make_shared<std::atomic<bool>>(false);
  run_on(loop, [&] { loop.call_after(0ms, [seen] { *seen = true; }); });
  run_until([&] { return seen->load(); });
}

}  // namespace

TEST_CASE("a peer that takes nothing for the time limit is closed as stalled", "[websocket]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  WebSocketListenerOptions options;
  options.send_time_limit = 4s;
  Master master(options, clock);
  RawWebSocket raw(master.port(), 4096);
  REQUIRE(raw.open());
  auto peer = master.door->take();
  peer->send_all(std::vector<std::string>(24, std::string(kMiB, 'x')));
  // Until the kernel takes no more.
  std::size_t queued = 0;
  run_until([&] {
    return peer->facts().send_queue_bytes ==
               std::exchange(queued, peer->facts().send_queue_bytes) &&
           queued > 0;
  });
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) advance(*clock, master.loop(), 800ms);
  };
  SECTION("told with what was measured") {
    steps(4);
    CHECK_FALSE(peer->closed());
    steps(3);
    const CloseReason reason = peer->wait_closed();
    CHECK(reason.code == CloseCode::stalled);
    CHECK(reason.local);
    CHECK(peer->facts().unsent_bytes == 24 * kMiB);
    CHECK(peer->facts().send_queue_bytes > 0);
    CHECK(raw.wait_end());
  }
  SECTION("also when it is being closed") {
    peer->close(CloseCode::going_away, "");
    steps(7);
    CHECK(peer->wait_closed().code == CloseCode::stalled);
  }
  SECTION("but not while it takes a little") {
    std::array<char, 16 * 1024> bytes;
    for (int i = 0; i < 6; ++i) {
      steps(3);
      const auto acked = peer->facts().bytes_acked;
      run_until([&] {
        static_cast<void>(::recv(raw.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT));
        return peer->facts().bytes_acked > acked;
      });
    }
    CHECK_FALSE(peer->closed());
  }
  SECTION("and a loop that was frozen looks once more") {
    steps(2);
    advance(*clock, master.loop(), 600s);
    CHECK_FALSE(peer->closed());
    steps(1);
    CHECK(peer->wait_closed().code == CloseCode::stalled);
  }
  SECTION("and a loop that is always late judges too") {
    steps(2);
    advance(*clock, master.loop(), 600s);
    CHECK_FALSE(peer->closed());
    advance(*clock, master.loop(), 600s);
    CHECK(peer->wait_closed().code == CloseCode::stalled);
  }
}

TEST_CASE("a connection with nothing to send does not stall", "[websocket]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  Master master({}, clock);
  Client client(master.url());
  auto peer = client.connect_and_start();
  auto server = master.door->take();
  server->send("x");
  peer->wait_count(1);
  for (int i = 0; i < 5; ++i) advance(*clock, master.loop(), 30s);
  CHECK_FALSE(server->closed());
  server->send("y");
  peer->wait_count(2);
}

TEST_CASE("closing towards a dead peer is bounded", "[websocket]") {
  Master master;
  RawWebSocket raw(master.port());
  REQUIRE(raw.open());
  auto peer = master.door->take();
  peer->close(CloseCode::going_away, "bye");
  const CloseReason reason = peer->wait_closed(8s);
  CHECK(reason.code == CloseCode::going_away);
  CHECK(reason.local);
  CHECK(reason.error == errc::timed_out);
  const auto frame = raw.read_frame();
  REQUIRE(frame);
  CHECK(frame->close_code() == 1001);
  CHECK(frame->close_text() == "bye");
  CHECK(raw.wait_end());
}

// --- the listener -------------------------------------------------------------------------------

TEST_CASE("without descriptors a listener waits instead of spinning", "[websocket]") {
  const auto lines = std::make_shared<Lines>();
  WebSocketListenerOptions options;
  options.log = std::make_shared<Log>(std::make_unique<LineSink>(lines), LogOptions{});
  Master master(options);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  // The first call of a sink, because UBSan needs descriptors to look at its type.
  options.log->write(LogLevel::info, "test", "begins");
  options.log->flush();
  auto gate = std::make_unique<Gate>(master.loop());
  RawWebSocket raw(master.port());  // in the kernel's backlog
  // No descriptor is free until this limit is lifted.
  std::vector<int> fillers;
  rlimit low = before;
  low.rlim_cur = 256;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  for (int copy = ::dup(0); copy >= 0; copy = ::dup(0)) fillers.push_back(copy);
  const auto cpu = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  };
  const auto cpu_before = cpu();
  gate->open();
  const SteadyTime start = system_clock()->steady_now();
  ::poll(nullptr, 0, 1000);
  const auto spent = cpu() - cpu_before;
  const auto passed = system_clock()->steady_now() - start;
  for (const int copy : fillers) ::close(copy);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(spent < passed / 4);
  CHECK(raw.open());
  auto peer = master.door->take();
  options.log->flush();
  CHECK(lines->count("accepting waits") >= 1);
  CHECK(lines->count("accepting waits") <= 5);
}

TEST_CASE("connections over a limit are closed at once", "[websocket]") {
  WebSocketListenerOptions options;
  SECTION("in all") {
    options.connections_max = 2;
    options.connections_per_address_max = 3;
  }
  SECTION("from one address") { options.connections_per_address_max = 2; }
  SECTION("from one address, by default as many as in all") { options.connections_max = 2; }
  Master master(options);
  auto first = std::make_unique<RawWebSocket>(master.port());
  RawWebSocket second(master.port());
  REQUIRE(first->open());
  REQUIRE(second.open());
  auto one = master.door->take();
  auto two = master.door->take();
  RawWebSocket third(master.port());
  CHECK(third.wait_end());
  // One that leaves makes room.
  first.reset();
  one->wait_closed();
  one.reset();
  run_until([&] {
    RawWebSocket again(master.port());
    return again.open();
  });
  auto again = master.door->take();
}

// Behind nginx all agents have one address.
TEST_CASE("one address may have all the connections", "[websocket]") {
  constexpr std::size_t kOthers = 4100;
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit high{limit.rlim_max, limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &high) == 0);
  if (limit.rlim_max < 2 * kOthers + 200) {
    WARN("too few descriptors: " << limit.rlim_max);
    return;
  }
  {
    WebSocketListenerOptions options;
    options.handshake_timeout = 120s;
    Master master(options);
    std::vector<std::unique_ptr<RawWebSocket>> others;
    for (std::size_t i = 0; i < kOthers; ++i) {
      others.push_back(std::make_unique<RawWebSocket>(master.port()));
    }
    RawWebSocket last(master.port());
    CHECK(last.open());
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_CASE("a listener says what it cannot do", "[websocket]") {
  Master master;
  auto loop = make_running_loop("loop");
  Door door(*loop);
  WebSocketListenerOptions options;
  options.port = master.port();
  run_on(*loop, [&] {
    auto listener = make_websocket_listener(options);
    const auto started = listener->start(*loop, door);
    REQUIRE_FALSE(started);
    CHECK(started.error().code() == errc::address_in_use);
  });
  options.port = 0;
  options.host = "192.0.2.1";  // TEST-NET-1: nobody has it
  run_on(*loop, [&] {
    auto listener = make_websocket_listener(options);
    const auto started = listener->start(*loop, door);
    REQUIRE_FALSE(started);
    CHECK(started.error().code() == errc::invalid_argument);
  });
  options.host = "localhost";
  CHECK_THROWS_AS(make_websocket_listener(options), std::invalid_argument);
  options = {};
  options.message_bytes_max = 0;
  CHECK_THROWS_AS(make_websocket_listener(options), std::invalid_argument);
  options = {};
  options.handshake_timeout = 0ms;
  CHECK_THROWS_AS(make_websocket_listener(options), std::invalid_argument);
}

TEST_CASE("a listener on IPv6 gives a URL that connectors take", "[websocket]") {
  auto loop = make_running_loop("loop");
  Door door(*loop);
  WebSocketListenerOptions options;
  options.host = "::1";
  options.port = 0;
  auto listener = make_websocket_listener(options);
  std::string url;
  std::string trouble;
  run_on(*loop, [&] {
    const auto started = listener->start(*loop, door);
    if (started) {
      url = *started;
    } else {
      trouble = started.error().message();
    }
  });
  if (url.empty()) {  // a machine without IPv6 says so
    CHECK(trouble.find("::1") != std::string::npos);
  } else {
    CHECK(url.compare(0, 11, "ws://[::1]:") == 0);
    Client client(url);
    auto peer = client.connect_and_start();
    auto server = door.take();
    peer->send("x");
    server->wait_count(1);
    CHECK(server->facts().peer.compare(0, 6, "[::1]:") == 0);
  }
  run_on(*loop, [&] { listener.reset(); });
}

// --- the connector ------------------------------------------------------------------------------

TEST_CASE("a connector tells why it got no connection", "[websocket]") {
  SECTION("nobody listens") {
    Client client("ws://127.0.0.1:" + std::to_string(free_port()) + "/ws");
    const auto failed = client.connect();
    CHECK(failed.error == errc::connection_failed);
    CHECK(failed.text.find("refused") != std::string::npos);
  }
  SECTION("nobody answers") {
    BareServer server;
    WebSocketConnectorOptions options;
    options.handshake_timeout = 60ms;
    Client client(server.url(), options);
    const auto failed = client.connect();
    CHECK(failed.error == errc::timed_out);
    CHECK(failed.text.find("opening handshake") != std::string::npos);
  }
  const auto answered = [](const std::string& answer) {
    BareServer server;
    std::thread answering([&] { server.answer_once(answer); });
    Client client(server.url());
    auto failed = client.connect();
    answering.join();
    CHECK_FALSE(failed.peer);
    CHECK(failed.error == errc::handshake_failed);
    return failed.text + " after " + std::to_string(client.connector().retry_after().count());
  };
  SECTION("an error and when to come again") {
    const std::string text =
        answered("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n\r\n");
    CHECK(text.find("HTTP 503 Service Unavailable") != std::string::npos);
    CHECK(text.find(" after 30") != std::string::npos);
  }
  SECTION("when to come again is bounded, and ignored when it is a date") {
    CHECK(answered("HTTP/1.1 429 X\r\nRetry-After: 99999999999\r\n\r\n").find(" after 3600") !=
          std::string::npos);
    CHECK(answered("HTTP/1.1 429 X\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n")
              .find(" after 0") != std::string::npos);
  }
  SECTION("a wrong accept") {
    answered(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: x\r\n\r\n");
  }
  SECTION("a status that is none") {
    for (const char* const status : {"999903", "99", "600", "20", "2x0", "-200", ""}) {
      INFO(status);
      const std::string text = answered("HTTP/1.1 " + std::string(status) + " x\r\n\r\n");
      CHECK(text.find("HTTP " + std::string(status)) == std::string::npos);
    }
  }
  SECTION("bytes that are not HTTP") { answered("220 mail.example ESMTP\r\n\r\n"); }
  SECTION("nothing, and the end") { answered(""); }
  SECTION("a status that writes to terminals") {
    CHECK(answered("HTTP/1.1 500 \x1b[31mred\r\n\r\n").find('\x1b') == std::string::npos);
  }
}

TEST_CASE("a connector resolves names without its loop waiting", "[websocket]") {
  Master master;
  Client client("ws://localhost:" + std::to_string(master.port()) + "/ws");
  auto peer = client.connect_and_start();
  auto server = master.door->take();
  peer->send("x");
  server->wait_count(1);
  // Destroyed while it resolves.
  run_on(client.loop(), [&] {
    client.connector().connect(client.loop(), [](Expected<std::unique_ptr<Connection>>) {});
    client.connector().cancel();
  });
}

TEST_CASE("an address that is silent leaves time for the next", "[websocket]") {
  Master master;
  WebSocketConnectorOptions options;
  options.handshake_timeout = 4s;
  options.urls = {"ws://master.test:" + std::to_string(master.port()) + "/ws"};
  auto loop = make_running_loop("client");
  auto connector = make_websocket_connector(options, [](const std::string& host) {
    LookUpAnswer answer;
    if (host == "master.test") answer.addresses = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
    return answer;
  });
  const auto reaches = [&] {
    const auto result = connect_and_wait(*loop, *connector);
    INFO(result.text);
    CHECK(result.peer);
  };
  SECTION("to every packet") {
    const SilentPort first("127.0.0.2", master.port());
    const SilentPort second("127.0.0.3", master.port());
    reaches();
  }
  SECTION("to the opening handshake") {
    const BareServer first("127.0.0.2", master.port());
    reaches();
  }
  SECTION("or ends in it") {
    const BareServer first("127.0.0.2", master.port());
    std::thread answering([&] { first.answer_once(""); });
    reaches();
    answering.join();
  }
  SECTION("or refuses") { reaches(); }
  SECTION("and all of them are told by their last") {
    const SilentPort first("127.0.0.2", master.port());
    options.handshake_timeout = 100ms;
    auto hasty = make_websocket_connector(options, [](const std::string&) {
      return LookUpAnswer{{"127.0.0.2", "127.0.0.2"}, ""};
    });
    const auto failed = connect_and_wait(*loop, *hasty);
    CHECK(failed.error == errc::timed_out);
    CHECK(failed.text.find("connecting") != std::string::npos);
    run_on(*loop, [&] { hasty.reset(); });
  }
  run_on(*loop, [&] { connector.reset(); });
}

TEST_CASE("a connector tries each of its masters", "[websocket]") {
  Master master;
  WebSocketConnectorOptions options;
  for (int i = 0; i < 3; ++i) {
    options.urls.push_back("ws://127.0.0.1:" + std::to_string(free_port()) + "/ws");
  }
  options.urls.push_back(master.url());
  const auto urls = options.urls;
  auto loop = make_running_loop("client");
  auto connector = make_websocket_connector(options);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> tried;
    int successes = 0;
    for (std::size_t i = 0; i < urls.size(); ++i) {
      auto result = connect_and_wait(*loop, *connector);
      successes += result.peer ? 1 : 0;
      tried.push_back(connector->url());
    }
    CHECK(successes == 1);
    CHECK_THAT(tried, Catch::UnorderedEquals(urls));
    master.door->take();
  }
  run_on(*loop, [&] { connector.reset(); });
}

TEST_CASE("a receive buffer that is asked for bounds the window", "[websocket]") {
  Master master;
  WebSocketConnectorOptions options;
  options.receive_buffer_bytes = 8192;
  Client client(master.url(), options);
  auto peer = client.connect_and_start();
  auto server = master.door->take();
  server->send("x");
  peer->wait_count(1);
  run_until([&] {
    const auto window = server->facts().peer_window_bytes;
    return window > 0 && window <= 16384;
  });
}

TEST_CASE("URLs that cannot work are refused by name", "[websocket]") {
  const auto refusal = [](const std::string& url) -> std::string {
    WebSocketConnectorOptions options;
    options.urls = {url};
    try {
      make_websocket_connector(options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(refusal("ws://127.0.0.1:8765/ws") == "accepted");
  CHECK(refusal("ws://[::1]") == "accepted");
  CHECK(refusal("WS://master.example?x=1") == "accepted");
  CHECK(refusal("http://master.example/").find("ws://") != std::string::npos);
  CHECK(refusal("").find("ws://") != std::string::npos);
  CHECK(refusal("ws://").find("host") != std::string::npos);
  CHECK(refusal("ws://:80/").find("host") != std::string::npos);
  CHECK(refusal("ws://a:0/").find("port") != std::string::npos);
  CHECK(refusal("ws://a:65536/").find("port") != std::string::npos);
  CHECK(refusal("ws://a:x/").find("port") != std::string::npos);
  CHECK(refusal("ws://::1/").find("accepted") == std::string::npos);
  CHECK(refusal("ws://[::x]/").find("IPv6") != std::string::npos);
  CHECK(refusal("ws://user:pass@a/").find("password") != std::string::npos);
  CHECK(refusal("ws://user:pass@a/").find("pass@") == std::string::npos);
  CHECK(refusal("ws://a/#b").find("fragment") != std::string::npos);
  CHECK(refusal("ws://a/ b").find("printable") != std::string::npos);
  CHECK(refusal("ws://a/\r\nX: y").find("printable") != std::string::npos);
  CHECK(refusal("ws://a/" + std::string(3000, 'x')).find("2048") != std::string::npos);
  CHECK_THROWS_AS(make_websocket_connector({}), std::invalid_argument);
}

// --- nginx --------------------------------------------------------------------------------------

TEST_CASE("connections go through nginx, with their close codes and refusals",
          "[websocket][nginx]") {
  Master master;
  NginxOptions nginx_options;
  nginx_options.upstream_port = master.port();
  SECTION("path kept") { nginx_options.strip_path = false; }
  SECTION("path stripped") { nginx_options.strip_path = true; }
  Nginx nginx(nginx_options);
  Client client(nginx.url());
  {
    auto peer = client.connect_and_start();
    auto server = master.door->take();
    std::deque<std::string> messages;
    for (std::size_t i = 0; i < 200; ++i) messages.push_back(std::string(1 + i * 997, 'm'));
    peer->send_paced(messages);
    server->send_paced(messages);
    peer->wait_count(messages.size());
    server->wait_count(messages.size());
    CHECK(peer->bytes() == server->bytes());
    peer->send_all(std::vector<std::string>(8, std::string(kMiB, 'x')));
    peer->close(CloseCode::replaced, "and gone");
    const CloseReason reason = server->wait_closed();
    CHECK(reason.code == CloseCode::replaced);
    CHECK(reason.text == "and gone");
    CHECK(server->count() == messages.size() + 8);
    CHECK_FALSE(peer->wait_closed().error);
  }
  run_on(master.loop(), [&] {
    master.door->open = false;
    master.door->retry_after = 3s;
  });
  const auto refused = client.connect();
  CHECK(refused.error == errc::handshake_failed);
  CHECK(refused.text.find("HTTP 429 too many newcomers") != std::string::npos);
  CHECK(client.connector().retry_after() == 3s);
}
