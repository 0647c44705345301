// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// What every transport promises, run over each of them, with both ends on one loop and on two.

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>

#include "../../examples/library/tapped_transport.hpp"
#include "probekit/transport.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/https_test_server_openssl.hpp"
#include "support/run_until.hpp"
#include "support/transport_world.hpp"
#include "transport/websocket_listener.hpp"

namespace {

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1024 * 1024;

struct MemoryTransport {
  std::unique_ptr<Listener> make_listener() { return network.listener(); }
  std::unique_ptr<Connector> make_connector(const std::string&) { return network.connector(); }

  MemoryNetwork network;
};

struct WebSocketTransport {
  std::unique_ptr<Listener> make_listener() {
    WebSocketListenerOptions options;
    options.port = 0;
    return make_websocket_listener(options);
  }
  std::unique_ptr<Connector> make_connector(const std::string& url) {
    WebSocketConnectorOptions options;
    options.urls = {url};
    return make_websocket_connector(options);
  }
};

// That of docs/writing_a_transport.md, around the one in memory.
struct TappedTransport {
  static bool pass(examples::Way, std::string_view) { return true; }
  std::unique_ptr<Listener> make_listener() { return examples::tapped(network.listener(), pass); }
  std::unique_ptr<Connector> make_connector(const std::string&) {
    return examples::tapped(network.connector(), pass);
  }

  MemoryNetwork network;
};

struct TlsTransport {
  std::unique_ptr<Listener> make_listener() {
    WebSocketListenerOptions options;
    options.port = 0;
    return make_websocket_listener(options,
                                   make_tls_server_context(files().certificate(), files().key()));
  }
  std::unique_ptr<Connector> make_connector(const std::string& url) {
    WebSocketConnectorOptions options;
    options.urls = {url};
    options.ca_file = authority().file();
    return make_websocket_connector(options);
  }

  static const TestAuthority& authority() {
    static const TestAuthority made;
    return made;
  }
  static const CertificateFiles& files() {
    static const CertificateFiles made(authority(), {"127.0.0.1", false});
    return made;
  }
};

template <class Transport, bool kTwoLoops>
class World {
 public:
  World() {
    run_on(listening_loop(), [this] {
      listener_ = transport.make_listener();
      auto started = listener_->start(listening_loop(), door);
      if (started) url_ = *started;
    });
    REQUIRE_FALSE(url_.empty());
    connector_ = transport.make_connector(url_);
  }
  ~World() {
    run_on(connecting_loop(), [this] { connector_.reset(); });
    run_on(listening_loop(), [this] { listener_.reset(); });
  }

  EventLoop& listening_loop() { return *first_; }
  EventLoop& connecting_loop() { return kTwoLoops ? *second_ : *first_; }
  Listener& listener() { return *listener_; }
  Connector& connector() { return *connector_; }
  const std::string& url() const { return url_; }

  // The connecting side first; both started.
  std::pair<std::unique_ptr<Peer>, std::unique_ptr<Peer>> connect() {
    auto result = connect_and_wait(connecting_loop(), connector());
    INFO(result.text);
    REQUIRE(result.peer);
    result.peer->start();
    return {std::move(result.peer), door.take()};
  }

  Transport transport;

 private:
  std::unique_ptr<EventLoop> first_ = make_running_loop("listening");
  std::unique_ptr<EventLoop> second_ = make_running_loop("connecting");

 public:
  Door door{*first_};

 private:
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connector> connector_;
  std::string url_;
};

using MemoryOneLoop = World<MemoryTransport, false>;
using MemoryTwoLoops = World<MemoryTransport, true>;
using TappedOneLoop = World<TappedTransport, false>;
using TappedTwoLoops = World<TappedTransport, true>;
using WebSocketOneLoop = World<WebSocketTransport, false>;
using WebSocketTwoLoops = World<WebSocketTransport, true>;
using TlsOneLoop = World<TlsTransport, false>;
using TlsTwoLoops = World<TlsTransport, true>;

#define EVERY_TRANSPORT                                                           \
  MemoryOneLoop, MemoryTwoLoops, TappedOneLoop, TappedTwoLoops, WebSocketOneLoop, \
      WebSocketTwoLoops, TlsOneLoop, TlsTwoLoops
#define TRANSPORTS_ON_TWO_LOOPS MemoryTwoLoops, TappedTwoLoops, WebSocketTwoLoops, TlsTwoLoops

std::string pattern(std::size_t size, std::size_t seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 31 + seed * 7) & 0xFFU);
  return text;
}

}  // namespace

