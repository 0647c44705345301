// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Writes the Prometheus text format 0.0.4: families with HELP and TYPE, samples with their labels
/// in the order given. Pure. *Source*: Prometheus, "Exposition formats", text-based format.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/duration_buckets.hpp"

namespace probekit::api {

constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

class MetricsText {
 public:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  /// Names are `[a-z_]+`. A label whose value is empty is as good as absent, and left out.
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Appends to `out`, which outlives it.
  explicit MetricsText(std::string& out) : out_(out) {}

  /// Begins a family, each once; its samples follow before the next one begins. `help` is a
  /// sentence. The name is kept until then.
  MetricsText& family(Type type, std::string_view name, std::string_view help);
  MetricsText& counter(std::string_view name, std::string_view help) {
    return family(Type::counter, name, help);
  }
  MetricsText& gauge(std::string_view name, std::string_view help) {
    return family(Type::gauge, name, help);
  }

  MetricsText& sample(Labels labels, std::uint64_t value);
  MetricsText& sample(Labels labels, double value);
  MetricsText& sample(std::uint64_t value) { return sample({}, value); }
  MetricsText& sample(double value) { return sample({}, value); }
  /// `_bucket` with cumulative counts, `_sum` and `_count`, in seconds. With at most one label.
  MetricsText& sample(Labels labels, const DurationBuckets& buckets);

 private:
  void begin(std::string_view suffix, Labels labels, std::string_view le);
  void end(std::uint64_t value);
  void end(double value);

  std::string& out_;
  std::string name_;
};

/// The shortest text that reads back as the same number; `NaN`, `+Inf`, `-Inf`.
void append_metric_value(std::string& out, double value);

/// Microseconds, exactly, as seconds.
constexpr double seconds_of(std::int64_t microseconds) noexcept {
  return static_cast<double>(microseconds) / 1e6;
}

}  // namespace probekit::api
