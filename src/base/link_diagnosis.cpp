// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/link_diagnosis.hpp"

#include <algorithm>
#include <cstdio>

namespace probekit {

namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

// Two full messages that nobody reads: a loop that turns leaves nothing behind from one heartbeat
// to the next.
constexpr std::uint64_t kRecvQueueHigh = 64 * 1024;

// A packet lost by chance is sent again after 0.2, 0.4, 0.8 and 1.6 s (RFC 6298): after all of
// these it was not chance.
constexpr milliseconds kStalled{3000};

// Heartbeats come an interval apart, give or take a tenth: half of one more is late.
constexpr double kIntervalsSilent = 1.5;
// Intervals of tests and of tight settings: shorter silences are those of a busy machine.
constexpr milliseconds kSilentMin{500};

// One message of tasks or results, whose delivery nobody notices, is no backlog.
constexpr std::uint64_t kBacklog = 32 * 1024;
// What waits takes so long at the rate it moves: longer than a lost packet or two would explain,
// and a tenth of what the send time limit allows.
constexpr duration<double> kDelayHigh{2.0};
// Rates over shorter times are those of single packets.
constexpr milliseconds kSpanMin{1000};

std::string rate_text(double bytes_per_second) {
  return bytes_text(static_cast<std::uint64_t>(bytes_per_second)) + "/s";
}

// How long `waiting` takes at the rate of `moved` in `span`; 0 when that says nothing.
duration<double> delay_of(std::uint64_t waiting, std::uint64_t moved, milliseconds span) {
  if (waiting < kBacklog || moved == 0 || span < kSpanMin) return duration<double>{0};
  const double rate = static_cast<double>(moved) / duration<double>{span}.count();
  return duration<double>{static_cast<double>(waiting) / rate};
}

// The other end may claim to have any number of bytes waiting.
std::string delay_text(duration<double> delay) {
  constexpr std::chrono::hours kShownMax{24 * 366};
  return time_text(std::chrono::duration_cast<std::chrono::microseconds>(
      std::min<duration<double>>(delay, kShownMax)));
}

std::string between(const LinkFacts& facts) {
  return facts.there ? "what is between (a proxy)" : "its end of the connection (or a proxy)";
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 10 * 1024) return std::to_string(bytes) + " bytes";
  if (bytes < 10 * 1024 * 1024) return std::to_string(bytes / 1024) + " KiB";
  return std::to_string(bytes / (1024 * 1024)) + " MiB";
}

