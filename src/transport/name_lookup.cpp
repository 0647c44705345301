// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/name_lookup.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "base/thread.hpp"

namespace probekit {

LookUpAnswer system_look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  LookUpAnswer answer;
  if (error != 0) {
    answer.error = ::gai_strerror(error);
    return answer;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      answer.addresses.emplace_back(text.data());
    }
  }
  ::freeaddrinfo(found);
  if (answer.addresses.empty()) answer.error = "it has no address";
  return answer;
}

std::shared_ptr<NameLookup> NameLookup::start(const std::string& host, const LookUp& look_up) {
  auto lookup = std::make_shared<NameLookup>();
  start_thread("probekit-lookup", [lookup, host, look_up] {
    lookup->finish(look_up(host));
  }).detach();
  return lookup;
}

void NameLookup::set_waiter(Waiter waiter) {
  Answer answer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!done_) {
      waiter_ = std::move(waiter);
      return;
    }
    answer = answer_;
  }
  if (waiter) waiter(std::move(answer));
}

bool NameLookup::done() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return done_;
}

void NameLookup::finish(Answer answer) {
  Waiter waiter;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    answer_ = answer;
    waiter = std::move(waiter_);
  }
  if (waiter) waiter(std::move(answer));
}

}  // namespace probekit
