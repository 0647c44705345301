// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "import_source.hpp"

#include <algorithm>
#include <cstring>

#include "json_tree_rapidjson.hpp"

namespace examples {
namespace {

constexpr char kBom[] = "\xEF\xBB\xBF";
constexpr std::size_t kSniffBytes = 64 * 1024;

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

ImportSource::ImportSource(std::istream& input, Labels labels) : input_(input) {
  // Reads ahead until the first line that holds something decides the form.
  std::string line;
  std::string_view text;
  while (text.empty() && pending_.size() < kSniffBytes && next_line(line)) {
    pending_ += line;
    text = trimmed(line);
    if (text.substr(0, 3) == kBom) text = trimmed(text.substr(3));
    if (!text.empty() && text.front() == '#') text = {};
  }
  ndjson_ = !text.empty() && text.front() == '{';
  content_type_ = ndjson_ || !labels.empty() ? "application/x-ndjson" : "text/plain";
  if (labels.empty()) return;

  for (const auto& [key, value] : labels)
    labels_json_ += (labels_json_.empty() ? "" : ",") + json_string(key) + ':' + json_string(value);
  const std::string ahead = std::move(pending_);
  pending_.clear();
  for (std::size_t start = 0; start < ahead.size();) {
    const auto end = std::min(ahead.find('\n', start), ahead.size() - 1) + 1;
    labelled(ahead.substr(start, end - start));
    start = end;
  }
}

bool ImportSource::next_line(std::string& line) {
  if (!std::getline(input_, line)) return false;
  bytes_read_ += line.size();
  if (!input_.eof()) {
    line += '\n';
    ++bytes_read_;
  }
  return true;
}

void ImportSource::labelled(const std::string& line) {
  auto text = trimmed(line);
  if (text.substr(0, 3) == kBom) text = trimmed(text.substr(3));
  if (text.empty() || text.front() == '#') {
    pending_ += '\n';
  } else if (!ndjson_) {
    pending_ +=
        "{\"target\":" + json_string(std::string{text}) + ",\"labels\":{" + labels_json_ + "}}\n";
  } else if (text.find("\"labels\"") == std::string_view::npos && text.back() == '}') {
    const bool empty = trimmed(text.substr(1, text.size() - 2)).empty();
    pending_ += text.substr(0, text.size() - 1);
    pending_ += std::string{empty ? "" : ","} + "\"labels\":{" + labels_json_ + "}}\n";
  } else {
    pending_ += text;  // has labels of its own; the master judges what is not an object
    pending_ += '\n';
  }
}

std::size_t ImportSource::read(char* bytes, std::size_t size) {
  while (sent_ == pending_.size()) {
    pending_.clear();
    sent_ = 0;
    if (labels_json_.empty()) {
      input_.read(bytes, static_cast<std::streamsize>(size));
      const auto count = static_cast<std::size_t>(input_.gcount());
      bytes_read_ += count;
      return count;
    }
    std::string line;
    if (!next_line(line)) return 0;
    labelled(line);
  }
  const auto count = std::min(size, pending_.size() - sent_);
  std::memcpy(bytes, pending_.data() + sent_, count);
  sent_ += count;
  return count;
}

}  // namespace examples
