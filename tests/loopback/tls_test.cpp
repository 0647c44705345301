// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// wss:// from agents: whom they trust, what they say when they do not, and the whole way through
// the nginx of docs/nginx.conf.

#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/https_test_server_openssl.hpp"
#include "support/nginx.hpp"
#include "support/process.hpp"
#include "support/raw_http.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/server_thread.hpp"
#include "support/target_site.hpp"
#include "support/transport_world.hpp"
#include "transport/websocket_listener.hpp"

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

Connected connect_to(const std::string& url, WebSocketConnectorOptions options) {
  options.urls = {url};
  const auto loop = make_running_loop("client");
  auto connector = make_websocket_connector(std::move(options));
  Connected result = connect_and_wait(*loop, *connector);
  if (result.peer) result.peer->destroy();
  run_on(*loop, [&] { connector.reset(); });
  result.peer.reset();
  return result;
}

WebSocketConnectorOptions trusting(const TestAuthority& authority) {
  WebSocketConnectorOptions options;
  options.ca_file = authority.file();
  return options;
}

std::string wss(const std::string& host, std::uint16_t port) {
  return "wss://" + host + ':' + std::to_string(port) + "/ws";
}

// A master's listener that ends TLS itself.
struct TlsMaster {
  explicit TlsMaster(const CertificateFiles& files) {
    run_on(*loop, [&] {
      WebSocketListenerOptions options;
      options.port = 0;
      listener = make_websocket_listener(options,
                                         make_tls_server_context(files.certificate(), files.key()));
      auto started = listener->start(*loop, door);
      REQUIRE(started);
      port = port_of(*started);
    });
  }
  ~TlsMaster() {
    run_on(*loop, [this] { listener.reset(); });
  }

  std::unique_ptr<EventLoop> loop = make_running_loop("master");
  Door door{*loop};
  std::unique_ptr<Listener> listener;
  std::uint16_t port = 0;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream{path, std::ios::binary}.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a certificate must be for the host, in date, and signed by who is trusted",
          "[tls][websocket]") {
  const TestAuthority authority;
  const TestAuthority stranger;
  const auto refusal = [&](const TestCertificate& certificate, const TestAuthority& trusted,
                           const std::string& host) {
    const CertificateFiles files(authority, certificate);
    TlsMaster master(files);
    const Connected result = connect_to(wss(host, master.port), trusting(trusted));
    if (!result.error) return std::string("accepted");
    CHECK(result.error == errc::handshake_failed);
    CHECK_THAT(result.text, Contains(wss(host, master.port) + ": TLS: "));
    CHECK(master.door.waiting() == 0);
    return result.text;
  };
  CHECK(refusal({"localhost", false}, authority, "localhost") == "accepted");
  CHECK(refusal({"127.0.0.1", false}, authority, "127.0.0.1") == "accepted");
  CHECK_THAT(refusal({"probes.example", false}, authority, "localhost"),
             Contains("is for `probes.example` and not for `localhost`") && Contains("--master"));
  CHECK_THAT(refusal({"localhost", false}, authority, "127.0.0.1"),
             Contains("is for `localhost` and not for `127.0.0.1`"));
  CHECK_THAT(refusal({"127.0.0.1", false}, authority, "localhost"),
             Contains("is for `127.0.0.1` and not for `localhost`"));
  CHECK_THAT(refusal({"localhost", false}, stranger, "localhost"),
             Contains("`probekit test authority`, an authority that is not trusted here") &&
                 Contains("--ca-file"));
  CHECK_THAT(refusal({"localhost", true}, authority, "localhost"),
             Contains("the server's certificate expired at 20"));
}

TEST_CASE("the system's authorities are trusted unless others are named", "[tls][websocket]") {
  const TestAuthority authority;
  const CertificateFiles files(authority, {"localhost", false});
  TlsMaster master(files);
  const Connected result = connect_to(wss("localhost", master.port), {});
  CHECK(result.error == errc::handshake_failed);
  CHECK_THAT(result.text, Contains("not trusted here"));
}

TEST_CASE("a file of authorities that cannot be used is refused by name", "[tls][websocket]") {
  const TemporaryFolder folder;
  const std::string empty = folder.path() + "/empty";
  write(empty, "not a certificate\n");
  for (const std::string& file : {empty, folder.path() + "/none"}) {
    WebSocketConnectorOptions options;
    options.urls = {"wss://localhost/ws"};
    options.ca_file = file;
    CHECK_THROWS_WITH(make_websocket_connector(options), Contains("ca_file: " + file));
  }
}

TEST_CASE("a port that does not speak TLS, or says nothing, is told as such", "[tls][websocket]") {
  const TestAuthority authority;
  const auto loop = make_running_loop("master");
  Door door(*loop);
  std::unique_ptr<Listener> listener;
  std::string url;
  run_on(*loop, [&] {
    WebSocketListenerOptions options;
    options.port = 0;
    options.handshake_timeout = 60s;
    listener = make_websocket_listener(options);
    url = *listener->start(*loop, door);
  });
  const Connected plain = connect_to(wss("127.0.0.1", port_of(url)), trusting(authority));
  CHECK(plain.error == errc::handshake_failed);
  CHECK_THAT(plain.text, Contains("ws:// instead of wss://"));
  run_on(*loop, [&] { listener.reset(); });

  // The kernel accepts, and nobody says anything.
  const Fd silent(bound_socket(SOCK_STREAM, "127.0.0.1", 0));
  REQUIRE(listen(silent.get(), 8) == 0);
  WebSocketConnectorOptions options = trusting(authority);
  options.handshake_timeout = 300ms;
  const Connected mute = connect_to(wss("127.0.0.1", port_of(silent)), options);
  CHECK(mute.error == errc::timed_out);
  CHECK_THAT(mute.text, Contains("the handshakes of TLS and WebSocket"));
}

