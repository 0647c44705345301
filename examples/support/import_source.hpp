// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// The list to import, as bytes of an upload: passed on as it is, or, when labels were given, each
// line turned into a spec that carries them besides its own; of one key the line's own value wins.
// Line numbers stay those of the file.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "input_file.hpp"

namespace examples {

using Labels = std::vector<std::pair<std::string, std::string>>;

class ImportSource {
 public:
  /// The input outlives the source.
  ImportSource(InputFile& input, Labels labels);

  /// Reads what there is until the form is known, by the first line that holds something. False:
  /// the input must bring more first.
  bool find_form();
  /// "application/x-ndjson" or "text/plain", once the form is known.
  const char* content_type() const;
  /// Then: fills at most `size` bytes; 0 at the end, nothing when there is nothing yet.
  std::optional<std::size_t> read(char* bytes, std::size_t size);
  /// What was read last ended a line.
  bool at_line_start() const { return at_line_start_; }
  /// Of the input.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  bool fill();
  std::string labelled(std::string_view line) const;
  void label_lines();

  InputFile& input_;
  Labels labels_;
  std::string raw_;      // of the input, not looked at
  std::string pending_;  // to be given
  std::size_t sent_ = 0;
  std::size_t searched_ = 0;  // of raw_: whole lines without anything in them
  std::uint64_t bytes_read_ = 0;
  bool ended_ = false;
  bool ndjson_ = false;
  bool too_long_ = false;  // within a line that is passed on as it is
  bool at_line_start_ = true;
};

}  // namespace examples
