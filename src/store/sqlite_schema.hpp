// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The tables of a store's file, and how a file of an older version becomes one of this.

#include <vector>

#include "store/sqlite_database_sqlite.hpp"

namespace probekit::store {

/// SQL, in the order of versions: step i makes version i + 1 of version i, of 0 in an empty file.
const std::vector<const char*>& schema_steps();

/// Makes an empty file a store, or brings one up to the version the last step makes, in one
/// transaction: when a step fails the file is as it was. Throws SqlError: `broken` when the file is
/// another program's or of a newer version, saying so.
void prepare_schema(Database& database, const std::vector<const char*>& steps);

}  // namespace probekit::store
