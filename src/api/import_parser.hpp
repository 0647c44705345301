// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From the bytes of an import to tasks, in slices, with what is wrong counted and the first of it
/// kept. Without I/O; one thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/line_splitter.hpp"
#include "api/target_list_scanner.hpp"
#include "json/json_value.hpp"
#include "probe/options_interner.hpp"
#include "probe/selector.hpp"
#include "probekit/error.hpp"
#include "probekit/probe_spec.hpp"
#include "store/task_slice.hpp"

namespace probekit::api {

enum class ImportForm : std::uint8_t { plain, ndjson, json };

struct ImportError {
  std::uint64_t line = 0;  ///< in JSON the target's place; both from 1
  std::string target;      ///< as far as it is known, without user and password
  std::string detail;
};

class ImportParser {
 public:
  static constexpr std::size_t kErrorsMax = 100;
  /// Targets of the JSON form that come before their defaults must be kept until these are known.
  static constexpr std::size_t kHeldBytesMax = 64 * 1024 * 1024;

  /// The kinds outlive it.
  ImportParser(ImportForm form, SpecDefaults defaults, const ProbeKinds& kinds,
               std::size_t line_bytes_max, SelectorInterner::Resolve resolve);

  /// Parses from the front of `bytes` until they are at their end or the slice is full. Returns
  /// how many were taken.
  std::size_t feed(std::string_view bytes);
  /// No bytes follow. False when the slice filled up before the end: empty it and call again.
  bool finish();

  TaskSlice& slice() noexcept { return slice_; }
  /// Why the body cannot be used at all: invalid_argument, or message_too_large. Empty: it can.
  const std::optional<Error>& fault() const noexcept { return fault_; }
  std::uint64_t accepted() const noexcept { return accepted_; }  ///< tasks
  std::uint64_t rejected() const noexcept { return rejected_; }  ///< lines
  const std::vector<ImportError>& errors() const noexcept { return errors_; }

 private:
  void take_line(const NumberedLine& line);
  void take_value(const ScannedValue& value);
  void take_defaults(const ScannedValue& value);
  void take_target(std::uint64_t number, std::string_view text);
  void drain_held();
  void add_plain(std::uint64_t number, std::string_view target);
  void add_spec(std::uint64_t number, const Expected<json::Value>& value, std::string_view text);
  void add(std::string_view target, const std::shared_ptr<const ProbeOptions>& options,
           const Selector& agents);
  void reject(std::uint64_t number, std::string_view target, std::string detail);
  void reject_too_long(std::uint64_t number, std::string_view beginning, std::size_t max);

  ImportForm form_;
  SpecDefaults defaults_;
  const ProbeKinds& kinds_;
  std::size_t line_bytes_max_;
  LineSplitter splitter_;
  TargetListScanner scanner_;
  bool line_finished_ = false;

  // JSON: raw targets one after the other, while the defaults are not known.
  std::string held_;
  std::vector<std::uint32_t> held_sizes_;
  std::size_t held_next_ = 0;
  std::size_t held_offset_ = 0;
  bool defaults_known_ = false;

  TaskSlice slice_;
  OptionsInterner interner_;
  SelectorInterner selectors_;
  std::vector<std::pair<const ProbeKind*, std::shared_ptr<const ProbeOptions>>> by_kind_;
  std::optional<Error> fault_;
  std::uint64_t accepted_ = 0;
  std::uint64_t rejected_ = 0;
  std::vector<ImportError> errors_;
};

}  // namespace probekit::api
