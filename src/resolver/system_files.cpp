// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/system_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <utility>

namespace probekit {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kNameServersMax = 3;  // resolv.conf(5), MAXNS

// Calls `line` with the words of each line, without its comment.
template <class Line>
void for_each_line(std::string_view text, std::string_view comments, Line&& line) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view rest = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    rest = rest.substr(0, rest.find_first_of(comments));
    words.clear();
    for (;;) {
      const std::size_t start = rest.find_first_not_of(" \t\r");
      if (start == std::string_view::npos) break;
      const std::size_t stop = rest.find_first_of(" \t\r", start);
      words.push_back(rest.substr(start, stop - start));
      if (stop == std::string_view::npos) break;
      rest = rest.substr(stop);
    }
    if (words.size() >= 2) line(words);
  }
}

}  // namespace

HostsTable parse_hosts(std::string_view text) {
  HostsTable table;
  for_each_line(text, "#", [&](const std::vector<std::string_view>& words) {
    const auto address = parse_address(words[0], 0);
    if (!address || address->port != 0) return;
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::string name(words[i]);
      for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
      if (name.size() > 1 && name.back() == '.') name.pop_back();
      table[name].push_back(*address);
    }
  });
  return table;
}

std::vector<Address> parse_name_servers(std::string_view text) {
  std::vector<Address> servers;
  for_each_line(text, "#;", [&](const std::vector<std::string_view>& words) {
    if (words[0] != "nameserver" || servers.size() >= kNameServersMax) return;
    if (const auto address = parse_address(words[1], 53)) servers.push_back(*address);
  });
  return servers;
}

std::optional<std::string> WatchedFile::changed(SteadyTime now) {
  if (looked_ && now < next_look_) return std::nullopt;
  next_look_ = now + std::chrono::seconds(1);
  struct stat status {};
  Stamp stamp;
  if (stat(path_.c_str(), &status) == 0) {
    stamp.seconds = status.st_mtim.tv_sec;
    stamp.nanoseconds = status.st_mtim.tv_nsec;
    stamp.size = status.st_size;
    stamp.inode = static_cast<long long>(status.st_ino);
  }
  if (looked_ && stamp == stamp_) return std::nullopt;
  looked_ = true;
  stamp_ = stamp;

  std::string text;
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  char buffer[16 * 1024];
  for (ssize_t got = 0;
       text.size() < kFileBytesMax && (got = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  return text;
}

NameServers::NameServers(std::vector<Address> configured, std::string resolv_conf)
    : fixed_(!configured.empty()), servers_(std::move(configured)), file_(std::move(resolv_conf)) {}

const std::vector<Address>& NameServers::at(SteadyTime now) {
  if (fixed_) return servers_;
  if (const auto text = file_.changed(now)) {
    servers_ = parse_name_servers(*text);
    if (servers_.empty()) servers_.push_back(*parse_address("127.0.0.1", 53));
  }
  return servers_;
}

}  // namespace probekit
