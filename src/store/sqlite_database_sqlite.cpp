// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/sqlite_database_sqlite.hpp"

#include <sqlite3.h>

#include <cstring>
#include <utility>

namespace probekit::store {
namespace {

SqlError::Kind kind_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return SqlError::Kind::full;
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
      return SqlError::Kind::io;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return SqlError::Kind::busy;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return SqlError::Kind::read_only;
    default:
      return SqlError::Kind::broken;
  }
}

}  // namespace

Database::Database(const std::string& path, const std::string& vfs) {
  const int code = sqlite3_open_v2(path.c_str(), &handle_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    std::string why = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
    if (handle_ != nullptr && sqlite3_system_errno(handle_) != 0) {
      why += std::string{": "} + std::strerror(sqlite3_system_errno(handle_));
    }
    sqlite3_close(handle_);
    throw SqlError(kind_of(code), why);
  }
  sqlite3_extended_result_codes(handle_, 1);
  // In the place of SQLite's own, which copies the log within a commit. PRAGMA wal_autocheckpoint
  // would take it away again.
  sqlite3_wal_hook(
      handle_,
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<Database*>(self)->log_frames_ = frames;
        return SQLITE_OK;
      },
      this);
}

Database::~Database() { sqlite3_close(handle_); }

void Database::fail(int code) const {
  std::string why = sqlite3_errmsg(handle_);
  const int system = sqlite3_system_errno(handle_);
  const SqlError::Kind kind = kind_of(sqlite3_extended_errcode(handle_));
  if (system != 0 && kind == SqlError::Kind::io) why += std::string{": "} + std::strerror(system);
  throw SqlError(kind_of(code), why);
}

void Database::run(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql.c_str());
  return statement.next() ? statement.number(0) : 0;
}

std::string Database::text(const std::string& sql) {
  Statement statement(*this, sql.c_str());
  return statement.next() ? std::string{statement.bytes(0)} : std::string{};
}

bool Database::read_only() const noexcept { return sqlite3_db_readonly(handle_, "main") != 0; }

bool Database::in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }

void Database::roll_back() noexcept {
  if (in_transaction()) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

int Database::checkpoint(bool whole) {
  int frames = 0;
  int copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      handle_, nullptr, whole ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &frames,
      &copied);
  if (code == SQLITE_BUSY) return frames;  // somebody reads: another time
  if (code != SQLITE_OK) fail(code);
  return frames - copied;
}

Statement::Statement(Database& database, const char* sql) : database_(&database) {
  const int code =
      sqlite3_prepare_v3(database.handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (code != SQLITE_OK) database.fail(code);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(handle_, other.handle_);
  return *this;
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) database_->fail(code);
}

Statement& Statement::bind(int place, std::int64_t value) {
  check(sqlite3_bind_int64(handle_, place, value));
  return *this;
}

Statement& Statement::bind(int place, double value) {
  check(sqlite3_bind_double(handle_, place, value));
  return *this;
}

Statement& Statement::bind_null(int place) {
  check(sqlite3_bind_null(handle_, place));
  return *this;
}

Statement& Statement::bind_text(int place, std::string_view text) {
  check(sqlite3_bind_text64(handle_, place, text.data() == nullptr ? "" : text.data(), text.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_bytes(int place, std::string_view bytes) {
  check(sqlite3_bind_blob64(handle_, place, bytes.data() == nullptr ? "" : bytes.data(),
                            bytes.size(), SQLITE_STATIC));
  return *this;
}

int Statement::run() {
  while (next()) {
  }
  return sqlite3_changes(database_->handle_);
}

bool Statement::next() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  // The reason is lost with the reset.
  if (code != SQLITE_DONE) {
    try {
      database_->fail(code);
    } catch (...) {
      reset();
      throw;
    }
  }
  reset();
  return false;
}

void Statement::reset() noexcept { sqlite3_reset(handle_); }

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

std::string_view Statement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

}  // namespace probekit::store
