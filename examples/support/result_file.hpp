// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// Where results are written: whole or with an error that names the file.

#include <string>

namespace examples {

class ResultFile {
 public:
  /// "-" is standard output. What a file holds stays until begin(). Throws std::runtime_error.
  explicit ResultFile(const std::string& path);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  /// Empties it.
  void begin();
  void write(const std::string& text);
  /// Errors that come late, come here.
  void close();

 private:
  [[noreturn]] void fail() const;

  std::string name_;
  int fd_ = -1;
};

}  // namespace examples
