// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Ids and cursors as people see them: opaque, of `[A-Za-z0-9._~-]+`. They carry the beginning of
/// the store's id, so that those of another store are recognised. Plain functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit::store {

/// How much of the store's id its ids carry.
constexpr std::size_t kIdPrefixLength = 8;

/// `b<prefix>-<n>` and `t<prefix>-<n>-<index>`.
std::string batch_text(std::string_view prefix, BatchId id);
PROBEKIT_EXPORT std::string task_text(std::string_view prefix, TaskId id);
/// Nothing for another store's id or any other text.
std::optional<BatchId> parse_batch_text(std::string_view prefix, std::string_view text);

/// A place in a batch's results: how many lines, of any verdict, stand before it.
PROBEKIT_EXPORT std::string result_cursor(std::string_view prefix, BatchId id,
                                          std::uint64_t position);
/// Nothing unless it is this batch's. An empty text is the start.
PROBEKIT_EXPORT std::optional<std::uint64_t> parse_result_cursor(std::string_view prefix,
                                                                 BatchId id, std::string_view text);

/// A place in the list of batches, which runs from the newest down: after this one.
std::string batch_cursor(std::string_view prefix, BatchId last);
std::optional<BatchId> parse_batch_cursor(std::string_view prefix, std::string_view text);

}  // namespace probekit::store