TEMPLATE_TEST_CASE("messages of 1 byte to 1 MiB arrive whole and in order, both ways at once",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  std::deque<std::string> up;
  std::deque<std::string> down;
  std::size_t seed = 0;
  for (std::size_t size :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{8}, std::size_t{125},
        std::size_t{126}, std::size_t{127}, std::size_t{4096}, std::size_t{65535},
        std::size_t{65536}, std::size_t{65537}, std::size_t{300'001}, kMiB}) {
    up.push_back(pattern(size, ++seed));
    down.push_back(pattern(size, ++seed));
    up.push_back(pattern(3, ++seed));
  }
  const std::vector<std::string> sent_up(up.begin(), up.end());
  const std::vector<std::string> sent_down(down.begin(), down.end());
  client->send_paced(std::move(up));
  server->send_paced(std::move(down));
  server->wait_count(sent_up.size());
  client->wait_count(sent_down.size());
  CHECK((server->messages() == sent_up));
  CHECK((client->messages() == sent_down));
  run_until([&, c = client.get()] { return c->send_room() == Connection::kSendRoom; });
  run_until([&, s = server.get()] { return s->send_room() == Connection::kSendRoom; });
}

TEMPLATE_TEST_CASE("thousands of small messages arrive in order", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  constexpr std::size_t kCount = 20'000;
  std::deque<std::string> messages;
  for (std::size_t i = 0; i < kCount; ++i) messages.push_back(std::to_string(i));
  client->send_paced(messages);
  server->send_paced(messages);
  server->wait_count(kCount);
  client->wait_count(kCount);
  bool in_order = true;
  const auto up = server->messages();
  const auto down = client->messages();
  for (std::size_t i = 0; i < kCount; ++i) {
    in_order = in_order && up[i] == messages[i] && down[i] == messages[i];
  }
  CHECK(in_order);
}

TEMPLATE_TEST_CASE("what a peer does not take is counted to the byte and told when taken",
                   "[transport][contract]", TRANSPORTS_ON_TWO_LOOPS) {
  TestType world;
  auto [client, server] = world.connect();
  Peer* sender = client.get();
  Peer* receiver = server.get();
  EventLoop* stopped = &world.listening_loop();
  SECTION("by the connecting side") {}
  SECTION("by the listening side") {
    std::swap(sender, receiver);
    stopped = &world.connecting_loop();
  }
  constexpr std::size_t kCount = 24;
  std::vector<std::string> messages;
  for (std::size_t i = 0; i < kCount; ++i) messages.push_back(pattern(kMiB, i));
  {
    Gate gate(*stopped);
    sender->send_all(messages);
    // More than all buffers of the kernel: the count cannot reach 0 while nobody reads.
    for (int round = 0; round < 200; ++round) REQUIRE(sender->send_room() == 0);
    CHECK(sender->facts().unsent_bytes == kCount * kMiB);
    CHECK(sender->writable_calls() == 0);
  }
  receiver->wait_count(kCount);
  CHECK((receiver->messages() == messages));
  run_until([&] { return sender->writable_calls() == 1; });
  CHECK(sender->send_room() == Connection::kSendRoom);
  CHECK(sender->facts().unsent_bytes == 0);
}

TEMPLATE_TEST_CASE("the room is what was not yet sent, and a message over it goes alone",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  run_on(world.connecting_loop(), [&, c = client.get()] {
    CHECK(c->send_room() == Connection::kSendRoom);
    c->send(std::string(1000, 'a'));
    CHECK(c->send_room() == Connection::kSendRoom - 1000);
    c->send(std::string(Connection::kSendRoom, 'b'));
    CHECK(c->send_room() == 0);
    CHECK(c->facts().unsent_bytes == Connection::kSendRoom + 1000);
  });
  run_until([&, c = client.get()] { return c->writable_calls() == 1; });
  CHECK(client->send_room() == Connection::kSendRoom);
  client->send(std::string(kMiB, 'c'));
  server->wait_count(3);
}

TEMPLATE_TEST_CASE("closing sends everything first and tells code and text",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  Peer* closer = client.get();
  Peer* other = server.get();
  SECTION("the connecting side") {}
  SECTION("the listening side") { std::swap(closer, other); }
  std::vector<std::string> messages;
  for (std::size_t i = 0; i < 16; ++i) messages.push_back(pattern(kMiB, i));
  run_on(closer == client.get() ? world.connecting_loop() : world.listening_loop(), [&] {
    closer->send_all(messages);
    closer->close(CloseCode::going_away, "the master restarts");
    closer->close(CloseCode::normal, "a second call changes nothing");
    closer->send("dropped");
  });
  const CloseReason theirs = other->wait_closed();
  CHECK(theirs.code == CloseCode::going_away);
  CHECK(theirs.text == "the master restarts");
  CHECK_FALSE(theirs.local);
  CHECK((other->messages() == messages));
  const CloseReason ours = closer->wait_closed();
  CHECK(ours.code == CloseCode::going_away);
  CHECK(ours.text == "the master restarts");
  CHECK(ours.local);
  CHECK_FALSE(ours.error);
}

TEMPLATE_TEST_CASE("every close code travels", "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  for (const CloseCode code :
       {CloseCode::normal, CloseCode::going_away, CloseCode::protocol_error, CloseCode::unsupported,
        CloseCode::policy, CloseCode::too_large, CloseCode::internal, CloseCode::rejected,
        CloseCode::accounting, CloseCode::replaced, CloseCode::silent, CloseCode::stalled}) {
    for (const bool from_client : {true, false}) {
      auto [client, server] = world.connect();
      (from_client ? client : server)->close(code, "why");
      const CloseReason heard = (from_client ? server : client)->wait_closed();
      INFO(static_cast<int>(code));
      CHECK(heard.code == code);
      CHECK(heard.text == "why");
      CHECK_FALSE(heard.local);
      const CloseReason said = (from_client ? client : server)->wait_closed();
      CHECK(said.code == code);
      CHECK(said.local);
    }
  }
}

