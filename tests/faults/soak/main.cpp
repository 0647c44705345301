// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit_soak [MINUTES [SEED [FILE]]]: import after import for MINUTES (30) while faults drawn
// from SEED (1) strike, and a record of it in Markdown to FILE (soak.md). As root, for networks of
// its own. Ends with 0 when all is well.

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <vector>

#include "faults/soak/record.hpp"
#include "faults/soak/side.hpp"
#include "support/catch.hpp"

namespace probekit::test {

int run_tests(int argc, char** argv);

namespace {

SideOptions this_side;

// The file with what the test framework says of it.
std::string words_of(const SideOptions& side) { return side.notes + ".words"; }

TEST_CASE("soak") { run_side(this_side); }

// In a process of its own, which has but one thing to wait for, and takes its programs with it.
pid_t start(const SideOptions& side, char* program) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // When the shell that started all this goes away, the kernel continues what stands still in a
  // process group that nobody is left to control.
  setpgid(0, 0);
  this_side = side;
  std::string option = "-o";
  std::string words = words_of(side);
  char* arguments[] = {program, option.data(), words.data(), nullptr};
  std::exit(run_tests(3, arguments));
}

}  // namespace

int run_soak(std::chrono::minutes time, std::uint32_t seed, const std::string& file,
             char* program) {
  std::vector<SideOptions> sides(3);
  sides[0].name = "memory";
  sides[1].name = "SQLite";
  sides[2].name = "SQLite, master dies";
  sides[1].durable = sides[2].durable = sides[2].master_dies = true;
  std::vector<pid_t> pids;
  for (std::size_t n = 0; n < sides.size(); ++n) {
    sides[n].time = time;
    sides[n].seed = seed * 16 + static_cast<std::uint32_t>(n);
    sides[n].notes = file + ".notes." + std::to_string(n);
    pids.push_back(start(sides[n], program));
    if (pids.back() < 0) return 1;
  }
  std::vector<SideRecord> records;
  for (std::size_t n = 0; n < sides.size(); ++n) {
    int status = 0;
    waitpid(pids[n], &status, 0);
    records.push_back({sides[n].name, sides[n].master_dies, read_notes(sides[n].notes)});
    if (status != 0)
      records.back().notes.problems.emplace_back("it could not go on, as " + words_of(sides[n]) +
                                                 " says");
  }
  const auto record = soak_record(records, static_cast<double>(time.count()), seed);
  std::ofstream out{file};
  out << record.markdown;
  std::cout << record.markdown << std::flush;
  return record.well && out.flush() ? 0 : 1;
}

}  // namespace probekit::test

int main(int argc, char** argv) {
  const auto number = [&](int n, unsigned long otherwise) {
    return argc > n ? std::strtoul(argv[n], nullptr, 10) : otherwise;
  };
  const auto minutes = number(1, 30);
  const auto seed = number(2, 1);
  if (argc > 4 || minutes < 1 || minutes > 100'000) {
    std::cerr << "probekit_soak: usage: probekit_soak [MINUTES [SEED [FILE]]]\n";
    return 2;
  }
  return probekit::test::run_soak(std::chrono::minutes{minutes}, static_cast<std::uint32_t>(seed),
                                  argc > 3 ? argv[3] : "soak.md", argv[0]);
}
