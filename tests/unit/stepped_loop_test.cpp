// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/stepped_loop.hpp"

#include <memory>
#include <string>

#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

struct SteppedWorld {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  EventLoop loop{EventLoopOptions{"stepped", clock, nullptr}};
  SteppedLoop stepped{loop};
  std::string done;
};

TEST_CASE("SteppedLoop runs what is posted only when told, on this thread") {
  SteppedWorld world;
  CHECK_FALSE(world.stepped.has_posted());
  world.loop.post([&] {
    world.done += 'a';
    world.loop.post([&] { world.done += 'b'; });
  });
  CHECK(world.done.empty());
  CHECK(world.stepped.has_posted());
  world.stepped.run_posted();
  CHECK(world.done == "a");
  CHECK(world.loop.on_loop_thread());
  world.stepped.run_posted();
  CHECK(world.done == "ab");
  CHECK_FALSE(world.stepped.has_posted());
}

TEST_CASE("SteppedLoop runs timers once its clock has come to them, and says when that is") {
  SteppedWorld world;
  CHECK_FALSE(world.stepped.next_timer());
  const SteadyTime due = world.loop.now() + milliseconds{30};
  world.loop.call_at(due, [&] { world.done += 't'; });
  CHECK(world.stepped.next_timer() == due);
  world.stepped.run_timers();
  CHECK(world.done.empty());
  world.clock->advance(milliseconds{2000});
  world.stepped.run_timers();
  CHECK(world.done == "t");
  CHECK(world.loop.lag().last >= milliseconds{1900});
}

TEST_CASE("SteppedLoop's loop destroys what it has not run when it stops") {
  SteppedWorld world;
  const auto token = std::make_shared<int>(1);
  world.loop.post([token] {});
  world.loop.call_after(milliseconds{1}, [token] {});
  CHECK(token.use_count() == 3);
  world.loop.stop();
  CHECK(token.use_count() == 1);
}

}  // namespace
}  // namespace probekit
