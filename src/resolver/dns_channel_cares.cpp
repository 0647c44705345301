// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/dns_channel_cares.hpp"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace probekit {
namespace {

// Longer than any probe may take: who asks keeps the time, this only frees what was abandoned.
constexpr int kForgetMilliseconds = 130'000;
// So that a server that answers as fast as it is asked does not keep the thread: c-ares 1.18 reads
// a UDP socket until it is empty. Later versions read one packet a call.
constexpr unsigned kPacketsPerRound = 64;

bool library_ready() {
  static std::once_flag once;
  static int status = ARES_ENOTINITIALIZED;
  std::call_once(once, [] { status = ares_library_init(ARES_LIB_INIT_ALL); });
  return status == ARES_SUCCESS;
}

DnsOutcome outcome_of(int status, int os_error, bool tcp) {
  switch (status) {
    case ARES_EBADNAME:
    case ARES_EFORMERR:
    case ARES_EBADQUERY:
    case ARES_ENOTFOUND:  // without an answer: a name c-ares keeps to itself (RFC 7686)
      return DnsOutcome::bad_question;
    case ARES_ENOMEM:
      return DnsOutcome::agent_fault;
    default:
      break;
  }
  switch (os_error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EAGAIN:  // c-ares takes a full send buffer for a dead server
      return DnsOutcome::agent_fault;
    case 0:
      return tcp ? DnsOutcome::cut_off : DnsOutcome::unreachable;
    case ECONNRESET:
    case EPIPE:
      return DnsOutcome::cut_off;
    default:
      return DnsOutcome::unreachable;
  }
}

}  // namespace

struct DnsChannel::Slot {
  DnsChannel* channel = nullptr;
  DnsQuery* query = nullptr;  // null: abandoned
  Slot* next_free = nullptr;
};

struct DnsChannel::Calls {
  static DnsChannel& self(void* user) { return *static_cast<DnsChannel*>(user); }

  static int socket(int family, int type, int protocol, void* user) {
    const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) self(user).os_error_ = errno;
    return fd;
  }

  static int close(int fd, void* user) {
    self(user).loop_.unwatch(fd);
    self(user).asked_on_socket_ = 0;
    return ::close(fd);
  }

  static int connect(int fd, const sockaddr* address, socklen_t size, void* user) {
    const int result = ::connect(fd, address, size);
    if (result != 0 && errno != EINPROGRESS) self(user).os_error_ = errno;
    return result;
  }

  static ssize_t receive(int fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                         socklen_t* from_size, void* user) {
    DnsChannel& channel = self(user);
    if (channel.packets_left_ == 0) {
      errno = EAGAIN;
      return -1;
    }
    --channel.packets_left_;
    const ssize_t result = ::recvfrom(fd, buffer, size, flags, from, from_size);
    if (result < 0 && errno != EAGAIN) channel.os_error_ = errno;
    return result;
  }

  static ssize_t send(int fd, const iovec* pieces, int count, void* user) {
    DnsChannel& channel = self(user);
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = static_cast<std::size_t>(count);
    const ssize_t result = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (result < 0 && (errno != EAGAIN || !channel.tcp_)) channel.os_error_ = errno;
    // No additional record in a question: c-ares has turned EDNS off.
    const std::size_t counts = channel.tcp_ ? 12 : 10;
    if (channel.edns_ && result > 0 && pieces[0].iov_len > counts + 1) {
      const auto* bytes = static_cast<const unsigned char*>(pieces[0].iov_base);
      if (bytes[counts] == 0 && bytes[counts + 1] == 0) channel.edns_lost_ = true;
    }
    return result;
  }

  static void socket_state(void* user, int fd, int readable, int writable) {
    DnsChannel& channel = self(user);
    if (readable == 0 && writable == 0) {
      channel.loop_.unwatch(fd);
      return;
    }
    const unsigned events = (readable != 0 ? unsigned{ProbeLoop::readable} : 0U) |
                            (writable != 0 ? unsigned{ProbeLoop::writable} : 0U);
    channel.loop_.watch(fd, events,
                        [&channel, fd](unsigned ready) { channel.on_event(fd, ready); });
  }

  static void answer(void* user, int status, int /*timeouts*/, unsigned char* packet, int size) {
    Slot& slot = *static_cast<Slot*>(user);
    const std::string_view bytes = packet == nullptr || size <= 0
                                       ? std::string_view{}
                                       : std::string_view(reinterpret_cast<const char*>(packet),
                                                          static_cast<std::size_t>(size));
    slot.channel->deliver(slot, status, bytes);
  }
};

DnsChannel::DnsChannel(ProbeLoop& loop, DnsChannelUser& user, bool tcp, bool edns)
    : loop_(loop), user_(user), tcp_(tcp), edns_(edns) {}

