// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// An import's body in each of its three forms, whole and in pieces: where it was cut must not show.
// Input: a byte for form and defaults, one for the longest line, one for the cuts, the body.

#include <string>

#include "api/import_parser.hpp"
#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"

namespace {

using namespace probekit;
using namespace probekit::api;
using fuzz::require;

constexpr std::size_t kLineBytesMax[] = {64 * 1024, 16, 255, 256, 300};

struct Setting {
  ImportForm form = ImportForm::plain;
  SpecDefaults defaults;
  std::size_t line_bytes_max = 0;
};

Selector resolve(const Selector&, const std::string& kind) {
  Selector names;
  names.kind = Selector::Kind::names;
  names.names = {"a-" + kind, "b-" + kind};
  return names;
}

class Import {
 public:
  explicit Import(const Setting& setting)
      : parser_(setting.form, setting.defaults, fuzz::kinds(), setting.line_bytes_max, resolve) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t taken = parser_.feed(bytes);
      require(taken > 0 || parser_.slice().full(), "it takes something or is full");
      bytes.remove_prefix(taken);
      if (parser_.slice().full()) empty_slice();
    }
  }

  /// Everything that came of the body.
  std::string finish() {
    while (!parser_.finish()) {
      require(parser_.slice().full(), "it is not finished because it is full");
      empty_slice();
    }
    empty_slice();
    require(tasks_ == parser_.accepted(), "what is accepted is handed over");
    require(parser_.errors().size() <= ImportParser::kErrorsMax &&
                parser_.errors().size() <= parser_.rejected(),
            "errors are bounded");
    out_ += "accepted " + std::to_string(parser_.accepted());
    out_ += " rejected " + std::to_string(parser_.rejected()) + '\n';
    for (const ImportError& error : parser_.errors()) {
      require(is_valid_utf8(error.target), "an error shows UTF-8");
      require(!error.detail.empty() && error.line > 0, "an error says where and why");
      out_ += std::to_string(error.line) + ' ' + error.target + ' ' + error.detail + '\n';
    }
    if (parser_.fault()) {
      require(parser_.fault()->code() == errc::invalid_argument, "a fault is the caller's");
      out_ += parser_.fault()->message();
    }
    return std::move(out_);
  }

 private:
  void empty_slice() {
    for (const NewTask& task : parser_.slice().tasks()) {
      ParsedSpec parsed;
      static_cast<ProbeOptions&>(parsed.spec) = *task.options;
      parsed.spec.target = task.target;
      if (task.agents) parsed.agents = *task.agents;
      require(!task.target.empty() && task.target.size() <= kTargetBytesMax,
              "a target has its size");
      fuzz::check_options(*task.options);
      fuzz::check_selector(parsed.agents);
      tasks_ += task_count(parsed.agents);
      out_ += fuzz::to_json(parsed) + '\n';
    }
    parser_.slice().clear();
  }

  ImportParser parser_;
  std::uint64_t tasks_ = 0;
  std::string out_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view body = fuzz::text_of(data, size);
  Setting setting;
  const unsigned form = fuzz::take_byte(body);
  setting.form = static_cast<ImportForm>(form % 3);
  if ((form & 0x40) != 0) setting.defaults.options.kind = "http";
  if ((form & 0x20) != 0) setting.defaults.agents.kind = Selector::Kind::all;
  setting.line_bytes_max = kLineBytesMax[fuzz::take_byte(body) % std::size(kLineBytesMax)];
  const std::uint8_t cuts = fuzz::take_byte(body);

  Import whole(setting);
  whole.feed(body);
  Import cut(setting);
  for (fuzz::Pieces pieces(body, cuts); pieces.more();) cut.feed(pieces.next());
  require(whole.finish() == cut.finish(), "where a body was cut does not show");
  return 0;
}