TEST_CASE("a peer that takes nothing is closed as stalled under TLS too", "[tls][websocket]") {
  const TestAuthority authority;
  const CertificateFiles files(authority, {"127.0.0.1", false});
  TlsMaster master(files);
  run_on(*master.loop, [&] { master.door.start = false; });
  const auto loop = make_running_loop("client");
  WebSocketConnectorOptions options = trusting(authority);
  options.urls = {wss("127.0.0.1", master.port)};
  options.send_time_limit = 400ms;
  auto connector = make_websocket_connector(options);
  auto result = connect_and_wait(*loop, *connector);
  INFO(result.text);
  REQUIRE(result.peer);
  result.peer->start();
  const auto server = master.door.take();
  constexpr std::size_t kBytes = 64 * 1024 * 1024;
  result.peer->send(std::string(kBytes, 'x'));
  CHECK(result.peer->facts().unsent_bytes == kBytes);
  CHECK(result.peer->send_room() == 0);
  CHECK(result.peer->wait_closed().code == CloseCode::stalled);
  result.peer.reset();
  run_on(*loop, [&] { connector.reset(); });
}

TEST_CASE("agents, an import and its results go through nginx as shipped",
          "[tls][nginx][programs]") {
  constexpr std::size_t kTargets = 3000;
  const TestAuthority authority;
  const CertificateFiles files(authority, {"localhost", false});
  const TemporaryFolder folder;
  const std::string agents = folder.path() + "/agents";
  const std::string clients = folder.path() + "/clients";
  const std::string list = folder.path() + "/list";
  const std::string out = folder.path() + "/out";
  write(agents, "agent-secret\n");
  write(clients, "client-secret\n");
  const TargetSite site;
  std::string targets;
  for (std::size_t i = 0; i < kTargets; ++i) targets += site.url("/ok?" + std::to_string(i)) + "\n";
  write(list, targets);

  MasterProcess master({"--agent-token-file", agents, "--api-token-file", clients});
  ShippedNginxOptions options;
  options.certificate = files.certificate();
  options.key = files.key();
  options.agents_port = master.agents_port();
  options.api_port = test::port_of(master.api_url() + "/");
  const ShippedNginx nginx(options);
  const std::string url = wss("localhost", nginx.agents_port());
  const std::string api = "https://localhost:" + std::to_string(nginx.api_port());
  const std::vector<std::string> flags{"--ca-file", authority.file(), "--token-file", agents};
  AgentProcess first("first", url, flags);
  AgentProcess second("second", url, flags);
  first.wait_until_connected();
  second.wait_until_connected();

  Process good({program("probekit-import"), list, "--api", api, "--ca-file", authority.file(),
                "--token-file", clients, "--out", out},
               folder.path());
  CHECK(good.wait(60s) == 0);
  INFO(good.errors());
  const std::string lines = read(out);
  CHECK(static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')) == kTargets);
  CHECK_THAT(lines, Contains("\"agent\":\"first\"") && Contains("\"agent\":\"second\""));
  CHECK_THAT(first.process().errors() + second.process().errors(), !Contains("disconnected"));
  CHECK_THAT(nginx.errors(), !Contains("temporary file") && !Contains("[error]"));

  // Who does not know the authority is told, and by which flag to learn of it.
  Process mistrusting({program("probekit-import"), list, "--api", api, "--token-file", clients},
                      folder.path());
  CHECK(mistrusting.wait(20s) == 1);
  CHECK_THAT(mistrusting.errors(), Contains("certificate") && Contains("--ca-file"));
  AgentProcess third("third", url, {"--token-file", agents});
  run_until([&] { return third.process().errors().find("--ca-file") != std::string::npos; });
  AgentProcess fourth("fourth", wss("127.0.0.1", nginx.agents_port()), flags);
  run_until([&] {
    return fourth.process().errors().find("is for `localhost` and not for `127.0.0.1`") !=
           std::string::npos;
  });
  // No token, through nginx.
  AgentProcess fifth("fifth", url, {"--ca-file", authority.file()});
  run_until([&] { return fifth.process().errors().find("HTTP 401") != std::string::npos; });
}

TEST_CASE("an expired or foreign certificate of nginx is refused with its reason",
          "[tls][nginx][websocket]") {
  const TestAuthority authority;
  const auto refusal = [&](const TestCertificate& certificate, const TestAuthority& trusted) {
    const CertificateFiles files(authority, certificate);
    ShippedNginxOptions options;
    options.certificate = files.certificate();
    options.key = files.key();
    options.agents_port = free_port();
    options.api_port = free_port();
    const ShippedNginx nginx(options);
    return connect_to(wss("localhost", nginx.agents_port()), trusting(trusted)).text;
  };
  CHECK_THAT(refusal({"localhost", true}, authority), Contains("expired at"));
  CHECK_THAT(refusal({"other.example", false}, authority),
             Contains("is for `other.example` and not for `localhost`"));
  CHECK_THAT(refusal({"localhost", false}, TestAuthority()), Contains("not trusted here"));
  // Behind a good one the master is away.
  CHECK_THAT(refusal({"localhost", false}, authority), Contains("HTTP 502"));
}
