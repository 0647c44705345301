// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// bare_http URL COUNT IN_FLIGHT [CA_FILE]: fetches URL with libcurl's multi interface and epoll
// alone: pooled handles, a fresh connection each, nothing kept. The least a prober by libcurl can
// cost.

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "own_cost.hpp"

namespace {

struct Fetches {
  CURLM* multi = curl_multi_init();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  long timeout_ms = -1;
  std::uint64_t started = 0;
  std::uint64_t ended = 0;
  std::uint64_t failed = 0;
};

int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto& fetches = *static_cast<Fetches*>(user);
  epoll_event event{};
  event.data.fd = fd;
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  if (what == CURL_POLL_REMOVE)
    epoll_ctl(fetches.epoll, EPOLL_CTL_DEL, fd, nullptr);
  else if (epoll_ctl(fetches.epoll, EPOLL_CTL_MOD, fd, &event) != 0)
    epoll_ctl(fetches.epoll, EPOLL_CTL_ADD, fd, &event);
  return 0;
}

int on_timer(CURLM*, long timeout_ms, void* user) {
  static_cast<Fetches*>(user)->timeout_ms = timeout_ms;
  return 0;
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

CURL* make_handle(const char* url, const char* ca_file) {
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  return easy;
}

void collect(Fetches& fetches, std::uint64_t count) {
  int queued = 0;
  std::vector<CURL*> free_handles;
  while (CURLMsg* message = curl_multi_info_read(fetches.multi, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    ++fetches.ended;
    if (message->data.result != CURLE_OK) ++fetches.failed;
    free_handles.push_back(message->easy_handle);
  }
  for (CURL* easy : free_handles) {
    curl_multi_remove_handle(fetches.multi, easy);
    if (fetches.started >= count) continue;
    ++fetches.started;
    curl_multi_add_handle(fetches.multi, easy);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const auto count = std::strtoull(argv[2], nullptr, 10);
  const auto in_flight = std::strtoull(argv[3], nullptr, 10);
  const char* const ca_file = argc > 4 ? argv[4] : "/etc/ssl/certs/ca-certificates.crt";
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Fetches fetches;
  curl_multi_setopt(fetches.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(fetches.multi, CURLMOPT_SOCKETDATA, &fetches);
  curl_multi_setopt(fetches.multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(fetches.multi, CURLMOPT_TIMERDATA, &fetches);
  std::vector<CURL*> handles;
  for (std::uint64_t n = 0; n < std::min(in_flight, count); ++n)
    handles.push_back(make_handle(argv[1], ca_file));

  const auto before = probekit::benchmark::own_cpu_us();
  for (CURL* easy : handles) {
    ++fetches.started;
    curl_multi_add_handle(fetches.multi, easy);
  }
  std::vector<epoll_event> events(256);
  int running = 0;
  while (fetches.ended < count) {
    const int ready = epoll_wait(fetches.epoll, events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(std::min(fetches.timeout_ms, 1000L)));
    if (ready == 0 || fetches.timeout_ms == 0) {
      fetches.timeout_ms = -1;
      curl_multi_socket_action(fetches.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for (int n = 0; n < ready; ++n) {
      const auto& event = events[static_cast<std::size_t>(n)];
      int what = 0;
      if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
      curl_multi_socket_action(fetches.multi, event.data.fd, what, &running);
    }
    collect(fetches, count);
  }
  probekit::benchmark::print_cost(count, fetches.failed,
                                  probekit::benchmark::own_cpu_us() - before);
  for (CURL* easy : handles) curl_easy_cleanup(easy);
  curl_multi_cleanup(fetches.multi);
  close(fetches.epoll);
}
