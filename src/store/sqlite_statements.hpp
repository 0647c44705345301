// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The statements of the journal, prepared once. *Threads*: those of the journal.

#include <cstdint>

#include "store/sqlite_journal.hpp"

namespace probekit::store {

/// A batch, piece or watch, and a place in it.
inline std::uint64_t key_of(std::uint32_t of, std::uint32_t place) {
  return std::uint64_t{of} << 32 | place;
}

struct SqliteJournal::Statements {
  explicit Statements(Database& database) : db(database) {}

  Database& db;
  Statement put_meta{db, "INSERT OR REPLACE INTO meta VALUES (?, ?)"};
  Statement begin_upload{db, "INSERT INTO uploads VALUES (?)"};
  Statement end_upload{db, "DELETE FROM uploads WHERE piece = ?"};
  Statement add_targets{db, "INSERT INTO targets VALUES (?, ?, ?, ?)"};
  Statement add_piece{db, "INSERT INTO pieces VALUES (?, ?, ?, ?, ?)"};
  Statement add_lines{db, "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)"};
  Statement add_moves{db, "INSERT INTO moves (tasks, entries) VALUES (?, ?)"};
  Statement put_batch{db,
                      "INSERT OR REPLACE INTO batches VALUES "
                      "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  Statement put_summary{db, "INSERT OR REPLACE INTO summaries VALUES (?, ?)"};
  Statement drop_batch{db, "DELETE FROM batches WHERE id = ?"};
  Statement drop_summary{db, "DELETE FROM summaries WHERE batch = ?"};
  Statement drop_keys{db, "DELETE FROM keys WHERE batch = ?"};
  Statement put_agent{db, "INSERT OR REPLACE INTO agents VALUES (?, ?)"};
  Statement drop_agent{db, "DELETE FROM agents WHERE name = ?"};
  Statement put_session{db, "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)"};
  Statement drop_session{db, "DELETE FROM sessions WHERE id = ?"};
  Statement put_drained{db, "INSERT OR REPLACE INTO drained VALUES (?)"};
  Statement drop_drained{db, "DELETE FROM drained WHERE name = ?"};
  Statement put_key{db, "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)"};
  Statement put_schedule{db, "INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?)"};
  Statement drop_schedule{db, "DELETE FROM schedules WHERE watch = ?"};
  Statement put_counts{db, "INSERT OR REPLACE INTO schedule_counts VALUES (?, ?)"};
  Statement drop_counts{db, "DELETE FROM schedule_counts WHERE watch = ?"};
  Statement put_target{db, "INSERT OR REPLACE INTO schedule_targets VALUES (?, ?, ?, ?, ?)"};
  Statement drop_targets{db, "DELETE FROM schedule_targets WHERE id BETWEEN ? AND ?"};
  Statement add_schedule_lines{db, "INSERT INTO schedule_lines VALUES (?, ?, ?)"};
  Statement drop_lines{db, "DELETE FROM schedule_lines WHERE watch = ?"};
  Statement drop_old_lines{db,
                           "DELETE FROM schedule_lines WHERE watch = ?1 AND first < ?2 AND "
                           "first + length(lines) / 8 <= ?2"};

  Statement add_garbage{db, "INSERT OR REPLACE INTO garbage VALUES (?, ?)"};
  Statement drop_garbage{db, "DELETE FROM garbage WHERE kind = ? AND id = ?"};
  Statement collect_lines{db,
                          "DELETE FROM lines WHERE id IN "
                          "(SELECT id FROM lines WHERE id BETWEEN ? AND ? LIMIT ?)"};
  Statement collect_targets{db,
                            "DELETE FROM targets WHERE id IN "
                            "(SELECT id FROM targets WHERE id BETWEEN ? AND ? LIMIT ?)"};
  Statement first_piece{db, "SELECT id, piece FROM pieces WHERE id BETWEEN ? AND ? LIMIT 1"};
  Statement drop_piece{db, "DELETE FROM pieces WHERE id = ?"};

  Statement batch{db, "SELECT * FROM batches WHERE id = ? AND finished_us IS NOT NULL"};
  Statement summary{db, "SELECT summary FROM summaries WHERE batch = ?"};
  Statement pieces{db,
                   "SELECT id, piece, tasks, first_binding, bindings FROM pieces "
                   "WHERE id BETWEEN ? AND ? ORDER BY id"};
  /// The row that holds this task of a piece.
  Statement targets{db,
                    "SELECT id, tasks, entries, text FROM targets WHERE id BETWEEN ? AND ? "
                    "ORDER BY id DESC LIMIT 1"};
  Statement entries{db,
                    "SELECT id, tasks, entries FROM targets WHERE id BETWEEN ? AND ? ORDER BY id"};
  /// From the row on that holds line ?1, of a batch whose keys begin with ?2 and end with ?3.
  Statement lines{db,
                  "SELECT id, lines, passed, failed, entries, text FROM lines WHERE id >= "
                  "(SELECT max(id) FROM lines WHERE id BETWEEN ?2 AND ?1) AND id <= ?3 "
                  "ORDER BY id"};
};

}  // namespace probekit::store
