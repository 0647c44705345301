// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json_tree_rapidjson.hpp"

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace examples {
namespace {

// Builds the tree from events; numbers arrive as text, because RapidJSON's own conversion asserts
// on some.
class Builder {
 public:
  bool Null() { return add({}); }
  bool Bool(bool value) { return add(scalar(JsonTree::Kind::boolean, value ? "true" : "false")); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    return add(scalar(JsonTree::Kind::number, {text, length}));
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return is_text({text, length}) && add(scalar(JsonTree::Kind::string, {text, length}));
  }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool StartObject() { return open(JsonTree::Kind::object); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    keys_.back().assign(text, length);
    return is_text({text, length});
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(JsonTree::Kind::array); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  JsonTree root;

 private:
  static constexpr std::size_t kDepthMax = 64;

  // RapidJSON lets an escaped low surrogate through that stands alone, and encodes it: ED B0..BF.
  static bool is_text(std::string_view text) {
    for (std::size_t at = text.find('\xED'); at != std::string_view::npos;
         at = text.find('\xED', at + 1)) {
      if (static_cast<unsigned char>(text[at + 1]) >= 0xA0) return false;
    }
    return true;
  }
  static JsonTree scalar(JsonTree::Kind kind, std::string text) {
    JsonTree value;
    value.kind = kind;
    value.text = std::move(text);
    return value;
  }
  bool open(JsonTree::Kind kind) {
    if (open_.size() >= kDepthMax) return false;
    open_.emplace_back();
    open_.back().kind = kind;
    keys_.emplace_back();
    return true;
  }
  bool close() {
    JsonTree value = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(value));
  }
  bool add(JsonTree value) {
    if (open_.empty())
      root = std::move(value);
    else if (open_.back().kind == JsonTree::Kind::object)
      open_.back().members.emplace_back(keys_.back(), std::move(value));
    else
      open_.back().elements.push_back(std::move(value));
    return true;
  }

  std::vector<JsonTree> open_;
  std::vector<std::string> keys_;
};

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

rapidjson::SizeType size_of(const std::string& text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

// As deep as a tree that was read, at most.
void write(Writer& writer, const JsonTree& tree) {
  switch (tree.kind) {
    case JsonTree::Kind::null:
      writer.Null();
      break;
    case JsonTree::Kind::boolean:
      writer.Bool(tree.text == "true");
      break;
    case JsonTree::Kind::number:
      writer.RawValue(tree.text.data(), tree.text.size(), rapidjson::kNumberType);
      break;
    case JsonTree::Kind::string:
      writer.String(tree.text.data(), size_of(tree.text));
      break;
    case JsonTree::Kind::array:
      writer.StartArray();
      for (const auto& element : tree.elements) write(writer, element);
      writer.EndArray();
      break;
    case JsonTree::Kind::object:
      writer.StartObject();
      for (const auto& [name, value] : tree.members) {
        writer.Key(name.data(), size_of(name));
        write(writer, value);
      }
      writer.EndObject();
      break;
  }
}

}  // namespace

const JsonTree& JsonTree::operator[](const std::string& name) const {
  static const JsonTree none;
  for (const auto& [key, value] : members)
    if (key == name) return value;
  return none;
}

double JsonTree::number() const {
  return kind == Kind::number ? std::strtod(text.c_str(), nullptr) : 0.0;
}

std::uint64_t JsonTree::count() const {
  std::uint64_t value = 0;
  if (kind == Kind::number) std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

JsonTree parse_json(const std::string& text) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  Builder builder;
  rapidjson::Reader reader;
  // RapidJSON would also skip a part of a byte order mark.
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const std::size_t begin =
      text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0 ? kByteOrderMark.size() : 0;
  const std::size_t size = text.size() - begin;
  rapidjson::MemoryStream stream{text.data() + begin, size};
  const bool parsed = !reader.Parse<kFlags>(stream, builder).IsError();
  // A NUL ends the text for RapidJSON.
  if (!parsed || stream.Tell() != size)
    throw std::runtime_error(
        "not JSON, at byte " +
        std::to_string(begin + (parsed ? stream.Tell() : reader.GetErrorOffset())));
  return std::move(builder.root);
}

std::string to_json(const JsonTree& tree) {
  rapidjson::StringBuffer buffer;
  Writer writer{buffer};
  write(writer, tree);
  return std::string{buffer.GetString(), buffer.GetSize()};
}

std::string json_string(const std::string& text) {
  JsonTree tree;
  tree.kind = JsonTree::Kind::string;
  tree.text = text;
  return to_json(tree);
}

}  // namespace examples
