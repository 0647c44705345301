// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What all benchmarks share. Every bar is a ratio of two figures taken in one run, alternately, or
/// a count; the median of the pairs is what counts.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/cluster.hpp"
#include "support/process.hpp"

namespace probekit::benchmark {

struct Row {
  std::string bar;       ///< "S1"
  std::string quantity;  ///< in words
  double ours = 0;
  double yardstick = 0;
  std::string unit;
  double ratio = 0;
  std::string target;  ///< "at most 1.4", "" for none
  bool reached = false;
};

enum class Sense { at_most, at_least };

class Report {
 public:
  /// `ratio` against `bar`.
  void add(std::string bar, std::string quantity, double ours, double yardstick, std::string unit,
           double ratio, Sense sense, double target);
  /// A ratio worth knowing that has no bar of its own.
  void add(std::string bar, std::string quantity, double ours, double yardstick, std::string unit,
           double ratio);
  /// Something could not be measured, and why.
  void missing(const std::string& bar, const std::string& why);
  void print() const;
  void write_json(const std::string& path) const;

 private:
  std::vector<Row> rows_;
  std::vector<std::string> missing_;
};

/// How much to do; `quick` proves that the benchmark works and measures nothing worth keeping.
struct Scale {
  bool quick = false;
  int pairs = 3;
  std::uint64_t of(std::uint64_t full) const { return quick ? full / 100 : full; }
};

double median(std::vector<double> values);

/// Runs both alternately; medians of each and of the ratio first / second.
struct Pair {
  double first = 0;
  double second = 0;
  double ratio = 0;
};
Pair alternate(const Scale& scale, const std::function<double()>& first,
               const std::function<double()>& second);

/// A program of this folder.
std::string yardstick(const std::string& name);
/// Runs it to its end; CPU microseconds a unit from the line it prints. Throws when units failed.
double run_yardstick(const std::vector<std::string>& command);

/// nginx with a 38-byte page over HTTP and HTTPS, and with /ws in front of `upstream`.
class Site {
 public:
  explicit Site(std::uint16_t upstream);
  ~Site();
  std::string http() const;  ///< "http://127.0.0.1:PORT/"
  std::uint16_t https_port() const noexcept { return https_port_; }
  std::string https() const;  ///< "https://localhost:PORT/", certificate by ca_file()
  std::string websocket() const;
  std::string ca_file() const;

 private:
  test::TemporaryFolder folder_;
  std::uint16_t http_port_;
  std::uint16_t https_port_;
  std::uint16_t ws_port_;
  std::unique_ptr<test::Process> process_;
};

/// NSD with www.bench.test on a port of its own.
class NameServer {
 public:
  NameServer();
  ~NameServer();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  test::TemporaryFolder folder_;
  std::uint16_t port_;
  std::unique_ptr<test::Process> process_;
};

/// Imports `count` copies of a target, numbered if `numbered`, and waits for the end. The batch id.
std::string import_and_wait(const test::MasterProcess& master, const std::string& target,
                            std::uint64_t count, bool numbered);

/// CPU microseconds a task of the process `pid` while it is imported and probed.
double cost_of_import(const test::MasterProcess& master, pid_t pid, const std::string& target,
                      std::uint64_t count, bool numbered);

/// An agent whose probes pass at once.
test::Process noop_agent(const std::string& url);

/// The bare pipe: tasks a second, and the sending side's CPU microseconds a task.
struct PipeCost {
  double rate = 0;
  double sender_us = 0;
};
PipeCost run_pipe(std::uint64_t count, bool through_nginx);

/// Whether a program can be run here.
bool installed(const std::string& program);

// The bars, one a file.
void measure_http(const Scale& scale, Report& report);     // S1, S4
void measure_https(const Scale& scale, Report& report);    // S2, S4
void measure_dns(const Scale& scale, Report& report);      // S3, S4
void measure_import(const Scale& scale, Report& report);   // S5, S7
void measure_growth(const Scale& scale, Report& report);   // S8, S11
void measure_latency(const Scale& scale, Report& report);  // S9
void measure_idle(const Scale& scale, Report& report);     // S10

/// CPU microseconds a probe of blackbox_exporter, asked by wrk for `seconds`.
double run_blackbox(const std::string& module_yaml, const std::string& target, int seconds);

}  // namespace probekit::benchmark
