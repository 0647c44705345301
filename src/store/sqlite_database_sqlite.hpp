// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// SQLite as the store uses it: a connection, statements that are prepared once, and errors as
/// exceptions that stay inside. *Threads*: one at a time, for a connection and its statements.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace probekit::store {

/// What SQLite answered, in words.
class SqlError : public std::runtime_error {
 public:
  /// What may be over by itself.
  enum class Kind : std::uint8_t {
    full,       ///< no room on the disk
    io,         ///< reading or writing failed
    busy,       ///< somebody else holds the file
    read_only,  ///< it may not be written
    broken      ///< the file is not what it should be, or anything else
  };
  SqlError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }
  bool may_pass() const noexcept { return kind_ != Kind::broken; }

 private:
  Kind kind_;
};

class Statement;

/// An open file. Everything throws SqlError.
class Database {
 public:
  /// Opens or makes it. `vfs`: of SQLite's; empty: the usual one.
  Database(const std::string& path, const std::string& vfs);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Statements without results.
  void run(const std::string& sql);
  /// The first column of the first row; 0 when there is none.
  std::int64_t number(const std::string& sql);
  std::string text(const std::string& sql);
  /// The file may only be read: SQLite opens it even so.
  bool read_only() const noexcept;
  bool in_transaction() const noexcept;
  /// Ends a transaction that failed; nothing when SQLite ended it already.
  void roll_back() noexcept;

  /// Frames of the write-ahead log after the last commit.
  int log_frames() const noexcept { return log_frames_; }
  /// Copies the log into the file; `whole`: so that it begins anew. Frames that are left in it.
  int checkpoint(bool whole);

 private:
  friend class Statement;
  [[noreturn]] void fail(int code) const;

  sqlite3* handle_ = nullptr;
  int log_frames_ = 0;
};

/// Bound texts must live until the statement ran.
class Statement {
 public:
  Statement() = default;
  Statement(Database& database, const char* sql);
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;

  Statement& bind(int place, std::int64_t value);
  Statement& bind(int place, std::uint64_t value) {
    return bind(place, static_cast<std::int64_t>(value));
  }
  Statement& bind(int place, std::uint32_t value) { return bind(place, std::int64_t{value}); }
  Statement& bind(int place, double value);
  Statement& bind_null(int place);
  Statement& bind_text(int place, std::string_view text);
  Statement& bind_bytes(int place, std::string_view bytes);

  /// To its end; what it would answer is dropped. Rows it changed.
  int run();
  /// Goes to the next row; false: there is none, and it may be used again.
  bool next();
  /// It may be used again.
  void reset() noexcept;

  std::int64_t number(int column) const;
  double real(int column) const;
  bool is_null(int column) const;
  /// Of texts and blobs; valid until the statement goes on.
  std::string_view bytes(int column) const;

 private:
  void check(int code) const;

  Database* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace probekit::store
