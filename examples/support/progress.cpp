// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace examples {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBarMin = 4;
constexpr std::size_t kBarMax = 40;

std::string eta_of(const Progress& progress) {
  if (progress.ended >= progress.accepted) return {};
  if (progress.eta_seconds < 0) return "  ETA -:--";
  const auto seconds = static_cast<unsigned long>(std::min(progress.eta_seconds + 0.5, 3.6e8));
  char buffer[40];
  if (seconds < 3600)
    std::snprintf(buffer, sizeof buffer, "  ETA %lu:%02lu", seconds / 60, seconds % 60);
  else
    std::snprintf(buffer, sizeof buffer, "  ETA %lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60,
                  seconds % 60);
  return buffer;
}

std::string text_of(const Progress& progress, const std::string& passed,
                    const std::string& failed) {
  char rate[40];
  std::snprintf(rate, sizeof rate, progress.tasks_per_second < 10 ? "  %.1f/s" : "  %.0f/s",
                progress.tasks_per_second);
  return std::to_string(progress.ended) + '/' + std::to_string(progress.accepted) + "  " + passed +
         "  " + failed + rate + eta_of(progress);
}

std::string size_of(std::uint64_t bytes) {
  const bool small = bytes < 1024 * 1024;
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, small ? "%.1f KiB" : "%.1f MiB",
                static_cast<double>(bytes) / (small ? 1024.0 : 1024.0 * 1024.0));
  return buffer;
}

}  // namespace

ProgressDisplay::ProgressDisplay(std::shared_ptr<const probekit::Clock> clock)
    : clock_(std::move(clock)), last_(clock_->steady_now()), terminal_(STDERR_FILENO) {}

bool ProgressDisplay::due() {
  const auto now = clock_->steady_now();
  if (now - last_ < (terminal_.redraws() ? 200ms : 5000ms)) return false;
  last_ = now;
  return true;
}

void ProgressDisplay::show_upload(std::uint64_t sent, std::uint64_t total) {
  if (!due()) return;
  const auto text = "uploaded " + size_of(sent) + (total == 0 ? "" : " of " + size_of(total));
  draw(sent, total, text, text);
}

void ProgressDisplay::show(const Progress& progress) {
  if (due()) draw(progress);
}

void ProgressDisplay::finish(const Progress& progress) {
  draw(progress);
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
}

void ProgressDisplay::draw(const Progress& progress) {
  const auto passed = "passed " + std::to_string(progress.passed);
  const auto failed = "failed " + std::to_string(progress.failed);
  draw(progress.ended, progress.accepted, text_of(progress, passed, failed),
       text_of(progress, terminal_.green(passed),
               progress.failed == 0 ? failed : terminal_.red(failed)));
}

void ProgressDisplay::say(const std::string& line) {
  clear();
  std::fprintf(stderr, "%s\n", printable(line).c_str());
}

void ProgressDisplay::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

void ProgressDisplay::draw(std::uint64_t part, std::uint64_t whole, const std::string& plain,
                           const std::string& coloured) {
  if (!terminal_.redraws()) {
    std::fprintf(stderr, "%s\n", plain.c_str());
    return;
  }
  constexpr std::size_t kAround = 9;  // "100% [", "] " and the last column, which stays free
  const std::size_t columns = std::max<std::size_t>(terminal_.columns(), 2);
  const std::size_t room = columns > plain.size() + kAround ? columns - plain.size() - kAround : 0;
  std::string line;
  if (whole != 0 && room >= kBarMin) {
    const std::size_t width = std::min(room, kBarMax);
    const double share = std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
    std::string bar(static_cast<std::size_t>(share * static_cast<double>(width)), '#');
    bar.resize(width, '-');
    char percent[8];
    std::snprintf(percent, sizeof percent, "%3d%% [", static_cast<int>(share * 100));
    line = percent + bar + "] " + coloured;
  } else {
    // A bar that does not fit is left out, and colours with what must be cut.
    line = plain.size() < columns ? coloured : plain.substr(0, columns - 1);
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace examples