TEMPLATE_TEST_CASE("a close text is cut between characters and made valid", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  {
    auto [client, server] = world.connect();
    client->close(CloseCode::normal, std::string(122, 'x') + "\xC3\xA9");
    CHECK(server->wait_closed().text == std::string(122, 'x'));
  }
  {
    auto [client, server] = world.connect();
    server->close(CloseCode::normal, "\xFF!");
    CHECK(client->wait_closed().text == "\xEF\xBF\xBD!");
  }
}

TEMPLATE_TEST_CASE("both sides may close at once", "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  for (int round = 0; round < 20; ++round) {
    auto [client, server] = world.connect();
    client->close(CloseCode::normal, "client");
    server->close(CloseCode::going_away, "server");
    client->wait_closed();
    server->wait_closed();
  }
}

TEMPLATE_TEST_CASE("aborting ends at once and is told after the call", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  Peer* aborter = client.get();
  Peer* other = server.get();
  SECTION("by the connecting side") {}
  SECTION("by the listening side") { std::swap(aborter, other); }
  aborter->abort(CloseCode::silent, "not a byte");
  const CloseReason ours = aborter->wait_closed();
  CHECK(ours.code == CloseCode::silent);
  CHECK(ours.text == "not a byte");
  CHECK(ours.local);
  const CloseReason theirs = other->wait_closed();
  CHECK(theirs.code == CloseCode::abnormal);
  CHECK_FALSE(theirs.local);
  CHECK(theirs.error);
  aborter->send("dropped");
  aborter->close(CloseCode::normal, "");
  aborter->abort(CloseCode::normal, "");
}

TEMPLATE_TEST_CASE("a destroyed connection tells its peer and nobody else", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  SECTION("the connecting side") {
    client->send(std::string(kMiB, 'x'));
    client->destroy();
    CHECK(server->wait_closed().code == CloseCode::abnormal);
    CHECK_FALSE(client->closed());
  }
  SECTION("the listening side") {
    server->send(std::string(kMiB, 'x'));
    server->destroy();
    CHECK(client->wait_closed().code == CloseCode::abnormal);
    CHECK_FALSE(server->closed());
  }
  SECTION("both") {
    client->destroy();
    server->destroy();
  }
}

