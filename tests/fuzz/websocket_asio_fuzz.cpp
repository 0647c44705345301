// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A WebSocket against hostile bytes, on either side of it and before or after its handshake.
// Input: a byte for the side and whether the handshake is given, one for the cuts, the bytes.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include <asio/io_context.hpp>

#include "base/event_loop_asio.hpp"
#include "base/stepped_loop.hpp"
#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "probekit/testing/seeded_random.hpp"
#include "transport/websocket_stream.hpp"

namespace {

using namespace probekit;
using fuzz::require;

constexpr std::size_t kMessageBytesMax = 4096;
constexpr std::size_t kHandshakeBytesMax = 64 * 1024;

// What the key below makes of itself (RFC 6455, 1.3).
constexpr std::string_view kRequest =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: probekit.v1\r\n\r\n";
// A client whose random source is ZeroRandom sends the key AAAAAAAAAAAAAAAAAAAAAA==.
constexpr std::string_view kResponse =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"
    "Sec-WebSocket-Protocol: probekit.v1\r\n\r\n";

class ZeroRandom final : public RandomSource {
 public:
  void fill(void* bytes, std::size_t count) override { std::memset(bytes, 0, count); }
};

/// Both ends of a connection; the stream closes its own.
class Wire {
 public:
  Wire() {
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_.data()) == 0,
            "a pair of sockets can be had");
  }
  ~Wire() { close(ends_[0]); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int stream_end() const { return ends_[1]; }
  /// False once the stream has closed, or takes no more.
  bool write(std::string_view bytes) {
    return send(ends_[0], bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  void drain() {
    std::array<char, 4096> bytes;
    while (read(ends_[0], bytes.data(), bytes.size()) > 0) {
    }
  }

 private:
  std::array<int, 2> ends_{};
};

class Owner final : public WebSocketStreamOwner {
 public:
  HandshakeAnswer on_request(const std::string& authorization) override {
    require(!ended && !opened, "a request is the first");
    HandshakeAnswer answer;
    if (authorization == "refuse") answer = {401, "no", std::chrono::seconds{1}};
    return answer;
  }
  void on_open() override {
    require(!ended && !opened, "it opens once");
    opened = true;
  }
  void on_message(std::string message) override {
    require(opened && !ended, "messages are of an open stream");
    require(!message.empty() && message.size() <= kMessageBytesMax, "messages are bounded");
    ++messages;
  }
  void on_written() override {}
  void on_ended(const WebSocketStreamEnd& end) override {
    require(!ended, "it ends once");
    require(end.opened == opened, "it says whether it was open");
    require(end.http_status == 0 || (end.http_status >= 100 && end.http_status <= 599),
            "a status is one");
    require(end.retry_after.count() >= 0 && end.retry_after <= std::chrono::hours{1},
            "nobody is sent away for long");
    ended = true;
  }

  bool opened = false;
  bool ended = false;
  std::size_t messages = 0;
};

struct World {
  EventLoop loop{EventLoopOptions{"fuzz", nullptr, nullptr}};
  SteppedLoop stepped{loop};
  asio::io_context& context = asio_context(loop);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World* const world = new World;
  std::string_view bytes = fuzz::text_of(data, size);
  if (size > kHandshakeBytesMax) return 0;
  const std::uint8_t mode = fuzz::take_byte(bytes);
  const std::uint8_t cuts = fuzz::take_byte(bytes);
  const bool server = (mode & 1) != 0;

  Wire wire;
  Owner owner;
  WebSocketStreamOptions options;
  options.message_bytes_max = kMessageBytesMax;
  options.random = std::make_shared<ZeroRandom>();
  std::shared_ptr<WebSocketStream> stream =
      server ? make_server_stream(world->loop, wire.stream_end(), options, nullptr)
             : make_client_stream(world->loop, wire.stream_end(), options, "localhost", 80, "/ws");
  stream->set_owner(&owner);
  stream->begin();
  bool resumed = false;
  const auto turn = [&] {
    for (int i = 0; i < 100; ++i) {
      world->context.restart();
      const std::size_t ran = world->context.poll();
      if (owner.opened && !owner.ended && !std::exchange(resumed, true)) {
        stream->resume();
        stream->send("hello");
        continue;
      }
      if (ran == 0) break;
    }
    wire.drain();
  };
  turn();
  if ((mode & 2) != 0) {
    wire.write(server ? kRequest : kResponse);
    turn();
    require(owner.opened, "a good handshake opens");
  }
  for (fuzz::Pieces pieces(bytes, cuts); pieces.more();) {
    if (!wire.write(pieces.next())) break;
    turn();
  }
  require(stream->held_bytes() <= kMessageBytesMax, "what was sent left");
  if ((mode & 4) != 0 && owner.opened && !owner.ended) {
    stream->close(CloseCode::normal, "done");
    turn();
  }
  stream->set_owner(nullptr);
  stream->abort();
  stream.reset();
  world->context.restart();
  world->context.poll();
  return 0;
}
