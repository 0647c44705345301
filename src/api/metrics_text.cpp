// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/metrics_text.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace probekit::api {
namespace {

std::string_view to_string(MetricsText::Type type) noexcept {
  switch (type) {
    case MetricsText::Type::counter:
      return "counter";
    case MetricsText::Type::gauge:
      return "gauge";
    case MetricsText::Type::histogram:
      return "histogram";
  }
  return "untyped";
}

/// `\` and line ends are escaped everywhere, `"` in label values.
void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quoted && c == '"')) out += '\\';
    out += c;
  }
}

}  // namespace

void append_metric_value(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    // In full where that stays short: people read bounds of buckets.
    const double size = std::abs(value);
    const auto format = size == 0 || (size >= 1e-6 && size < 1e15) ? std::chars_format::fixed
                                                                   : std::chars_format::scientific;
    std::array<char, 32> digits{};
    out.append(digits.data(),
               std::to_chars(digits.data(), digits.data() + digits.size(), value, format).ptr);
  }
}

MetricsText& MetricsText::family(Type type, std::string_view name, std::string_view help) {
  name_ = name;
  out_.append("# HELP ").append(name).append(" ");
  append_escaped(out_, help, false);
  out_.append("\n# TYPE ").append(name).append(" ").append(to_string(type)).append("\n");
  return *this;
}

void MetricsText::begin(std::string_view suffix, Labels labels, std::string_view le) {
  out_.append(name_).append(suffix);
  char before = '{';
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out_ += before;
    before = ',';
    out_.append(name).append("=\"");
    append_escaped(out_, is_valid_utf8(value) ? value : std::string_view{to_valid_utf8(value)},
                   true);
    out_ += '"';
  };
  for (const auto& [name, value] : labels) add(name, value);
  add("le", le);
  if (before == ',') out_ += '}';
  out_ += ' ';
}

void MetricsText::end(std::uint64_t value) {
  append_uint(out_, value);
  out_ += '\n';
}

void MetricsText::end(double value) {
  append_metric_value(out_, value);
  out_ += '\n';
}

MetricsText& MetricsText::sample(Labels labels, std::uint64_t value) {
  begin({}, labels, {});
  end(value);
  return *this;
}

MetricsText& MetricsText::sample(Labels labels, double value) {
  begin({}, labels, {});
  end(value);
  return *this;
}

MetricsText& MetricsText::sample(Labels labels, const DurationBuckets& buckets) {
  std::uint64_t count = 0;
  std::string bound;
  for (std::size_t i = 0; i < buckets.counts.size(); ++i) {
    count += buckets.counts[i];
    bound.clear();
    if (i < DurationBuckets::kBounds.size()) {
      append_metric_value(bound, seconds_of(DurationBuckets::kBounds[i]));
    } else {
      bound = "+Inf";
    }
    begin("_bucket", labels, bound);
    end(count);
  }
  begin("_sum", labels, {});
  end(static_cast<double>(buckets.sum_us) / 1e6);
  begin("_count", labels, {});
  end(count);
  return *this;
}

}  // namespace probekit::api