TEMPLATE_TEST_CASE("a connection may be destroyed in each of its callbacks",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto result = connect_and_wait(world.connecting_loop(), world.connector());
  REQUIRE(result.peer);
  auto client = std::move(result.peer);
  auto server = world.door.take();
  std::atomic<bool> destroyed{false};
  const auto destroy = [&, c = client.get()] {
    c->destroy();
    destroyed = true;
  };
  SECTION("on_message") {
    client->then_message = destroy;
    client->start();
    server->send_all({"one", "two", "three"});
    run_until([&] { return destroyed.load(); });
    server->wait_closed();
    CHECK(client->count() == 1);
  }
  SECTION("on_writable") {
    client->then_writable = destroy;
    client->start();
    client->send(std::string(Connection::kSendRoom, 'x'));
    run_until([&] { return destroyed.load(); });
    server->wait_closed();
  }
  SECTION("on_closed") {
    client->then_closed = destroy;
    client->start();
    server->close(CloseCode::normal, "");
    run_until([&] { return destroyed.load(); });
    server->wait_closed();
  }
}

TEMPLATE_TEST_CASE("a connection may close or abort in each of its callbacks",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto result = connect_and_wait(world.connecting_loop(), world.connector());
  REQUIRE(result.peer);
  auto client = std::move(result.peer);
  auto server = world.door.take();
  SECTION("closing in on_message") {
    client->then_message = [c = client.get()] { c->close(CloseCode::policy, "enough"); };
    client->start();
    server->send_all({"one", "two"});
    CHECK(server->wait_closed().code == CloseCode::policy);
    CHECK(client->wait_closed().local);
  }
  SECTION("aborting in on_message") {
    client->then_message = [c = client.get()] { c->abort(CloseCode::policy, "enough"); };
    client->start();
    server->send_all({"one", "two"});
    CHECK(client->wait_closed().code == CloseCode::policy);
    CHECK(client->count() == 1);
    server->wait_closed();
  }
  SECTION("aborting in on_writable") {
    client->then_writable = [c = client.get()] { c->abort(CloseCode::policy, "enough"); };
    client->start();
    client->send(std::string(Connection::kSendRoom, 'x'));
    CHECK(client->wait_closed().code == CloseCode::policy);
    server->wait_closed();
  }
}

TEMPLATE_TEST_CASE("nothing is reported before start", "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  run_on(world.listening_loop(), [&] { world.door.start = false; });
  auto result = connect_and_wait(world.connecting_loop(), world.connector());
  REQUIRE(result.peer);
  auto client = std::move(result.peer);
  auto server = world.door.take();
  SECTION("messages wait") {
    client->start();
    for (int i = 0; i < 10; ++i) server->send(std::to_string(i));
    client->send("hello");
    client->send(std::string(Connection::kSendRoom, 'x'));
    client->wait_count(10);
    CHECK(server->count() == 0);
    server->start();
    server->wait_count(2);
    CHECK(server->messages().front() == "hello");
    run_until([c = client.get()] { return c->writable_calls() == 1; });
  }
  SECTION("the end waits") {
    client->start();
    client->send("last words");
    client->close(CloseCode::normal, "bye");
    CHECK_FALSE(server->closed());
    server->start();
    CHECK(server->wait_closed().code == CloseCode::normal);
    CHECK(server->messages() == std::vector<std::string>{"last words"});
    client->wait_closed();
  }
  SECTION("an abort waits too") {
    server->abort(CloseCode::rejected, "never mind");
    CHECK_FALSE(server->closed());
    server->start();
    CHECK(server->wait_closed().code == CloseCode::rejected);
    client->start();
    client->wait_closed();
  }
}

TEMPLATE_TEST_CASE("a receiver that throws loses its connection and not its loop",
                   "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto result = connect_and_wait(world.connecting_loop(), world.connector());
  REQUIRE(result.peer);
  auto client = std::move(result.peer);
  auto server = world.door.take();
  client->then_message = [] { throw std::runtime_error("a defect"); };
  client->start();
  server->send("x");
  CHECK(client->wait_closed().code == CloseCode::internal);
  server->wait_closed();
  auto [again, other] = world.connect();
  again->send("still here");
  other->wait_count(1);
}

TEMPLATE_TEST_CASE("where nobody listens a connection fails", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  run_on(world.listening_loop(), [&] {
    world.listener().stop();
    world.listener().stop();
  });
  const auto failed = connect_and_wait(world.connecting_loop(), world.connector());
  CHECK_FALSE(failed.peer);
  CHECK(failed.error == errc::connection_failed);
  CHECK_FALSE(failed.text.empty());
  // Open connections go on.
  client->send("still here");
  server->wait_count(1);
}

