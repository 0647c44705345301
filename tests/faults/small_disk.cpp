// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/small_disk.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "support/catch.hpp"

namespace probekit::test {
namespace {

constexpr char kBallast[] = "/ballast";

}  // namespace

SmallDisk::SmallDisk(const std::string& size) : path_(folder_.path() + "/disk") {
  std::filesystem::create_directory(path_);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
    FAIL("a small disk: " << std::strerror(errno) << ": mounting one needs the rights of root");
}

SmallDisk::~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }

void SmallDisk::fill() const {
  const int file = open((path_ + kBallast).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  const std::string block(4096, 'x');
  while (write(file, block.data(), block.size()) > 0) {
  }
  close(file);
}

void SmallDisk::make_room() const { std::filesystem::remove(path_ + kBallast); }

}  // namespace probekit::test
