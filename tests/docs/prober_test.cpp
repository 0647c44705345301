// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The prober of docs/writing_a_prober.md at work: from the JSON of a spec to the result line.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "../../examples/library/banner_prober.hpp"
#include "probekit/agent.hpp"
#include "probekit/master.hpp"
#include "probekit/probe_executor.hpp"
#include "probekit/stores.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"

namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

/// Says one thing to each who comes, and hangs up unless told not to.
class Greeter {
 public:
  Greeter(std::string greeting, bool hangs_up)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), greeting_(std::move(greeting)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd_, 16) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    target_ = "banner:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread{[this, hangs_up] {
      std::vector<int> open;
      for (int client; (client = accept(fd_, nullptr, nullptr)) >= 0;) {
        (void)send(client, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
        if (hangs_up)
          close(client);
        else
          open.push_back(client);
      }
      for (const int client : open) close(client);
    }};
  }
  ~Greeter() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  const std::string& target() const { return target_; }

 private:
  int fd_;
  std::string greeting_;
  std::string target_;
  std::thread thread_;
};

probekit::TaskResult probe(const std::string& target, const std::string& section,
                           bool allowed = true) {
  probekit::ProbeExecutorOptions options;
  if (allowed) options.address_policy.allow("127.0.0.0/8");
  probekit::ProbeExecutor executor{options};
  executor.add(examples::make_banner_prober());
  executor.start();
  probekit::ProbeSpec spec;
  spec.target = target;
  spec.section = section;
  spec.timeout = 300ms;
  auto result = executor.probe(spec);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("a kind of one's own is ordered by its JSON and answers with fields of its own",
          "[docs][prober]") {
  const Greeter mail{"220 mail \"ready\"\r\nmore", false};
  // snippet: use
  probekit::MasterOptions options;
  options.kinds.add(examples::make_banner_prober()->kind());  // the master only checks specs
  probekit::MemoryNetwork network;
  probekit::Master master{probekit::make_memory_store(), options};
  REQUIRE(master.listen(network.listener()));

  probekit::AgentOptions agent_options;
  agent_options.name = "here";
  agent_options.address_policy.allow("127.0.0.0/8");
  probekit::Agent agent{network.connector(), agent_options};
  agent.add(examples::make_banner_prober());  // the agent probes
  agent.start();

  const auto parsed = probekit::parse_spec(
      R"({"target":")" + mail.target() + R"(","timeout_ms":2000,"banner":{"expect":"220 "}})", {},
      options.kinds);
  REQUIRE(parsed);
  probekit::BatchRequest request;
  request.specs = {parsed->spec};
  const auto batch = master.submit(request);
  REQUIRE(batch);
  for (const probekit::TaskResult& result : batch->results()) {
    CHECK(result.verdict == probekit::Verdict::passed);
    REQUIRE(result.sections.size() == 1);
    CHECK(result.sections[0].json == R"({"line":"220 mail \"ready\""})");
  }
  // snippet end
  CHECK(batch->ledger().passed == 1);
}

TEST_CASE("a wrong section is refused with its path", "[docs][prober]") {
  probekit::ProbeKinds kinds;
  kinds.add(examples::make_banner_prober()->kind());
  const auto fault = [&](const std::string& rest) {
    const auto parsed = probekit::parse_spec(R"({"target":)" + rest + "}", {}, kinds);
    return parsed ? std::string{} : parsed.error().message();
  };
  CHECK(fault(R"("banner:127.0.0.1:25","banner":{"expect":"220"})").empty());
  CHECK_THAT(fault(R"("banner:127.0.0.1:25","banner":{"expct":"220"})"),
             Contains("banner.expct: unknown field"));
  CHECK_THAT(fault(R"("banner:127.0.0.1:25","banner":{"expect":220})"),
             Contains("banner.expect: must be a string"));
  CHECK_THAT(fault(R"("banner:127.0.0.1")"), Contains("port"));
  CHECK_THAT(fault(R"("banner:mail.example:25")"), Contains("target"));
}

TEST_CASE("every end of such a probe has its failure kind", "[docs][prober]") {
  const Greeter mail{"554 go away\n", true};
  CHECK(probe(mail.target(), R"({"expect":"220 "})").failure->kind ==
        probekit::FailureKind::assertion);
  CHECK(probe(mail.target(), {}).verdict == probekit::Verdict::passed);
  CHECK(probe(mail.target(), {}, false).failure->kind == probekit::FailureKind::denied);
  const Greeter silent{"", false};
  CHECK(probe(silent.target(), {}).failure->kind == probekit::FailureKind::timeout);
  const Greeter hasty{"22", true};
  CHECK(probe(hasty.target(), {}).failure->kind == probekit::FailureKind::protocol);
  const Greeter endless{std::string(2000, 'x'), false};
  CHECK(probe(endless.target(), {}).failure->kind == probekit::FailureKind::protocol);
  std::string nobody;
  {
    const Greeter gone{"", true};
    nobody = gone.target();
  }
  CHECK(probe(nobody, {}).failure->kind == probekit::FailureKind::connect);
}
