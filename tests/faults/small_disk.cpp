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

void remount(const std::string& path, unsigned long flags) {
  if (mount("none", path.c_str(), nullptr, MS_REMOUNT | flags, nullptr) != 0)
    FAIL("mounting a disk again: " << std::strerror(errno));
}

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

void SmallDisk::make_read_only() const { remount(path_, MS_RDONLY); }

void SmallDisk::make_read_only(const std::string& path) const {
  if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
    FAIL("mounting a file: " << std::strerror(errno));
  remount(path, MS_BIND | MS_RDONLY);
}

void SmallDisk::make_writable() const { remount(path_, 0); }

}  // namespace probekit::test
