// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace probekit::store {

Expected<std::unique_ptr<FileLock>> FileLock::take(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Error{make_error_code(errc::store_failed), path + ": " + std::strerror(errno)};
  }
  // By the file, not by the process: a second store in this one is refused as well.
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    ::close(descriptor);
    if (why == EWOULDBLOCK) {
      return Error{make_error_code(errc::address_in_use), path + ": somebody else has it"};
    }
    return Error{make_error_code(errc::store_failed), path + ": " + std::strerror(why)};
  }
  return std::unique_ptr<FileLock>(new FileLock(descriptor));
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace probekit::store
