// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace examples {
namespace {

using namespace std::chrono_literals;

std::string numbers_of(const Progress& progress) {
  char buffer[200];
  std::snprintf(buffer, sizeof buffer, "%llu/%llu  passed %llu  failed %llu  %.0f/s",
                static_cast<unsigned long long>(progress.ended),
                static_cast<unsigned long long>(progress.accepted),
                static_cast<unsigned long long>(progress.passed),
                static_cast<unsigned long long>(progress.failed), progress.tasks_per_second);
  std::string text{buffer};
  if (progress.eta_seconds >= 0) {
    const auto seconds = static_cast<unsigned long>(progress.eta_seconds + 0.5);
    std::snprintf(buffer, sizeof buffer, "  ETA %lu:%02lu", seconds / 60, seconds % 60);
    text += buffer;
  }
  return text;
}

}  // namespace

ProgressDisplay::ProgressDisplay() : terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressDisplay::show(const Progress& progress, std::chrono::steady_clock::time_point now) {
  if (shown_ && now - last_ < (terminal_ ? 200ms : 5000ms) && progress.ended < progress.accepted)
    return;
  last_ = now;
  const auto numbers = numbers_of(progress);
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", numbers.c_str());
    shown_ = true;
    return;
  }
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t columns = known ? size.ws_col : 80;
  const std::size_t width = columns > numbers.size() + 6 ? columns - numbers.size() - 6 : 0;
  const std::size_t full = progress.accepted == 0 ? 0 : width * progress.ended / progress.accepted;
  std::string bar(std::min(full, width), '#');
  bar.resize(width, '-');
  std::fprintf(stderr, "\r\x1b[K[%s] %s", bar.c_str(), numbers.substr(0, columns - 4).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void ProgressDisplay::finish() {
  if (terminal_ && shown_) std::fputc('\n', stderr);
  shown_ = false;
}

}  // namespace examples
