// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace examples {
namespace {

using namespace std::chrono_literals;

std::string text_of(const Progress& progress) {
  char buffer[200];
  std::snprintf(buffer, sizeof buffer, "%llu/%llu  passed %llu  failed %llu  %.0f/s",
                static_cast<unsigned long long>(progress.ended),
                static_cast<unsigned long long>(progress.accepted),
                static_cast<unsigned long long>(progress.passed),
                static_cast<unsigned long long>(progress.failed), progress.tasks_per_second);
  std::string text{buffer};
  if (progress.eta_seconds >= 0 && progress.ended < progress.accepted) {
    const auto seconds = static_cast<unsigned long>(progress.eta_seconds + 0.5);
    std::snprintf(buffer, sizeof buffer, "  ETA %lu:%02lu", seconds / 60, seconds % 60);
    text += buffer;
  }
  return text;
}

std::string mebibytes(std::uint64_t bytes) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.1f", static_cast<double>(bytes) / (1024.0 * 1024.0));
  return buffer;
}

}  // namespace

ProgressDisplay::ProgressDisplay(std::shared_ptr<const probekit::Clock> clock)
    : clock_(std::move(clock)),
      last_(clock_->steady_now()),
      terminal_(isatty(STDERR_FILENO) == 1) {}

bool ProgressDisplay::due() {
  const auto now = clock_->steady_now();
  if (now - last_ < (terminal_ ? 200ms : 5000ms)) return false;
  last_ = now;
  return true;
}

void ProgressDisplay::show_upload(std::uint64_t sent, std::uint64_t total) {
  if (!due()) return;
  draw(sent, total,
       "uploaded " + mebibytes(sent) + (total == 0 ? "" : " of " + mebibytes(total)) + " MiB");
}

void ProgressDisplay::show(const Progress& progress) {
  if (due()) draw(progress.ended, progress.accepted, text_of(progress));
}

void ProgressDisplay::finish(const Progress& progress) {
  draw(progress.ended, progress.accepted, text_of(progress));
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
}

void ProgressDisplay::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

void ProgressDisplay::draw(std::uint64_t part, std::uint64_t whole, const std::string& text) {
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return;
  }
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t columns = known ? size.ws_col : 80;
  const std::size_t width = columns > text.size() + 6 ? columns - text.size() - 6 : 0;
  const std::size_t full = whole == 0 ? 0 : std::min<std::size_t>(width * part / whole, width);
  std::string bar(full, '#');
  bar.resize(width, '-');
  // A bar that does not fit is left out.
  const auto line = (width < 4 ? "" : "[" + bar + "] ") + text.substr(0, columns - 1);
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace examples
