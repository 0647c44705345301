// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The disk of the store fills up while an import runs, and has room again later.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "faults/scenario.hpp"
#include "incident/everything_arrives.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

/// A disk of so many bytes, seen by this process and those it starts.
void mount_disk(const std::string& path, const std::string& size) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
    FAIL("a small disk: " << std::strerror(errno) << ": mounting one needs the rights of root");
}

/// Takes all the room there is.
void fill(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  const std::string block(4096, 'x');
  while (write(file, block.data(), block.size()) > 0) {
  }
  close(file);
}

}  // namespace

TEST_CASE("while the disk is full a master keeps its agents, and goes on when there is room",
          "[faults][sqlite][idle]") {
  const TemporaryFolder folder;
  const std::string disk = folder.path() + "/disk";
  std::filesystem::create_directory(disk);
  mount_disk(disk, "32m");
  struct Unmount {
    const std::string& path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } unmount{disk};
  MasterProcess master{{"--store", "sqlite:" + disk + "/store", "--heartbeat-interval", "1s",
                        "--dead-after", "10s"}};
  const TargetSite site;
  AgentProcess agent{"steady", master.agents_url(), {"--concurrency", "32", "--per-host", "0"}};
  agent.wait_until_connected();
  const auto& api = master.api();
  const auto batch = api.import(many(site.url("/delay/40"), kTasks));
  run_until([&] { return api.batch(batch).done > kTasks / 20; }, 30s);
  CHECK(api.get("/readyz").status == 200);

  fill(disk + "/ballast");
  run_until([&] { return api.get("/readyz").status == 503; }, 30s);
  const auto ready = api.get("/readyz");
  CHECK(text_at(ready.json(), "detail").find("the disk is full") != std::string::npos);
  const auto refused = api.request("POST", "/v1/batches", "text/plain", site.url("/ok") + "\n");
  CHECK(refused.status == 503);
  CHECK(text_at(refused.json(), "title") == "store_failed");
  CHECK(text_at(refused.json(), "detail").find("the disk is full") != std::string::npos);
  const auto status = api.get("/v1/status").json();
  CHECK(text_at(status, "store_trouble").find("the disk is full") != std::string::npos);
  CHECK(text_at(*status.find("diagnosis"), "verdict") == "store_full");
  // No work is granted, and no result is told that is not kept.
  run_until(
      [&] {
        const auto requests = site.requests();
        const auto until = system_clock()->steady_now() + 1s;
        run_until([&] { return system_clock()->steady_now() >= until; });
        return site.requests() == requests;
      },
      30s);
  const auto standing = api.batch(batch);
  CHECK(standing.balanced());
  CHECK(api.get("/healthz").status == 200);
  const auto until = system_clock()->steady_now() + 5s;
  run_until([&] { return system_clock()->steady_now() >= until; }, 10s);
  CHECK(api.batch(batch).done == standing.done);
  CHECK(master.agent("steady").find("connected")->as_bool().value_or(false));

  std::filesystem::remove(disk + "/ballast");
  const Stopwatch since;
  run_until([&] { return api.get("/readyz").status == 200; }, 30s);
  const double recovered = since.seconds();
  check_everything_arrived(api, batch, kTasks, 120s);
  CHECK(api.get("/readyz").status == 200);
  CHECK(api.get("/v1/status").json().find("store_trouble")->is_null());
  const auto steady = master.agent("steady");
  CHECK(steady.find("connected")->as_bool().value_or(false));
  const auto* const lost = steady.find("last_disconnect");
  CHECK((lost == nullptr || lost->is_null()));
  CHECK(api.request("POST", "/v1/batches", "text/plain", site.url("/ok") + "\n").status == 201);
  conclude(api, batch, kTasks, site, {&agent},
           {"disk of the SQLite store full, then with room again",
            "`POST /v1/batches`: " + std::to_string(refused.status) + ' ' +
                text_at(refused.json(), "title") + ": " + text_at(refused.json(), "detail") +
                "; `/v1/status`: store_full",
            recovered});
}

}  // namespace probekit::test
