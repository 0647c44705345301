// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What several views of the API share, and the form of its lists. Pure.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "json/json_writer.hpp"
#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/master.hpp"

namespace probekit::api {

/// A key and what `write(value)` writes; null when there is no value.
template <class T, class Write>
void write_or_null(json::Writer& writer, std::string_view name, const std::optional<T>& value,
                   Write write) {
  writer.key(name);
  if (value) {
    write(*value);
  } else {
    writer.null();
  }
}
/// A key and the text; null when it is empty.
void write_text_or_null(json::Writer& writer, std::string_view name, const std::string& text);
void write_time(json::Writer& writer, std::string_view name, std::optional<SystemTime> time);

/// Where its tasks are and how they ended: all but `accepted`.
void write_ledger_members(json::Writer& writer, const Ledger& ledger);
void write_diagnosis(json::Writer& writer, std::string_view name, const Diagnosis& diagnosis);

/// `{"items":[..],"next":..}`, with `"total"` where it is known. `next` empty: there is no more.
template <class Items, class Write>
std::string to_list(const Items& items, const std::string& next, Write write,
                    std::optional<std::size_t> total = std::nullopt) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("items").begin_array();
  for (const auto& item : items) write(writer, item);
  writer.end_array();
  write_text_or_null(writer, "next", next);
  if (total) writer.member("total", *total);
  writer.end_object();
  return out;
}

template <class T, class Write>
std::string to_object(const T& value, Write write) {
  std::string out;
  json::Writer writer(out);
  write(writer, value);
  return out;
}

}  // namespace probekit::api
