// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/sqlite_schema.hpp"

#include <string>

namespace probekit::store {
namespace {

/// "prbk", as file(1) may show it.
constexpr std::int64_t kApplicationId = 0x7072626B;

// Rows of many things at once: what one upload brought, or what ended in one batch between two
// commits. Their keys are a batch (or piece) in the upper 32 bits and a place in it in the lower
// ones, so that what belongs together lies together and is found without an index.
constexpr const char* kVersion1 = R"(
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  origin INTEGER NOT NULL, name TEXT NOT NULL, watch INTEGER NOT NULL, open INTEGER NOT NULL,
  rejected INTEGER NOT NULL, created_us INTEGER NOT NULL, accepted_us INTEGER NOT NULL,
  cancelled_us INTEGER, finished_us INTEGER, took_us INTEGER NOT NULL,
  accepted INTEGER NOT NULL, done INTEGER NOT NULL, expired INTEGER NOT NULL,
  cancelled INTEGER NOT NULL, passed INTEGER NOT NULL, failed INTEGER NOT NULL);
CREATE INDEX unfinished ON batches (id) WHERE finished_us IS NULL;
CREATE TABLE summaries (batch INTEGER PRIMARY KEY, summary BLOB NOT NULL);

-- What joined a batch at once. Key: batch, first task.
CREATE TABLE pieces (
  id INTEGER PRIMARY KEY, piece INTEGER NOT NULL, tasks INTEGER NOT NULL,
  first_binding INTEGER NOT NULL, bindings BLOB NOT NULL);
-- Pieces of uploads under way.
CREATE TABLE uploads (piece INTEGER PRIMARY KEY);
-- Key: piece, first task in it.
CREATE TABLE targets (
  id INTEGER PRIMARY KEY, tasks INTEGER NOT NULL, entries BLOB NOT NULL, text BLOB NOT NULL);
-- Key: batch, first line.
CREATE TABLE lines (
  id INTEGER PRIMARY KEY, lines INTEGER NOT NULL, passed INTEGER NOT NULL,
  failed INTEGER NOT NULL, entries BLOB NOT NULL, text BLOB NOT NULL);
-- Tasks that were leased, lost, given back: the last word on each holds.
CREATE TABLE moves (id INTEGER PRIMARY KEY, tasks INTEGER NOT NULL, entries BLOB NOT NULL);

CREATE TABLE agents (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, grace_ms INTEGER NOT NULL);
CREATE TABLE drained (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE keys (
  scope TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer BLOB NOT NULL,
  batch INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX keys_of_batch ON keys (batch);

CREATE TABLE schedules (
  watch INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL, phase REAL NOT NULL, base_us INTEGER NOT NULL, spec BLOB NOT NULL);
CREATE TABLE schedule_counts (watch INTEGER PRIMARY KEY, counts BLOB NOT NULL);
-- Key: watch, place of the target.
CREATE TABLE schedule_targets (
  id INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, due_us INTEGER NOT NULL,
  first INTEGER NOT NULL, tasks INTEGER NOT NULL);
CREATE TABLE schedule_lines (
  watch INTEGER NOT NULL, first INTEGER NOT NULL, lines BLOB NOT NULL,
  PRIMARY KEY (watch, first)) WITHOUT ROWID;

-- Batches (1) and pieces (2) whose rows are still to be deleted.
CREATE TABLE garbage (kind INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id))
  WITHOUT ROWID;
)";

}  // namespace

const std::vector<const char*>& schema_steps() {
  static const std::vector<const char*> steps{kVersion1};
  return steps;
}

void prepare_schema(Database& database, const std::vector<const char*>& steps) {
  const auto refuse = [](const std::string& why) { throw SqlError(SqlError::Kind::broken, why); };
  const auto newest = static_cast<std::int64_t>(steps.size());
  const std::int64_t version = database.number("PRAGMA user_version");
  const std::int64_t program = database.number("PRAGMA application_id");
  const bool empty = database.number("SELECT count(*) FROM sqlite_schema") == 0;
  if (!empty && program != kApplicationId) refuse("it is a database, but not a probekit store");
  if (version > newest) {
    refuse("it is of version " + std::to_string(version) + ", newer than this program's " +
           std::to_string(newest) + ": use a newer probekit");
  }
  if (version < 0 || (!empty && version == 0)) refuse("it has no version");
  if (version == newest) return;
  database.run("BEGIN IMMEDIATE");
  try {
    for (auto step = version; step < newest; ++step) {
      database.run(steps[static_cast<std::size_t>(step)]);
    }
    database.run("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.run("PRAGMA user_version = " + std::to_string(newest));
    database.run("COMMIT");
  } catch (...) {
    database.roll_back();
    throw;
  }
}

}  // namespace probekit::store
