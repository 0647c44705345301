// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "result_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace examples {

ResultFile::ResultFile(const std::string& path) : name_(path == "-" ? "standard output" : path) {
  fd_ = path == "-" ? dup(STDOUT_FILENO) : open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) fail();
}

ResultFile::~ResultFile() {
  if (fd_ >= 0) ::close(fd_);
}

void ResultFile::fail() const {
  throw std::runtime_error("--out: " + name_ + ": " + std::strerror(errno));
}

void ResultFile::begin() {
  // Pipes and devices have nothing to empty.
  if (lseek(fd_, 0, SEEK_CUR) == 0 && ftruncate(fd_, 0) != 0 && errno != EINVAL) fail();
}

void ResultFile::write(const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const auto count = ::write(fd_, text.data() + sent, text.size() - sent);
    if (count > 0)
      sent += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      fail();
  }
}

void ResultFile::close() {
  const int fd = fd_;
  fd_ = -1;
  if (fd >= 0 && ::close(fd) != 0) fail();
}

}  // namespace examples
