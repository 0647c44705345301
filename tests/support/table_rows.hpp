// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The tables of a page of docs/, for tests that hold the page to what it says.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "support/catch.hpp"

namespace probekit::test {

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline bool has_test(const std::filesystem::path& file, const std::string& name) {
  return content_of(file).find("TEST_CASE(\"" + name + '"') != std::string::npos;
}

struct TableRow {
  std::string table;               ///< what its first column is called
  std::vector<std::string> cells;  ///< without backticks
};

inline std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  line.remove_prefix(1);
  for (std::size_t end = 0; (end = line.find(" |")) != std::string_view::npos;
       line.remove_prefix(end + 2)) {
    std::string cell(trim(line.substr(0, end)));
    cell.erase(std::remove(cell.begin(), cell.end(), '`'), cell.end());
    cells.push_back(std::move(cell));
  }
  return cells;
}

inline std::vector<TableRow> table_rows(const std::filesystem::path& file) {
  const std::string page = content_of(file);
  std::vector<TableRow> rows;
  std::string table;
  std::string above;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = std::min(page.find('\n', at), page.size());
    const std::string line = page.substr(at, end - at);
    at = end + 1;
    if (!starts_with(line, "| ")) {
      table.clear();
    } else if (starts_with(line, "| ---")) {
      table = cells_of(above).front();
    } else if (!table.empty()) {
      rows.push_back(TableRow{table, cells_of(line)});
    }
    above = line;
  }
  return rows;
}

}  // namespace probekit::test
