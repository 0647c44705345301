// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/process_figures.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/text.hpp"

namespace probekit::api {
namespace {

std::string read_file(const char* path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Takes the next word off `text`.
std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \n"));
  text.remove_prefix(word.size());
  return word;
}

std::uint64_t boot_time() {
  const std::string stat = read_file("/proc/stat");
  const std::size_t line = stat.find("\nbtime ");
  if (line == std::string::npos) return 0;
  std::string_view rest = std::string_view{stat}.substr(line + 7);
  return parse_uint(next_word(rest)).value_or(0);
}

std::optional<std::uint64_t> count_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (!folder) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // without the one that looked
}

}  // namespace

void read_process_stat(std::string_view stat, std::uint64_t ticks_per_second,
                       std::uint64_t page_bytes, std::uint64_t boot_time, ProcessFigures& figures) {
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || ticks_per_second == 0) return;
  stat.remove_prefix(name_end + 1);
  // Fields 3 to 24: utime is 14, stime 15, starttime 22, vsize 23, rss 24.
  std::array<std::optional<std::uint64_t>, 25> fields;
  for (std::size_t i = 3; i < fields.size(); ++i) fields[i] = parse_uint(next_word(stat));
  const auto seconds = [ticks_per_second](std::uint64_t ticks) {
    return static_cast<double>(ticks) / static_cast<double>(ticks_per_second);
  };
  if (fields[14] && fields[15]) figures.cpu_seconds = seconds(*fields[14] + *fields[15]);
  if (fields[22] && boot_time != 0) {
    figures.start_time_seconds = static_cast<double>(boot_time) + seconds(*fields[22]);
  }
  figures.virtual_bytes = fields[23];
  if (fields[24]) figures.resident_bytes = *fields[24] * page_bytes;
}

ProcessFigures read_process_figures() {
  static const std::uint64_t booted = boot_time();
  ProcessFigures figures;
  read_process_stat(read_file("/proc/self/stat"), static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)),
                    static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)), booted, figures);
  figures.open_descriptors = count_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    figures.descriptors_max = limit.rlim_cur;
  }
  return figures;
}

}  // namespace probekit::api
