// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/system_files.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;

class TemporaryFile {
 public:
  TemporaryFile() { close(mkstemp(path_.data())); }
  ~TemporaryFile() { unlink(path_.c_str()); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/probekit-file-XXXXXX";
};

}  // namespace

TEST_CASE("a hosts file gives each name its addresses", "[system_files]") {
  const HostsTable table = parse_hosts(
      "# a comment\n127.0.0.1\tlocalhost Box.Example. # the rest\r\n::1 localhost\n"
      "not-an-address name\n192.0.2.1\n\n   192.0.2.2 late");
  REQUIRE(table.count("localhost") == 1);
  CHECK(table.at("localhost").size() == 2);
  CHECK(table.at("localhost")[1].ip() == "::1");
  CHECK(table.at("box.example").at(0).ip() == "127.0.0.1");
  CHECK(table.at("late").at(0).ip() == "192.0.2.2");
  CHECK(table.size() == 3);
}

TEST_CASE("resolv.conf names three servers at most", "[system_files]") {
  const auto servers = parse_name_servers(
      "search example.com\nnameserver 192.0.2.1\n; nameserver 192.0.2.9\nnameserver junk\n"
      "nameserver 2001:db8::1 # ours\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
  REQUIRE(servers.size() == 3);
  CHECK(servers[0].to_string() == "192.0.2.1:53");
  CHECK(servers[1].to_string() == "[2001:db8::1]:53");
  CHECK(servers[2].to_string() == "192.0.2.2:53");
  CHECK(parse_name_servers("").empty());
}

TEST_CASE("a watched file is looked at once a second and read when it changed", "[system_files]") {
  TemporaryFile file;
  file.write("one");
  WatchedFile watched(file.path());
  const SteadyTime now{};
  CHECK(watched.changed(now) == "one");
  file.write("three");
  CHECK_FALSE(watched.changed(now + 999ms));
  CHECK(watched.changed(now + 1s) == "three");
  CHECK_FALSE(watched.changed(now + 5s));
  unlink(file.path().c_str());
  CHECK(watched.changed(now + 7s) == "");
  CHECK(WatchedFile("/nowhere/at/all").changed(now) == "");
}

TEST_CASE("configured name servers win; without any it is this host", "[system_files]") {
  TemporaryFile file;
  file.write("nameserver 192.0.2.1\n");
  NameServers fixed({*parse_address("192.0.2.7", 53)}, file.path());
  CHECK(fixed.at(SteadyTime{}).at(0).ip() == "192.0.2.7");
  NameServers read({}, file.path());
  CHECK(read.at(SteadyTime{}).at(0).to_string() == "192.0.2.1:53");
  NameServers none({}, "/nowhere/at/all");
  CHECK(none.at(SteadyTime{}).at(0).to_string() == "127.0.0.1:53");
}

}  // namespace probekit
