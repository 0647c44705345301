// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/process_figures.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "support/catch.hpp"

using namespace probekit::api;

TEST_CASE("a stat line is read behind a name that looks like its fields", "[metrics]") {
  ProcessFigures figures;
  read_process_stat(
      "42 (a) R (1 2) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 4 0 1000 8192 3 184467\n",
      100, 4096, 1'000'000, figures);
  CHECK(figures.cpu_seconds == 2.0);
  CHECK(figures.start_time_seconds == 1'000'010.0);
  CHECK(figures.virtual_bytes == 8192U);
  CHECK(figures.resident_bytes == 3U * 4096);

  ProcessFigures none;
  for (const char* text : {"", "42 (a", "42 (a) R", "42 (a) R x y"}) {
    read_process_stat(text, 100, 4096, 1'000'000, none);
    CHECK_FALSE(none.cpu_seconds);
    CHECK_FALSE(none.start_time_seconds);
    CHECK_FALSE(none.resident_bytes);
  }
}

TEST_CASE("a process knows itself", "[metrics]") {
  const ProcessFigures before = read_process_figures();
  REQUIRE(before.open_descriptors);
  CHECK(before.cpu_seconds);
  CHECK(*before.resident_bytes > 1'000'000);
  CHECK(*before.virtual_bytes >= *before.resident_bytes);
  CHECK(*before.start_time_seconds > 1.6e9);
  const int more = open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK(*read_process_figures().open_descriptors == *before.open_descriptors + 1);
  close(more);
}