TEMPLATE_TEST_CASE("a refused newcomer learns when to come again", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  run_on(world.listening_loop(), [&] {
    world.door.open = false;
    world.door.retry_after = 7s;
  });
  const auto refused = connect_and_wait(world.connecting_loop(), world.connector());
  CHECK_FALSE(refused.peer);
  CHECK(refused.error == errc::handshake_failed);
  CHECK(world.connector().retry_after() == 7s);
  CHECK(world.connector().url() == world.url());
  CHECK(world.door.waiting() == 0);
  run_on(world.listening_loop(), [&] { world.door.open = true; });
  auto [client, server] = world.connect();
  CHECK(world.connector().retry_after() == 0s);
}

TEMPLATE_TEST_CASE("a cancelled attempt says nothing", "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  std::atomic<int> calls{0};
  SECTION("cancelled at once") {
    run_on(world.connecting_loop(), [&] {
      world.connector().connect(world.connecting_loop(), [&](auto&&) { ++calls; });
      world.connector().cancel();
      world.connector().cancel();
    });
  }
  SECTION("cancelled after so many turns of the loop") {
    for (int turns = 0; turns < 12; ++turns) {
      run_on(world.connecting_loop(),
             [&] { world.connector().connect(world.connecting_loop(), [&](auto&&) { ++calls; }); });
      for (int i = 0; i < turns; ++i) run_on(world.connecting_loop(), [] {});
      int before = 0;
      run_on(world.connecting_loop(), [&] {
        world.connector().cancel();
        before = calls;
      });
      run_on(world.connecting_loop(), [] {});
      run_on(world.connecting_loop(), [&] { CHECK(calls == before); });
    }
    calls = 0;
  }
  SECTION("destroyed") {
    run_on(world.connecting_loop(), [&] {
      auto connector = world.transport.make_connector(world.url());
      connector->connect(world.connecting_loop(), [&](auto&&) { ++calls; });
    });
  }
  SECTION("replaced by another") {
    run_on(world.connecting_loop(),
           [&] { world.connector().connect(world.connecting_loop(), [&](auto&&) { ++calls; }); });
    run_on(world.connecting_loop(), [&] { world.connector().cancel(); });
    calls = 0;
    auto result = connect_and_wait(world.connecting_loop(), world.connector());
    CHECK(result.peer);
  }
  run_on(world.connecting_loop(), [] {});
  run_on(world.listening_loop(), [] {});
  run_on(world.connecting_loop(), [] {});
  CHECK(calls == 0);
}

