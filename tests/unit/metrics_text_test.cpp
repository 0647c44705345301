// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/metrics_text.hpp"

#include <limits>
#include <string>

#include "base/duration_buckets.hpp"
#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::api;
using std::chrono::microseconds;

namespace {

std::string value_text(double value) {
  std::string out;
  append_metric_value(out, value);
  return out;
}

}  // namespace

TEST_CASE("a family has its help, its type and its samples in order", "[metrics]") {
  std::string out = "before\n";
  MetricsText text(out);
  text.counter("a_total", "As.").sample(std::uint64_t{18446744073709551615U});
  text.gauge("b", "Bs.")
      .sample({{"y", "1"}, {"x", "2"}}, std::uint64_t{3})
      .sample({{"empty", ""}}, 0.5)
      .sample({{"empty", ""}, {"x", "1"}}, 0.25);
  CHECK(out ==
        "before\n"
        "# HELP a_total As.\n# TYPE a_total counter\na_total 18446744073709551615\n"
        "# HELP b Bs.\n# TYPE b gauge\nb{y=\"1\",x=\"2\"} 3\nb 0.5\nb{x=\"1\"} 0.25\n");
}

TEST_CASE("label values and help are escaped, each as the format asks", "[metrics]") {
  std::string out;
  MetricsText text(out);
  text.gauge("g", "one\\two\n\"three\"").sample({{"l", "a\\b\"c\nd{}=,\xC3\xA9\xFF"}}, 1.0);
  CHECK(out ==
        "# HELP g one\\\\two\\n\"three\"\n# TYPE g gauge\n"
        "g{l=\"a\\\\b\\\"c\\nd{}=,\xC3\xA9\xEF\xBF\xBD\"} 1\n");
}

TEST_CASE("numbers are as short as they can be and read back the same", "[metrics]") {
  CHECK(value_text(0) == "0");
  CHECK(value_text(1) == "1");
  CHECK(value_text(-2.5) == "-2.5");
  CHECK(value_text(0.1) == "0.1");
  CHECK(value_text(1e300) == "1e+300");
  CHECK(value_text(0.000001) == "0.000001");
  CHECK(value_text(123456789012345.0) == "123456789012345");
  for (const double number : {1.0 / 3, -1e-6 / 3, 1e-7 / 3, 3e14 / 7, 2e15 / 7, 1.7e308}) {
    CHECK(std::stod(value_text(number)) == number);
  }
  CHECK(value_text(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  CHECK(value_text(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(value_text(-std::numeric_limits<double>::infinity()) == "-Inf");
}

TEST_CASE("a histogram's buckets are cumulative and end with all", "[metrics]") {
  DurationBuckets buckets;
  for (const std::int64_t us : {-5, 100, 101, 250, 120'000'000, 120'000'001}) {
    buckets.record(microseconds(us));
  }
  std::string out;
  MetricsText text(out);
  text.family(MetricsText::Type::histogram, "h_seconds", "Hs.").sample({{"k", "v"}}, buckets);
  CHECK_THAT(out, Catch::Contains("# TYPE h_seconds histogram\n"
                                  "h_seconds_bucket{k=\"v\",le=\"0.0001\"} 2\n"
                                  "h_seconds_bucket{k=\"v\",le=\"0.00025\"} 4\n"
                                  "h_seconds_bucket{k=\"v\",le=\"0.0005\"} 4\n"));
  CHECK_THAT(out, Catch::Contains("h_seconds_bucket{k=\"v\",le=\"60\"} 4\n"
                                  "h_seconds_bucket{k=\"v\",le=\"120\"} 5\n"
                                  "h_seconds_bucket{k=\"v\",le=\"+Inf\"} 6\n"
                                  "h_seconds_sum{k=\"v\"} 240.000452\n"
                                  "h_seconds_count{k=\"v\"} 6\n"));
}
