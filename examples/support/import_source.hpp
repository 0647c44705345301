// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// The list to import, as bytes of an upload: passed on as it is, or, when labels were given, each
// line turned into a spec that carries them besides its own; of one key the line's own value wins.
// Line numbers stay those of the file.

#include <cstdint>
#include <istream>
#include <string>
#include <utility>
#include <vector>

namespace examples {

using Labels = std::vector<std::pair<std::string, std::string>>;

class ImportSource {
 public:
  /// The stream outlives the source.
  ImportSource(std::istream& input, Labels labels);

  /// "application/x-ndjson" or "text/plain", by the first line that holds something.
  const std::string& content_type() const { return content_type_; }
  /// Fills at most `size` bytes; 0 at the end.
  std::size_t read(char* bytes, std::size_t size);
  /// Of the stream.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  bool next_line(std::string& line);
  void labelled(const std::string& line);

  std::istream& input_;
  Labels labels_;
  std::string content_type_;
  std::string pending_;
  std::size_t sent_ = 0;
  std::uint64_t bytes_read_ = 0;
  bool ndjson_ = false;
};

}  // namespace examples
