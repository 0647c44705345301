// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/options_interner.hpp"

#include <chrono>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

ProbeOptions options_of(int number) {
  ProbeOptions options;
  options.kind = "http";
  options.labels = {Label{"number", std::to_string(number)}};
  return options;
}

}  // namespace

TEST_CASE("equal options are one object, also with others in between", "[probe]") {
  OptionsInterner interner;
  const auto first = interner.intern(options_of(1));
  const auto second = interner.intern(options_of(2));
  CHECK(first != second);
  CHECK(interner.intern(options_of(2)) == second);
  CHECK(interner.intern(options_of(1)) == first);
  CHECK(*first == options_of(1));
}

TEST_CASE("each field of options tells them apart", "[probe]") {
  OptionsInterner interner;
  const auto plain = interner.intern(options_of(1));
  const auto differs = [&](auto change) {
    ProbeOptions changed = options_of(1);
    change(changed);
    return interner.intern(std::move(changed)) != plain;
  };
  CHECK(differs([](ProbeOptions& o) { o.kind = "dns"; }));
  CHECK(differs([](ProbeOptions& o) { o.timeout += std::chrono::milliseconds{1}; }));
  CHECK(differs([](ProbeOptions& o) { o.deadline = std::chrono::milliseconds{1}; }));
  CHECK(differs([](ProbeOptions& o) { o.priority = Priority::high; }));
  CHECK(differs([](ProbeOptions& o) { o.section = "{}"; }));
  CHECK(differs([](ProbeOptions& o) { o.labels[0].key = "other"; }));
}

TEST_CASE("of ever new options no more than a bound are remembered", "[probe]") {
  OptionsInterner interner;
  const std::weak_ptr<const ProbeOptions> first = interner.intern(options_of(0));
  for (int i = 1; i <= static_cast<int>(OptionsInterner::kMax) + 1; ++i) {
    interner.intern(options_of(i));
  }
  CHECK(first.expired());
}

}  // namespace probekit
