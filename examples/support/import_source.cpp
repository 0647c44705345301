// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "import_source.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

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

JsonTree tree_of(JsonTree::Kind kind, std::string text = {}) {
  JsonTree tree;
  tree.kind = kind;
  tree.text = std::move(text);
  return tree;
}

// The spec with those labels whose keys it has not itself. False: it is no object, or its labels
// are none; the master says so.
bool add_labels(JsonTree& spec, const Labels& labels) {
  if (!spec.is(JsonTree::Kind::object)) return false;
  const auto is_labels = [](const auto& member) { return member.first == "labels"; };
  auto found = std::find_if(spec.members.begin(), spec.members.end(), is_labels);
  if (found == spec.members.end())
    found = spec.members.insert(found, {"labels", tree_of(JsonTree::Kind::object)});
  if (!found->second.is(JsonTree::Kind::object)) return false;
  const JsonTree own = found->second;
  for (const auto& [key, value] : labels)
    if (own[key].is(JsonTree::Kind::null))
      found->second.members.emplace_back(key, tree_of(JsonTree::Kind::string, value));
  return true;
}

}  // namespace

ImportSource::ImportSource(std::istream& input, Labels labels)
    : input_(input), labels_(std::move(labels)) {
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
  content_type_ = ndjson_ || !labels_.empty() ? "application/x-ndjson" : "text/plain";
  if (labels_.empty()) return;

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
    return;
  }
  JsonTree spec;
  if (ndjson_) {
    try {
      spec = parse_json(std::string{text});
    } catch (const std::runtime_error&) {
    }
  } else {
    spec = tree_of(JsonTree::Kind::object);
    spec.members.emplace_back("target", tree_of(JsonTree::Kind::string, std::string{text}));
  }
  // What is not a spec goes as it is: the master says what is wrong with it.
  pending_ += add_labels(spec, labels_) ? to_json(spec) : std::string{text};
  pending_ += '\n';
}

std::size_t ImportSource::read(char* bytes, std::size_t size) {
  while (sent_ == pending_.size()) {
    pending_.clear();
    sent_ = 0;
    if (labels_.empty()) {
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
