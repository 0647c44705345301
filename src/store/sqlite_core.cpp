// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/sqlite_core.hpp"

#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "store/cursor.hpp"
#include "store/sqlite_schema.hpp"

namespace probekit::store {
namespace {

/// Larger files are checked as far as they are read.
constexpr std::int64_t kCheckedBytesMax = 64 * 1024 * 1024;

Error failed(std::string message) {
  return Error{make_error_code(errc::store_failed), std::move(message)};
}

std::string words_of(const SqlError& error) {
  switch (error.kind()) {
    case SqlError::Kind::full:
      return std::string{"the disk is full: "} + error.what();
    case SqlError::Kind::io:
      return std::string{"the disk fails: "} + error.what();
    case SqlError::Kind::busy:
      return std::string{"another program holds the file: "} + error.what();
    case SqlError::Kind::read_only:
      return std::string{"it may not be written: "} + error.what();
    case SqlError::Kind::broken:
      break;
  }
  return error.what();
}

/// No fewer than SQLite follows (SQLITE_MAX_SYMLINK, 200 at most).
constexpr int kLinksMax = 200;

/// Where the file of this name lies. SQLite follows a link to it, also one to a file that is still
/// to be made, and has its log there; the lock belongs there too. Links among the folders lead
/// everybody to the same place anyway.
std::string behind_links(const std::string& path) {
  std::filesystem::path place = path;
  std::error_code error;
  for (int links = 0; links < kLinksMax; ++links) {
    const auto next = std::filesystem::read_symlink(place, error);
    if (error) return place.string();  // no link; what else may be wrong is said when it is opened
    place = place.parent_path() / next;
  }
  return path;  // a circle, or too many: SQLite refuses it
}

}  // namespace

Expected<std::unique_ptr<SqliteCore>> SqliteCore::open(const SqliteFile& file,
                                                       const StoreOptions& options) {
  std::unique_ptr<SqliteCore> core(new SqliteCore);
  core->path_ = file.path;
  const auto say = [&file](const std::string& why) { return failed(file.path + ": " + why); };
  try {
    core->file_ = {behind_links(file.path), file.vfs};
    if (const auto opened = core->open_file(options); !opened) return opened.error();
  } catch (const SqlError& error) {
    return say(words_of(error));
  } catch (const BadBytes& error) {
    return say(std::string{"it is damaged: "} + error.what());
  } catch (const std::exception& error) {
    return say(error.what());
  }
  return core;
}

Expected<void> SqliteCore::open_file(const StoreOptions& options) {
  if (file_.vfs.empty()) {
    auto lock = FileLock::take(file_.path + "-lock");
    if (!lock) {
      if (lock.error().code() == errc::address_in_use) {
        return failed(path_ + ": another master uses this file");
      }
      return file_.path == path_ ? lock.error() : failed(path_ + ": " + lock.error().message());
    }
    lock_ = std::move(*lock);
  }
  database_ = std::make_unique<Database>(file_.path, file_.vfs);
  Database& database = *database_;
  if (database.read_only()) return failed(path_ + ": it may not be written");
  database.run("PRAGMA busy_timeout = 2000");
  database.run("PRAGMA temp_store = MEMORY");
  database.run("PRAGMA cache_size = -16384");
  // Before anything is changed: it may not be ours.
  prepare_schema(database, schema_steps());
  if (database.text("PRAGMA journal_mode = WAL") != "wal") {
    return failed(path_ + ": its file system does not support a write-ahead log");
  }
  // A commit is on the disk when it is answered.
  database.run("PRAGMA synchronous = FULL");
  database.run("PRAGMA journal_size_limit = 67108864");
  if (database.number("PRAGMA page_count") * database.number("PRAGMA page_size") <=
      kCheckedBytesMax) {
    const std::string found = database.text("PRAGMA quick_check(1)");
    if (found != "ok") {  // the last line tells where
      return failed(path_ + ": it is damaged: " + found.substr(found.rfind('\n') + 1));
    }
  }
  id_ = database.text("SELECT value FROM meta WHERE key = 'id'");
  if (id_.empty()) {
    append_hex(id_, options.random->next());
    Statement(database, "INSERT INTO meta VALUES ('id', ?)").bind_text(1, id_).run();
  }
  if (id_.size() < kIdPrefixLength) return failed(path_ + ": it is damaged: its id");
  const Now now{options.clock->steady_now(), options.clock->system_now()};
  journal_ = std::make_unique<SqliteJournal>(database);
  table_ = std::make_unique<TaskTable>(options, id_, kWorkPerCall, journal_.get());
  journal_->load(now, *table_);
  // Shows at once whether it can be written.
  journal_->write(now);
  table_->let_go(now);
  return {};
}

Expected<void> SqliteCore::commit(Now now) {
  if (broken_) return failed(path_ + ": the store has stopped");
  try {
    journal_->write(now);
    return {};
  } catch (const SqlError& error) {
    broken_ = !error.may_pass();
    return failed(path_ + ": " + words_of(error));
  } catch (const std::exception& error) {
    broken_ = true;
    return failed(path_ + ": " + error.what());
  }
}

int SqliteCore::checkpoint(bool whole) noexcept {
  try {
    return database_->checkpoint(whole);
  } catch (const SqlError&) {
    return log_frames();
  }
}

}  // namespace probekit::store
