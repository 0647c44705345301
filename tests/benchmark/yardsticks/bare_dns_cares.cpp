// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// bare_dns NAME SERVER:PORT COUNT IN_FLIGHT: asks for NAME's A record with c-ares alone, over UDP.
// The least a prober by c-ares can cost.

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/select.h>

#include <cstdlib>
#include <string>

#include "own_cost.hpp"

namespace {

struct Queries {
  ares_channel channel = nullptr;
  const char* name = nullptr;
  std::uint64_t count = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t started = 0;
  std::uint64_t ended = 0;
  std::uint64_t failed = 0;
};

void on_answer(void* user, int status, int, unsigned char*, int) {
  auto& queries = *static_cast<Queries*>(user);
  ++queries.ended;
  if (status != ARES_SUCCESS) ++queries.failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  Queries queries;
  queries.name = argv[1];
  queries.count = std::strtoull(argv[3], nullptr, 10);
  queries.in_flight = std::strtoull(argv[4], nullptr, 10);
  ares_library_init(ARES_LIB_INIT_ALL);
  ares_options options{};
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC | ARES_FLAG_NOSEARCH |
                  ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN | ARES_FLAG_EDNS;
  options.ednspsz = 1232;
  options.timeout = 5000;
  options.tries = 1;
  if (ares_init_options(&queries.channel, &options,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ) !=
          ARES_SUCCESS ||
      ares_set_servers_ports_csv(queries.channel, argv[2]) != ARES_SUCCESS)
    return 1;

  const auto before = probekit::benchmark::own_cpu_us();
  while (queries.ended < queries.count) {
    while (queries.started < queries.count && queries.started - queries.ended < queries.in_flight) {
      ++queries.started;
      ares_query(queries.channel, queries.name, ns_c_in, ns_t_a, on_answer, &queries);
    }
    fd_set readable;
    fd_set writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    const int highest = ares_fds(queries.channel, &readable, &writable);
    timeval wait{0, 20'000};
    select(highest, &readable, &writable, nullptr, &wait);
    ares_process(queries.channel, &readable, &writable);
  }
  probekit::benchmark::print_cost(queries.count, queries.failed,
                                  probekit::benchmark::own_cpu_us() - before);
  ares_destroy(queries.channel);
  ares_library_cleanup();
}