// An agent may say of milliseconds what no count of microseconds holds.
std::string time_text(std::chrono::duration<double, std::micro> time) {
  char text[48];
  const double us = time.count();
  if (us < 1e3) {
    std::snprintf(text, sizeof text, "%.0f us", us);
  } else if (us < 1e6) {
    std::snprintf(text, sizeof text, "%.0f ms", us / 1e3);
  } else if (us < 1e7) {
    std::snprintf(text, sizeof text, "%.1f s", us / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.0f s", us / 1e6);
  }
  return text;
}

std::string count_text(std::uint64_t number, const char* one, const char* many) {
  return std::to_string(number) + ' ' + (number == 1 ? one : many);
}

LinkFinding judge_link(const LinkFacts& facts, const std::string& other) {
  const SocketFacts& here = facts.here;
  const bool silent =
      facts.interval > milliseconds{0} && facts.silent >= kSilentMin &&
      duration<double>{facts.silent} >= kIntervalsSilent * duration<double>{facts.interval};
  const std::uint64_t waiting = here.send_queue_bytes + here.unsent_bytes;
  const bool closed =
      here.known && (here.peer_window_bytes == 0 ||
                     (facts.span >= kSpanMin && facts.rwnd_limited * 2 >= facts.span));

  // The first of the pair: who has bytes that arrived and were not read.
  if (facts.span >= kSpanMin && facts.recv_queue_least >= kRecvQueueHigh) {
    return {LinkFault::not_reading_here,
            bytes_text(here.recv_queue_bytes) + " from " + other + " lie in Recv-Q here, and for " +
                time_text(facts.span) + " never less than " + bytes_text(facts.recv_queue_least)};
  }
  const std::uint64_t unread = facts.there ? facts.there->recv_queue_bytes : 0;
  if (unread >= kRecvQueueHigh && (facts.there_recv_queue_least >= kRecvQueueHigh || silent)) {
    return {LinkFault::peer_not_reading, bytes_text(unread) + " lie in Recv-Q of " + other +
                                             ", which does not read them; Send-Q here has " +
                                             bytes_text(here.send_queue_bytes)};
  }

  // The second: who has bytes that do not leave.
  if (facts.stalled >= kStalled && waiting > 0) {
    const std::string stands = bytes_text(here.send_queue_bytes) + " stand in Send-Q and " +
                               bytes_text(here.unsent_bytes) +
                               " before it, none acknowledged for " + time_text(facts.stalled);
    if (!closed) {
      return {LinkFault::stalled,
              stands + (here.known
                            ? ", after " + count_text(here.retransmits, "retransmit", "retransmits")
                            : std::string{})};
    }
    if (facts.direct) {
      return {LinkFault::peer_not_reading,
              stands + ": the window of " + other + " is closed, as it does not read"};
    }
    if (!silent && facts.there) {
      // It reads whatever arrives, so this does not.
      return {LinkFault::slow,
              stands + ": the window of " + between(facts) + " is closed, while heartbeats of " +
                  other + " still come and tell of " + bytes_text(unread) + " in its Recv-Q"};
    }
    if (!silent) {
      return {LinkFault::peer_not_reading, stands + ": the window of " + between(facts) +
                                               " is closed, while heartbeats of " + other +
                                               " still come: it does not read"};
    }
    return {LinkFault::stalled, stands + ", and nothing came from " + other + " for " +
                                    time_text(facts.silent) + ": the window of " + between(facts) +
                                    " is closed. From this end the network behind it and a process "
                                    "of " +
                                    other + " that stands still look the same"};
  }
  if (silent) {
    const std::string quiet = "not a byte came from " + other + " for " + time_text(facts.silent);
    const bool delivered = waiting == 0 || facts.stalled == milliseconds{0};
    if (facts.direct && (delivered || closed)) {
      return {LinkFault::peer_not_reading,
              quiet +
                  (delivered ? ", while its kernel acknowledges all that is sent"
                             : ", while its kernel lives and has its window closed") +
                  ": its process stands still"};
    }
    if (!delivered) {
      return {LinkFault::stalled, quiet + ", and " + bytes_text(waiting) +
                                      " wait here, none acknowledged for " +
                                      time_text(facts.stalled)};
    }
    return {LinkFault::stalled, quiet + ", while " + between(facts) +
                                    " takes what is sent. From this end the network behind it and "
                                    "a process of " +
                                    other + " that stands still look the same"};
  }

  // It moves: how fast?
  const auto out = delay_of(facts.waiting_least, facts.acked_bytes, facts.span);
  if (out >= kDelayHigh) {
    const std::string takes = bytes_text(waiting) + " wait to be sent to " + other +
                              " and move at " +
                              rate_text(static_cast<double>(facts.waiting_least) / out.count()) +
                              ", which takes " + delay_text(out);
    if (facts.direct && facts.rwnd_limited * 2 >= facts.span) {
      return {LinkFault::peer_not_reading, takes + ": its window was closed for " +
                                               time_text(facts.rwnd_limited) + " of the last " +
                                               time_text(facts.span) + ", as it reads slowly"};
    }
    return {LinkFault::slow, takes + " at a round trip of " + time_text(here.rtt) + " and " +
                                 count_text(facts.retransmits, "retransmit", "retransmits")};
  }
  const auto in = delay_of(facts.there_waiting_least, facts.received_bytes, facts.span);
  if (in >= kDelayHigh && facts.there) {
    const SocketFacts& there = *facts.there;
    return {LinkFault::slow,
            bytes_text(there.send_queue_bytes + there.unsent_bytes) + " wait in Send-Q of " +
                other + " and before it and arrive at " +
                rate_text(static_cast<double>(facts.there_waiting_least) / in.count()) +
                ", which takes " + delay_text(in) + " at a round trip of " +
                time_text(there.known ? there.rtt : here.rtt)};
  }
  return {};
}

std::string link_figures(const LinkFacts& facts) {
  const auto end = [](const SocketFacts& socket, const char* where) {
    std::string text = std::string{where} + " Recv-Q " + bytes_text(socket.recv_queue_bytes) +
                       ", Send-Q " + bytes_text(socket.send_queue_bytes) + ", unsent " +
                       bytes_text(socket.unsent_bytes);
    if (socket.known) {
      text += ", round trip " + time_text(socket.rtt) + ", " +
              count_text(socket.retransmits, "retransmit", "retransmits");
    }
    return text;
  };
  return end(facts.here, "here") + (facts.there ? "; " + end(*facts.there, "there") : "") +
         "; last byte from there " + time_text(facts.silent) + " ago";
}

}  // namespace probekit
