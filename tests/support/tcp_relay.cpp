// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/tcp_relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/epoll_loop.hpp"

namespace probekit::test {
namespace {

// Of one direction, on its way: what fits into a long fat pipe.
constexpr std::size_t kDelayedMax = 4 * 1024 * 1024;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

struct TcpRelay::Impl {
  // One direction's source: what was read from it and not yet written to the other side.
  struct Side {
    int other = -1;
    std::uint64_t serial = 0;  // descriptors come back
    std::string held;
    std::size_t delayed = 0;  // bytes that are not held yet
    bool ended = false;
    bool resting = false;  // for the sake of the limit
  };

  EpollLoop loop{system_clock(), nullptr};
  int listener = -1;
  std::uint16_t port = 0;
  std::uint16_t upstream = 0;
  std::chrono::milliseconds delay;
  std::uint64_t last_serial = 0;
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> relayed{0};
  std::map<int, Side> sides;
  bool paused = false;
  std::size_t rate = 0;
  std::thread thread;

  Impl(std::uint16_t upstream_port, std::chrono::milliseconds wait)
      : upstream(upstream_port), delay(wait) {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      throw std::runtime_error("relay cannot listen");
    port = ntohs(address.sin_port);
    loop.watch(listener, ProbeLoop::readable, [this](unsigned) { accept_one(); });
    thread = std::thread{[this] { loop.run(); }};
  }

  ~Impl() {
    loop.stop();
    thread.join();
    for (const auto& [fd, side] : sides) close(fd);
    close(listener);
  }

  void accept_one() {
    const int near = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (near < 0) return;
    const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(upstream);
    // Blocking, but on loopback: refused or accepted at once.
    if (connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      close(far);
      close(near);
      return;
    }
    ++accepted;
    add(near, far);
    add(far, near);
  }

  void add(int fd, int other) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    sides[fd].other = other;
    sides[fd].serial = ++last_serial;
    loop.watch(fd, ProbeLoop::readable, [this, fd](unsigned events) {
      if ((events & ProbeLoop::writable) != 0) flush(sides[fd].other);
      if (sides.count(fd) != 0 && (events & ~unsigned{ProbeLoop::writable}) != 0) pump(fd);
    });
  }

  void pump(int fd) {
    auto& side = sides[fd];
    if (!wants_more(side)) return;
    char bytes[65536];
    constexpr std::size_t kSlices = 20;  // a second
    const std::size_t wanted =
        rate == 0 ? sizeof bytes : std::min(sizeof bytes, std::max<std::size_t>(1, rate / kSlices));
    const auto count = read(fd, bytes, wanted);
    if (count < 0 && errno == EAGAIN) return;
    if (rate != 0 && count > 0) {
      side.resting = true;
      loop.call_at(loop.now() + std::chrono::milliseconds(1000 / kSlices), [this, fd] {
        const auto found = sides.find(fd);
        if (found == sides.end()) return;
        found->second.resting = false;
        watch(fd);
      });
    }
    if (delay.count() > 0) return pump_later(fd, std::string(bytes, bytes + std::max(count, 0L)));
    if (count <= 0) return drop(fd);
    relayed += static_cast<std::uint64_t>(count);
    side.held.assign(bytes, static_cast<std::size_t>(count));
    flush(fd);
  }

  // Empty: its end.
  void pump_later(int fd, std::string bytes) {
    auto& side = sides[fd];
    relayed += bytes.size();
    side.delayed += bytes.size();
    side.ended = bytes.empty();
    watch(fd);
    loop.call_at(loop.clock_now() + delay,
                 [this, fd, serial = side.serial, bytes = std::move(bytes)] {
                   const auto found = sides.find(fd);
                   if (found == sides.end() || found->second.serial != serial) return;
                   if (bytes.empty()) return drop(fd);
                   found->second.delayed -= bytes.size();
                   found->second.held += bytes;
                   flush(fd);
                 });
  }

  bool wants_more(const Side& side) const {
    return side.held.empty() && side.delayed < kDelayedMax && !side.ended && !side.resting &&
           !paused;
  }

  void watch(int fd) {
    const Side& side = sides[fd];
    const bool writes = !sides[side.other].held.empty() && !paused;
    loop.watch(fd,
               (wants_more(side) ? ProbeLoop::readable : 0U) | (writes ? ProbeLoop::writable : 0U),
               {});
  }

  // Writes what came from `fd`; while some is held, reads no more of it.
  void flush(int fd) {
    const auto found = sides.find(fd);
    if (found == sides.end() || found->second.held.empty()) return;
    auto& side = found->second;
    const auto count = send(side.other, side.held.data(), side.held.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) return drop(fd);
    if (count > 0) side.held.erase(0, static_cast<std::size_t>(count));
    watch(fd);
    watch(side.other);
  }

  void drop(int fd) {
    const int other = sides[fd].other;
    for (const int end : {fd, other}) {
      loop.unwatch(end);
      sides.erase(end);
      // No lingering: the peer sees a reset, as from a broken network.
      const linger reset{1, 0};
      setsockopt(end, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      close(end);
    }
  }
};

TcpRelay::TcpRelay(std::uint16_t upstream_port)
    : TcpRelay(upstream_port, std::chrono::milliseconds{0}) {}
TcpRelay::TcpRelay(std::uint16_t upstream_port, std::chrono::milliseconds delay)
    : impl_(std::make_unique<Impl>(upstream_port, delay)) {}
TcpRelay::~TcpRelay() = default;

std::uint16_t TcpRelay::port() const noexcept { return impl_->port; }

void TcpRelay::cut() {
  std::promise<void> done;
  impl_->loop.post([this, &done] {
    while (!impl_->sides.empty()) impl_->drop(impl_->sides.begin()->first);
    done.set_value();
  });
  done.get_future().wait();
}

void TcpRelay::hold(bool held) {
  impl_->loop.post([this, held] {
    impl_->paused = held;
    for (const auto& one : impl_->sides) impl_->watch(one.first);
  });
}

void TcpRelay::limit(std::size_t bytes_per_second) {
  impl_->loop.post([this, bytes_per_second] { impl_->rate = bytes_per_second; });
}

std::uint64_t TcpRelay::connections() const noexcept { return impl_->accepted; }
std::uint64_t TcpRelay::bytes() const noexcept { return impl_->relayed; }

}  // namespace probekit::test
