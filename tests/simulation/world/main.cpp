// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// probekit_simulation: lives many lives, or one again.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/cpu_time.hpp"
#include "simulation/world/life.hpp"
#ifdef PROBEKIT_SIMULATION_SQLITE
#include "simulation/world/sqlite_stores.hpp"
#endif

namespace {

using namespace probekit::simulation;

constexpr const char* kUsage =
    "usage: probekit_simulation [--seed N] [--from N] [--lives N] [--broken N] [--planted NAME]\n"
    "                           [--plants]\n"
    "  --seed N        lives the life of this seed and tells all of it\n"
    "  --lives N       lives as many, from seed --from (1) on; stops at the first that breaks\n"
    "  --broken N      stops when so many have broken\n"
    "  --store NAME    memory, or sqlite where it was built\n"
    "  --planted NAME  with this mistake planted\n"
    "  --plants        plants each mistake and says, a table row each, which life finds it first\n";

std::uint64_t living = 0;  // the seed, for who finds the process dead

void on_abort(int) {
  char text[96];
  const int size = std::snprintf(text, sizeof text, "seed %llu: an assertion did not hold\n",
                                 static_cast<unsigned long long>(living));
  (void)!write(STDERR_FILENO, text, static_cast<std::size_t>(size));
  _exit(1);
}

bool parse(const char* text, std::uint64_t& number) {
  char* end = nullptr;
  number = std::strtoull(text, &end, 10);
  return *text != '\0' && *end == '\0';
}

double seconds_since(std::chrono::microseconds begun) {
  return std::chrono::duration<double>(probekit::process_cpu_time() - begun).count();
}

constexpr std::size_t kSaidMax = 160;  // lines of results are long

// A cell ends at a bar, a row at a newline.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, kSaidMax)) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return text.size() > kSaidMax ? out + "..." : out;
}

/// A row of docs/simulation.md for each; false: one of them was not found.
bool plant_each(std::uint64_t lives_max) {
  bool all = true;
  for (const Planted planted : all_planted()) {
    LifeOptions options;
    options.planted = planted;
    if (needs_disk(planted)) {
#ifdef PROBEKIT_SIMULATION_SQLITE
      options.stores = make_sqlite_stores;
#else
      continue;
#endif
    }
    const std::string name{to_string(planted)};
    const auto begun = probekit::process_cpu_time();
    const auto found = first_broken(options, lives_max);
    if (!found) {
      std::fprintf(stderr, "%s: found in none of %llu lives\n", name.c_str(),
                   static_cast<unsigned long long>(lives_max));
      all = false;
      continue;
    }
    const std::string said = cell(*found->report.broken);
    std::printf("| `%s` | %s | %llu | %llu | %.3f | %.1f | %s |\n", name.c_str(),
                std::string{what_is(planted)}.c_str(), static_cast<unsigned long long>(found->seed),
                static_cast<unsigned long long>(found->steps), seconds_since(begun),
                std::chrono::duration<double>(found->report.lasted).count(), said.c_str());
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = 0;
  std::uint64_t from = 1;
  std::uint64_t lives = 20'000;
  std::uint64_t broken_max = 1;
  bool plants = false;
  LifeOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--plants") {
      plants = true;
      continue;
    }
    const char* const value = i + 1 < argc ? argv[++i] : "";
    bool fine = false;
    if (name == "--seed") fine = parse(value, seed);
    if (name == "--from") fine = parse(value, from);
    if (name == "--lives") fine = parse(value, lives);
    if (name == "--broken") fine = parse(value, broken_max);
#ifdef PROBEKIT_SIMULATION_SQLITE
    if (name == "--store" && std::strcmp(value, "sqlite") == 0) {
      options.stores = make_sqlite_stores;
      fine = true;
    }
#endif
    if (name == "--store" && std::strcmp(value, "memory") == 0) fine = true;
    if (name == "--planted") {
      const auto planted = parse_planted(value);
      fine = planted.has_value();
      if (fine) options.planted = *planted;
    }
    if (!fine) {
      std::fputs(kUsage, stderr);
      return 2;
    }
  }
  signal(SIGABRT, on_abort);

  if (plants) return plant_each(lives) ? 0 : 1;
  if (seed != 0) {
    options.seed = living = seed;
    options.trace = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
    const LifeReport report = live(options);
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                report.broken ? report.broken->c_str() : "nothing broke");
    return report.broken ? 1 : 0;
  }

  const auto begun = probekit::process_cpu_time();
  std::uint64_t steps = 0;
  std::uint64_t tasks = 0;
  std::uint64_t connections = 0;
  std::uint64_t broken = 0;
  std::chrono::nanoseconds lasted{0};
  for (std::uint64_t i = 0; i < lives; ++i) {
    options.seed = living = from + i;
    const LifeReport report = live(options);
    steps += report.steps;
    tasks += report.tasks;
    connections += report.connections;
    lasted += report.lasted;
    if (report.broken) {
      std::fprintf(stderr, "seed %llu: %s\nagain: probekit_simulation --seed %llu\n",
                   static_cast<unsigned long long>(options.seed), report.broken->c_str(),
                   static_cast<unsigned long long>(options.seed));
      if (++broken == broken_max) return 1;
    }
  }
  const double seconds = seconds_since(begun);
  std::printf(
      "%llu lives, %llu steps, %llu tasks, %llu connections, %.1f days lived, in %.1f s of CPU "
      "time: %.0f lives/s\n",
      static_cast<unsigned long long>(lives), static_cast<unsigned long long>(steps),
      static_cast<unsigned long long>(tasks), static_cast<unsigned long long>(connections),
      std::chrono::duration<double>(lasted).count() / 86'400, seconds,
      static_cast<double>(lives) / (seconds > 0 ? seconds : 1));
  return broken == 0 ? 0 : 1;
}
