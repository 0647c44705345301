// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Bytes that live and die together: the targets and results of one batch. One allocation holds
/// hundreds of texts, and all are freed at once. *Threads*: one at a time.

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace probekit::store {

/// A text kept in an arena; one word, the length stands before the bytes. Null: no text.
class ArenaText {
 public:
  ArenaText() = default;
  std::string_view view() const noexcept;
  explicit operator bool() const noexcept { return bytes_ != nullptr; }

 private:
  friend class Arena;
  const char* bytes_;  // uninitialised by default: it lives in a union
};

class Arena {
 public:
  /// Copies `text`, at most 4 GiB, to where it stays until the arena ends.
  ArenaText add(std::string_view text);
  /// Takes the texts of another one, which stay where they are; that is empty then.
  void adopt(Arena& other);
  std::size_t bytes_reserved() const noexcept { return bytes_reserved_; }

 private:
  char* allocate(std::size_t size);

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t bytes_reserved_ = 0;
};

}  // namespace probekit::store