std::unique_ptr<DnsChannel> DnsChannel::make(ProbeLoop& loop, DnsChannelUser& user,
                                             const Address& server, bool tcp, bool edns) {
  if (!library_ready()) return nullptr;
  std::unique_ptr<DnsChannel> made(new DnsChannel(loop, user, tcp, edns));

  // Everything c-ares would otherwise read from files or the environment is said here.
  in_addr nobody{};
  char lookups[] = "b";
  ares_options options{};
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC | ARES_FLAG_NOSEARCH |
                  ARES_FLAG_NOALIASES | (tcp ? ARES_FLAG_USEVC : 0) | (edns ? ARES_FLAG_EDNS : 0);
  options.timeout = kForgetMilliseconds;
  options.tries = 1;
  options.ndots = 0;
  options.servers = &nobody;
  options.nservers = 1;
  options.ndomains = 0;
  options.nsort = 0;
  options.lookups = lookups;
  options.ednspsz = kUdpBytesEdns;
  options.sock_state_cb = &Calls::socket_state;
  options.sock_state_cb_data = made.get();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                   ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_LOOKUPS |
                   ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
  if (ares_init_options(&made->channel_, &options, mask) != ARES_SUCCESS) {
    made->channel_ = nullptr;
    return nullptr;
  }

  ares_addr_port_node node{};
  node.family = server.v6 ? AF_INET6 : AF_INET;
  std::memcpy(&node.addr, server.bytes.data(), server.v6 ? 16 : 4);
  node.udp_port = server.port;
  node.tcp_port = server.port;
  if (ares_set_servers_ports(made->channel_, &node) != ARES_SUCCESS) return nullptr;

  static const ares_socket_functions functions = {&Calls::socket, &Calls::close, &Calls::connect,
                                                  &Calls::receive, &Calls::send};
  ares_set_socket_functions(made->channel_, &functions, made.get());
  return made;
}

DnsChannel::~DnsChannel() {
  for (const auto& slot : slots_) slot->query = nullptr;
  if (channel_ != nullptr) ares_destroy(channel_);
}

void DnsChannel::ask(DnsQuery& query, const char* name, std::uint16_t type) {
  Slot* slot = free_slots_;
  if (slot == nullptr) {
    slots_.push_back(std::make_unique<Slot>());
    slot = slots_.back().get();
    slot->channel = this;
  } else {
    free_slots_ = slot->next_free;
  }
  slot->query = &query;
  query.channel_ = this;
  query.slot_ = slot;
  ++live_;
  ++asked_on_socket_;
  const bool nested = in_call_;
  in_call_ = true;
  if (!nested) os_error_ = 0;
  ares_query(channel_, name, 1, type, &Calls::answer, slot);
  in_call_ = nested;
}

void DnsChannel::abandon(DnsQuery& query) {
  Slot& slot = *static_cast<Slot*>(query.slot_);
  slot.query = nullptr;
  query.channel_ = nullptr;
  query.slot_ = nullptr;
  --live_;
  ++abandoned_;
  if (!in_call_) finish_round();
}

void DnsChannel::on_event(int fd, unsigned events) {
  const bool both = (events & ProbeLoop::failed) != 0;
  const bool read = both || (events & ProbeLoop::readable) != 0;
  const bool write = both || (events & ProbeLoop::writable) != 0;
  in_call_ = true;
  os_error_ = 0;
  packets_left_ = kPacketsPerRound;
  ares_process_fd(channel_, read ? fd : ARES_SOCKET_BAD, write ? fd : ARES_SOCKET_BAD);
  in_call_ = false;
  finish_round();
}

void DnsChannel::finish_round() {
  if (live_ == 0 && abandoned_ > 0) {
    in_call_ = true;
    ares_cancel(channel_);
    in_call_ = false;
  }
  user_.on_round(*this);
}

void DnsChannel::deliver(Slot& slot, int status, std::string_view packet) {
  DnsQuery* const query = slot.query;
  slot.query = nullptr;
  slot.next_free = free_slots_;
  free_slots_ = &slot;
  if (query == nullptr) {
    if (abandoned_ > 0) --abandoned_;
    return;
  }
  --live_;
  query->channel_ = nullptr;
  query->slot_ = nullptr;
  DnsReply reply;
  reply.tcp = tcp_;
  if (packet.empty()) {
    reply.outcome = outcome_of(status, os_error_, tcp_);
    reply.os_error = status == ARES_ENOMEM ? ENOMEM : os_error_;
  } else {
    reply.packet = packet;
    reply.at_limit = !tcp_ && (packet.size() == kUdpBytesEdns || packet.size() == kUdpBytesPlain);
  }
  user_.on_reply(*this, *query, reply);
}

std::string describe(const DnsReply& reply) {
  switch (reply.outcome) {
    case DnsOutcome::answered:
      return "answered";
    case DnsOutcome::cut_off:
      return "the connection ended before the answer";
    case DnsOutcome::bad_question:
      return "the name cannot be asked for";
    case DnsOutcome::unreachable:
    case DnsOutcome::agent_fault:
      break;
  }
  switch (reply.os_error) {
    case 0:
      return "the server cannot be reached";
    case ECONNREFUSED:
      return "connection refused";
    case EMFILE:
    case ENFILE:
      return "no descriptor is free";
    case EAGAIN:
    case ENOBUFS:
      return "the send buffer is full";
    case EADDRNOTAVAIL:
      return "no local port is free";
    default:
      return std::generic_category().message(reply.os_error);
  }
}

}  // namespace probekit
