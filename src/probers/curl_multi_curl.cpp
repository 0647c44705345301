// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probers/curl_multi_curl.hpp"

#include <curl/curl.h>

#include <chrono>
#include <new>
#include <utility>

namespace probekit {

struct CurlMulti::Calls {
  static int socket(CURL* easy, curl_socket_t fd, int what, void* user, void* /*per_socket*/) {
    auto& multi = *static_cast<CurlMulti*>(user);
    if (what == CURL_POLL_REMOVE) {  // also for sockets never announced
      multi.loop_.unwatch(fd);
      return 0;
    }
    const unsigned events = ((what & CURL_POLL_IN) != 0 ? unsigned{ProbeLoop::readable} : 0U) |
                            ((what & CURL_POLL_OUT) != 0 ? unsigned{ProbeLoop::writable} : 0U) |
                            (multi.user_.is_urgent(easy) ? unsigned{ProbeLoop::urgent} : 0U);
    multi.loop_.watch(fd, events, [&multi, fd](unsigned ready) {
      multi.act(fd, ((ready & ProbeLoop::readable) != 0 ? CURL_CSELECT_IN : 0) |
                        ((ready & ProbeLoop::writable) != 0 ? CURL_CSELECT_OUT : 0) |
                        ((ready & ProbeLoop::failed) != 0 ? CURL_CSELECT_ERR : 0));
    });
    return 0;
  }

  static int timer(CURLM* /*multi*/, long milliseconds, void* user) {
    auto& multi = *static_cast<CurlMulti*>(user);
    multi.due_.reset();
    if (milliseconds == 0) {
      multi.kick();
    } else if (milliseconds > 0) {
      multi.due_ = multi.loop_.now() + std::chrono::milliseconds(milliseconds);
      multi.arm();
    }
    return 0;
  }
};

CurlMulti::CurlMulti(ProbeLoop& loop, CurlMultiUser& user)
    : loop_(loop),
      user_(user),
      multi_(curl_multi_init()),
      self_(std::make_shared<CurlMulti*>(this)) {
  if (multi_ == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Calls::socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Calls::timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 4L);
}

CurlMulti::~CurlMulti() {
  *self_ = nullptr;
  curl_multi_cleanup(multi_);
  loop_.cancel(timer_);
}

bool CurlMulti::add(void* easy) { return curl_multi_add_handle(multi_, easy) == CURLM_OK; }

void CurlMulti::remove(void* easy) { curl_multi_remove_handle(multi_, easy); }

void CurlMulti::act(int fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  user_.on_action_end();
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const int code = static_cast<int>(message->data.result);
    curl_multi_remove_handle(multi_, easy);
    user_.on_transfer_end(easy, code);
  }
}

// libcurl wants to be called now; a burst of new transfers is served by one call.
void CurlMulti::kick() {
  if (std::exchange(kick_posted_, true)) return;
  loop_.post([self = self_] {
    CurlMulti* const multi = *self;
    if (multi == nullptr) return;
    multi->kick_posted_ = false;
    multi->act(CURL_SOCKET_TIMEOUT, 0);
  });
}

// A timer that is set too early costs less than one moved at each transfer.
void CurlMulti::arm() {
  if (timer_ != 0 && armed_for_ <= *due_) return;
  loop_.cancel(timer_);
  armed_for_ = *due_;
  timer_ = loop_.call_at(armed_for_, [this] { on_timer(); });
}

void CurlMulti::on_timer() {
  timer_ = 0;
  if (!due_) return;
  if (*due_ <= loop_.now()) {
    due_.reset();
    act(CURL_SOCKET_TIMEOUT, 0);
  } else {
    arm();
  }
}

}  // namespace probekit