TEMPLATE_TEST_CASE("connections measure themselves", "[transport][contract]", EVERY_TRANSPORT) {
  TestType world;
  auto [client, server] = world.connect();
  client->send(std::string(50'000, 'x'));
  server->wait_count(1);
  const ConnectionFacts there = server->facts();
  CHECK_FALSE(there.peer.empty());
  CHECK(there.bytes_received >= 50'000);
  CHECK(there.recv_queue_bytes == 0);
  run_until([c = client.get()] { return c->facts().bytes_acked >= 50'000; });
  CHECK(client->facts().unsent_bytes == 0);
  // They can still be read when it is over.
  client->close(CloseCode::normal, "");
  server->wait_closed();
  CHECK(server->facts().bytes_received >= 50'000);
}

TEMPLATE_TEST_CASE("bytes that are not read show in the receive queue", "[transport][contract]",
                   EVERY_TRANSPORT) {
  TestType world;
  run_on(world.listening_loop(), [&] { world.door.start = false; });
  auto result = connect_and_wait(world.connecting_loop(), world.connector());
  REQUIRE(result.peer);
  auto client = std::move(result.peer);
  auto server = world.door.take();
  client->start();
  client->send(std::string(20'000, 'x'));
  // It may come in pieces, each of which counts.
  run_until([s = server.get()] { return s->facts().recv_queue_bytes >= 20'000; });
  CHECK(server->facts().bytes_received >= 20'000);
  server->start();
  server->wait_count(1);
  CHECK(server->facts().recv_queue_bytes == 0);
}

TEMPLATE_TEST_CASE("a loop may end before what lives on it", "[transport][contract]",
                   TRANSPORTS_ON_TWO_LOOPS) {
  auto world = std::make_unique<TestType>();
  auto loop = make_running_loop("doomed");
  Door door(*loop);
  std::unique_ptr<Connector> connector;
  std::unique_ptr<Connection> connection;
  std::atomic<int> connected{0};
  run_on(*loop, [&] {
    connector = world->transport.make_connector(world->url());
    connector->connect(*loop, [&](Expected<std::unique_ptr<Connection>> answer) {
      if (answer) connection = std::move(*answer);
      ++connected;
    });
  });
  run_until([&] { return connected == 1; });
  REQUIRE(connection);
  auto server = world->door.take();
  struct Deaf : ConnectionObserver {
    void on_message(std::string) override {}
    void on_writable() override {}
    void on_closed(const CloseReason&) override {}
  } deaf;
  run_on(*loop, [&] {
    connection->start(deaf);
    connection->send(std::string(kMiB, 'x'));
    // Under way when the loop ends.
    connector->connect(*loop, [&](Expected<std::unique_ptr<Connection>>) {});
  });
  SECTION("stopped, then everything destroyed") {
    loop->stop();
    connection.reset();
    connector.reset();
  }
  SECTION("stopped and destroyed first") {
    loop.reset();
    connection->send("into the void");
    CHECK(connection->send_room() <= Connection::kSendRoom);
    static_cast<void>(connection->facts());
    connection.reset();
    connector->cancel();
    connector.reset();
  }
  SECTION("never destroyed by us, only with the loop's end") { loop.reset(); }
  CHECK(server->wait_closed().code == CloseCode::abnormal);
}

TEMPLATE_TEST_CASE("a listener's loop may end before its listener", "[transport][contract]",
                   MemoryTransport, WebSocketTransport) {
  TestType transport;
  auto listener = transport.make_listener();
  auto loop = make_running_loop("doomed");
  Door door(*loop);
  std::string url;
  run_on(*loop, [&] {
    auto started = listener->start(*loop, door);
    if (started) url = *started;
  });
  REQUIRE_FALSE(url.empty());
  auto other = make_running_loop("other");
  auto connector = transport.make_connector(url);
  auto result = connect_and_wait(*other, *connector);
  REQUIRE(result.peer);
  result.peer->start();
  run_on(*loop, [] {});
  loop->stop();
  SECTION("its connections and newcomers go with it") {
    CHECK(result.peer->wait_closed().code == CloseCode::abnormal);
    const auto failed = connect_and_wait(*other, *connector);
    CHECK(failed.error == errc::connection_failed);
  }
  SECTION("it is stopped late") { listener->stop(); }
  listener.reset();
  run_on(*other, [&] { connector.reset(); });
}

TEST_CASE("a second listener in one memory network is refused while the first one listens",
          "[transport][memory]") {
  MemoryTwoLoops world;
  auto second = world.transport.network.listener();
  run_on(world.listening_loop(), [&] {
    const auto started = second->start(world.listening_loop(), world.door);
    REQUIRE_FALSE(started);
    CHECK(started.error().code() == errc::address_in_use);
    world.listener().stop();
    CHECK(second->start(world.listening_loop(), world.door));
    second->stop();
  });
}

TEMPLATE_TEST_CASE("a cut breaks every connection and none that comes later", "[transport][memory]",
                   MemoryOneLoop, MemoryTwoLoops) {
  TestType world;
  auto [one, other] = world.connect();
  auto [two, another] = world.connect();
  world.transport.network.cut();
  for (Peer* peer : {one.get(), other.get(), two.get(), another.get()}) {
    const CloseReason reason = peer->wait_closed();
    CHECK(reason.code == CloseCode::abnormal);
    CHECK_FALSE(reason.local);
    CHECK(reason.error == errc::connection_lost);
  }
  auto [later, still] = world.connect();
  later->send("x");
  still->wait_count(1);
}

TEST_CASE("a cut loses what the other side had not taken", "[transport][memory]") {
  MemoryTwoLoops world;
  auto [client, server] = world.connect();
  {
    Gate gate(world.listening_loop());
    client->send_all({"one", "two"});
    world.transport.network.cut();
  }
  client->wait_closed();
  server->wait_closed();
  CHECK(server->count() == 0);
}

TEST_CASE("connections and connectors outlive their memory network", "[transport][memory]") {
  auto loop = make_running_loop("loop");
  Door door(*loop);
  auto network = std::make_unique<MemoryNetwork>();
  auto listener = network->listener();
  auto connector = network->connector();
  run_on(*loop, [&] { REQUIRE(listener->start(*loop, door)); });
  network.reset();
  auto result = connect_and_wait(*loop, *connector);
  REQUIRE(result.peer);
  result.peer->start();
  auto server = door.take();
  result.peer->send("x");
  server->wait_count(1);
  server.reset();
  result.peer.reset();
  run_on(*loop, [&] { listener.reset(); });
}
