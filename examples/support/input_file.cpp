// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "input_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace examples {

InputFile::InputFile(const std::string& path) : name_(path == "-" ? "standard input" : path) {
  // A named pipe opens at once, and poll() waits for its writer.
  fd_ = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat facts {};
  if (fd_ < 0 || fstat(fd_, &facts) != 0) fail();
  if (S_ISREG(facts.st_mode)) size_ = static_cast<std::uint64_t>(facts.st_size);
  start_ = S_ISFIFO(facts.st_mode) || isatty(fd_) == 1 ? -1 : lseek(fd_, 0, SEEK_CUR);
  if (start_ < 0) kept_.reset(std::tmpfile());
}

InputFile::~InputFile() {
  if (fd_ > STDIN_FILENO) close(fd_);
}

void InputFile::fail() const { throw std::runtime_error(name_ + ": " + std::strerror(errno)); }

std::optional<std::size_t> InputFile::read(char* bytes, std::size_t size) {
  if (again_) {
    if (const auto count = std::fread(bytes, 1, size, kept_.get()); count > 0) return count;
    again_ = false;
    std::fseek(kept_.get(), 0, SEEK_END);
  }
  pollfd waiting{fd_, POLLIN, 0};
  if (poll(&waiting, 1, 0) == 0) return std::nullopt;
  const auto count = ::read(fd_, bytes, size);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return std::nullopt;
  if (count < 0) fail();
  const auto got = static_cast<std::size_t>(count);
  if (kept_ && std::fwrite(bytes, 1, got, kept_.get()) != got) kept_.reset();
  return got;
}

bool InputFile::rewind() {
  if (start_ >= 0) return lseek(fd_, start_, SEEK_SET) == start_;
  if (!kept_ || std::fflush(kept_.get()) != 0) return false;
  std::rewind(kept_.get());
  again_ = true;
  return true;
}

}  // namespace examples
