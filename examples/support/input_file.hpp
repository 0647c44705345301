// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// A file or pipe that is read as bytes come, without waiting for them, and can be read again from
// its start: what came through a pipe is kept in a temporary file.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace examples {

class InputFile {
 public:
  /// "-" is standard input. Throws std::runtime_error naming the file.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Readable when read() has something to tell.
  int fd() const { return fd_; }
  /// In bytes; 0: not known.
  std::uint64_t size() const { return size_; }
  /// Nothing: nothing yet; 0: the end. Throws std::runtime_error naming the file.
  std::optional<std::size_t> read(char* bytes, std::size_t size);
  /// Back to the start. False: a pipe, and what came through it could not be kept.
  bool rewind();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail() const;

  std::string name_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::int64_t start_ = -1;  // where it stood when it was given; below 0: a pipe
  std::unique_ptr<std::FILE, Close> kept_;
  bool again_ = false;  // what was kept is read first
};

}  // namespace examples
