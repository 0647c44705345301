// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The scanner that cuts `{"defaults":{...},"targets":[...]}` into values: cuts do not show, and
// where its values are JSON the whole is JSON and holds the same.
// Input: a byte for the longest value, one for the cuts, the body.

#include <string>
#include <vector>

#include "api/target_list_scanner.hpp"
#include "fuzz/harness.hpp"
#include "json/json_value.hpp"

namespace {

using namespace probekit;
using namespace probekit::api;
using fuzz::require;

constexpr std::size_t kValueBytesMax[] = {64 * 1024, 10, 256, 300};
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Scan {
  std::vector<std::string> targets;
  std::string defaults;
  std::string out;
  std::string fault;
  bool too_long = false;
};

class Scanning {
 public:
  explicit Scanning(std::size_t value_bytes_max)
      : scanner_(value_bytes_max), value_bytes_max_(value_bytes_max) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty() && scanner_.fault().empty()) {
      const std::size_t before = bytes.size();
      const auto value = scanner_.next(bytes);
      require(bytes.size() < before || value, "it takes something or has something");
      if (value) take(*value);
    }
  }
  Scan finish() {
    if (scanner_.fault().empty()) scanner_.finish();
    scan_.fault = scanner_.fault();
    return std::move(scan_);
  }

 private:
  void take(const ScannedValue& value) {
    require(!value.text.empty(), "a value is something");
    require(value.text.size() <= value_bytes_max_ || value.too_long, "a value is bounded");
    require(!value.too_long || value.text.size() <= TargetListScanner::kBeginningBytes,
            "of a long value the beginning is kept");
    scan_.too_long = scan_.too_long || value.too_long;
    if (value.place == ScannedValue::Place::defaults) {
      require(scan_.defaults.empty(), "defaults come once");
      scan_.defaults = value.text;
    } else {
      scan_.targets.emplace_back(value.text);
      require(value.number == scan_.targets.size(), "targets are counted");
    }
    scan_.out += std::to_string(value.number) + (value.too_long ? '>' : '=');
    scan_.out.append(value.text) += '\n';
  }

  TargetListScanner scanner_;
  std::size_t value_bytes_max_;
  Scan scan_;
};

std::string canonical(std::string_view json) {
  const auto value = json::Value::parse(json);
  return value ? value->to_json() : std::string{};
}

void compare_with_reader(const Scan& scan, std::string_view body) {
  const std::string defaults = canonical(scan.defaults);
  if (!scan.defaults.empty() && defaults.empty()) return;
  std::vector<std::string> targets;
  for (const std::string& raw : scan.targets) {
    targets.push_back(canonical(raw));
    if (targets.back().empty()) return;
  }
  if (body.substr(0, 3) == kByteOrderMark) body.remove_prefix(3);
  const auto whole = json::Value::parse(body, {34});
  require(whole && whole->is_object(), "a list of good values is good JSON");
  const json::Value* const list = whole->find("targets");
  require(list ? list->as_array() && list->as_array()->size() == targets.size() : targets.empty(),
          "the list is as long");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    require((*list->as_array())[i].to_json() == targets[i], "a target is the same");
  }
  const json::Value* const object = whole->find("defaults");
  require(object ? object->to_json() == defaults : defaults.empty(), "defaults are the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view body = fuzz::text_of(data, size);
  const std::size_t max = kValueBytesMax[fuzz::take_byte(body) % std::size(kValueBytesMax)];
  const std::uint8_t cuts = fuzz::take_byte(body);
  Scanning whole(max);
  whole.feed(body);
  Scanning cut(max);
  for (fuzz::Pieces pieces(body, cuts); pieces.more();) cut.feed(pieces.next());
  const Scan scan = whole.finish();
  const Scan same = cut.finish();
  require(scan.out == same.out && scan.fault == same.fault, "where a body was cut does not show");
  if (scan.fault.empty() && !scan.too_long) compare_with_reader(scan, body);
  return 0;
}
