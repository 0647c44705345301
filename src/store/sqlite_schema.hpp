// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The tables of a store's file, and how a file of an older version becomes one of this.

#include "store/sqlite_database_sqlite.hpp"

namespace probekit::store {

/// Of the file; each step of an upgrade raises it by one.
constexpr int kSchemaVersion = 1;

/// Makes an empty file a store, or brings one up to date, in one transaction. Throws SqlError:
/// `broken` when the file is another program's or of a newer version, saying so.
void prepare_schema(Database& database);

}  // namespace probekit::store
