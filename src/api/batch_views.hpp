// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the API shows of batches, and of what came in for them, as JSON. Pure.

#include <string>

#include "api/import_parser.hpp"
#include "json/json_writer.hpp"
#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit::api {

void write_batch(json::Writer& writer, const BatchSnapshot& batch);
void write_summary(json::Writer& writer, const BatchSnapshot& batch, const BatchSummary& summary);
/// The members of a probe's object up to the brackets of `results`, which are left open.
void write_probe_head(std::string& out, const BatchSnapshot& batch);

/// The members `"accepted":..,"rejected":..,"errors":[..]`, without braces.
std::string import_members(const ImportParser& import);

}  // namespace probekit::api
