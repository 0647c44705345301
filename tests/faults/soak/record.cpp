// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/soak/record.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <sstream>

namespace probekit::test {
namespace {

constexpr std::size_t kRowsMax = 10;
constexpr double kMemoryGrowthMax = 1.10;
constexpr double kSteadyGrowthMax = 1.03;
constexpr double kDescriptorsSlack = 1;  // a client's connection that is about to be closed
constexpr double kEnd = std::numeric_limits<double>::infinity();  // what ended late counts too

std::string decimals(double value, int digits, const char* format = "%.*f") {
  char text[64];
  std::snprintf(text, sizeof text, format, digits, value);
  return text;
}

double mebibytes(double bytes) { return bytes / (1024 * 1024); }

using Field = std::uint64_t Usage::*;

// Of what was seen from one minute to another.
std::vector<double> seen(const std::vector<Usage>& all, double from, double to, Field field) {
  std::vector<double> values;
  for (const auto& one : all)
    if (one.minute >= from && one.minute < to) values.push_back(static_cast<double>(one.*field));
  return values;
}

// 0 of nothing.
double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Bytes an hour, of the straight line nearest to what was seen from that minute on.
double growth(const std::vector<Usage>& all, double from) {
  double count = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& one : all) {
    if (one.minute < from) continue;
    const auto bytes = static_cast<double>(one.bytes);
    count += 1;
    x += one.minute;
    y += bytes;
    xx += one.minute * one.minute;
    xy += one.minute * bytes;
  }
  const double spread = count * xx - x * x;
  return spread <= 0 ? 0 : (count * xy - x * y) / spread * 60;
}

// Memory of a process; of a store's files the largest size, as its log is begun anew at times.
double bytes_of(const std::vector<Usage>& all, double from, double to) {
  const auto bytes = seen(all, from, to, &Usage::bytes);
  const bool file = !all.empty() && all.front().threads == 0;
  return !file || bytes.empty() ? median(bytes) : *std::max_element(bytes.begin(), bytes.end());
}

std::string usage_text(const std::vector<Usage>& all, double from, double to) {
  if (seen(all, from, to, &Usage::bytes).empty()) return "-";
  const auto memory = decimals(mebibytes(bytes_of(all, from, to)), 1);
  const auto threads = median(seen(all, from, to, &Usage::threads));
  if (threads == 0) return memory;
  return memory + " / " + decimals(median(seen(all, from, to, &Usage::descriptors)), 0) + " / " +
         decimals(threads, 0);
}

struct Watched {
  std::string name;
  const std::vector<Usage>* usage = nullptr;
  bool judged = true;
};

std::vector<Watched> watched(const std::vector<SideRecord>& sides) {
  std::vector<Watched> all;
  for (const auto& side : sides)
    for (const auto& [what, usage] : side.notes.usage)
      all.push_back({what + ", " + side.name, &usage, what != "master" || !side.master_dies});
  std::stable_sort(all.begin(), all.end(), [](const Watched& a, const Watched& b) {
    const auto rank = [](const Watched& one) {
      return one.name.rfind("master", 0) == 0 ? 0 : one.name.rfind("agent", 0) == 0 ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  return all;
}

// Empty: flat.
std::string growth_fault(const std::vector<Usage>& all, double minutes) {
  const double middle = minutes / 3;
  const double last = 2 * minutes / 3;
  if (seen(all, middle, last, &Usage::bytes).size() < 3 ||
      seen(all, last, kEnd, &Usage::bytes).size() < 3)
    return "seen too rarely";
  if (bytes_of(all, last, kEnd) > bytes_of(all, middle, last) * kMemoryGrowthMax)
    return "memory grew";
  // Step by step, from the third to the sixth sixth.
  std::vector<double> steps;
  for (int sixth = 2; sixth < 6; ++sixth)
    steps.push_back(
        bytes_of(all, minutes / 6 * sixth, sixth == 5 ? kEnd : minutes / 6 * (sixth + 1)));
  if (std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>{}) == steps.end() &&
      steps.back() > steps.front() * kSteadyGrowthMax)
    return "memory rises";
  const auto grew = [&](Field field, double slack) {
    return median(seen(all, last, kEnd, field)) > median(seen(all, middle, last, field)) + slack;
  };
  if (grew(&Usage::descriptors, kDescriptorsSlack)) return "descriptors grew";
  if (grew(&Usage::threads, 0)) return "threads grew";
  return {};
}

std::string times_text(const std::vector<SideRecord>& sides, double minutes) {
  std::ostringstream out;
  const auto all = watched(sides);
  out << "| minutes | imports | tasks | faults |";
  for (const auto& one : all) out << ' ' << one.name << " |";
  out << "\n| --- | --: | --: | --: |";
  for (std::size_t n = 0; n < all.size(); ++n) out << " --: |";
  out << '\n';
  const double step = std::max(1.0, std::ceil(minutes / kRowsMax));
  for (double from = 0; from < minutes; from += step) {
    const double to = from + step >= minutes ? kEnd : from + step;
    std::uint64_t imports = 0, tasks = 0, faults = 0;
    for (const auto& side : sides) {
      for (const auto& one : side.notes.imports)
        if (one.minute >= from && one.minute < to) ++imports, tasks += one.tasks;
      for (const auto& one : side.notes.faults)
        if (one.minute >= from && one.minute < to) ++faults;
    }
    out << "| " << from << " to " << std::min(from + step, minutes) << " | " << imports << " | "
        << tasks << " | " << faults << " |";
    for (const auto& one : all) out << ' ' << usage_text(*one.usage, from, to) << " |";
    out << '\n';
  }
  return out.str();
}

std::string counts_text(const std::vector<SideRecord>& sides) {
  std::ostringstream out;
  out << "| |";
  for (const auto& side : sides) out << ' ' << side.name << " |";
  out << "\n| --- |";
  for (std::size_t n = 0; n < sides.size(); ++n) out << " --: |";
  out << '\n';
  const auto row = [&](const char* name, std::uint64_t ImportNote::*field) {
    out << "| " << name << " |";
    for (const auto& side : sides) {
      std::uint64_t sum = 0;
      for (const auto& one : side.notes.imports) sum += one.*field;
      out << ' ' << sum << " |";
    }
    out << '\n';
  };
  out << "| imports |";
  for (const auto& side : sides) out << ' ' << side.notes.imports.size() << " |";
  out << '\n';
  row("tasks", &ImportNote::tasks);
  row("done", &ImportNote::done);
  row("of them failed probes", &ImportNote::failed);
  row("expired", &ImportNote::expired);
  row("run twice", &ImportNote::run_twice);
  row("recorded twice", &ImportNote::recorded_twice);
  row("lost", &ImportNote::lost);
  std::map<std::string, std::vector<std::size_t>> faults;
  for (std::size_t n = 0; n < sides.size(); ++n)
    for (const auto& one : sides[n].notes.faults) {
      auto& counts = faults[one.fault];
      counts.resize(sides.size());
      ++counts[n];
    }
  for (const auto& [fault, counts] : faults) {
    out << "| " << fault << " |";
    for (const auto count : counts) out << ' ' << count << " |";
    out << '\n';
  }
  return out.str();
}

}  // namespace

SoakRecord soak_record(const std::vector<SideRecord>& sides, double minutes, std::uint32_t seed) {
  SoakRecord record;
  std::vector<std::string> faults;
  std::ostringstream flatness;
  flatness << "| | middle third | last third | change | line fit, MiB an hour | |\n"
              "| --- | --: | --: | --: | --: | --- |\n";
  for (const auto& one : watched(sides)) {
    const double middle = minutes / 3;
    const double last = 2 * minutes / 3;
    const double before = bytes_of(*one.usage, middle, last);
    const double after = bytes_of(*one.usage, last, kEnd);
    const auto fault = one.judged ? growth_fault(*one.usage, minutes) : std::string{};
    if (!fault.empty()) faults.push_back(one.name + ": " + fault);
    flatness << "| " << one.name << " | " << usage_text(*one.usage, middle, last) << " | "
             << usage_text(*one.usage, last, kEnd) << " | "
             << (before > 0 ? decimals((after / before - 1) * 100, 1, "%+.*f") + " %" : "-")
             << " | " << decimals(mebibytes(growth(*one.usage, middle)), 2, "%+.*f") << " | "
             << (!one.judged     ? "begins anew with each death"
                 : fault.empty() ? "flat"
                                 : fault)
             << " |\n";
  }
  std::size_t imports = 0;
  for (const auto& side : sides) {
    imports += side.notes.imports.size();
    for (const auto& problem : side.notes.problems) faults.push_back(side.name + ": " + problem);
  }
  record.well = faults.empty() && imports > 0;
  std::ostringstream out;
  out << decimals(minutes, 0) << " minutes, seed " << seed
      << ". Of a program: MiB resident / open files / threads; of a store: MiB of its files.\n\n"
      << times_text(sides, minutes) << '\n'
      << counts_text(sides) << '\n'
      << flatness.str() << '\n';
  if (record.well) {
    out << "**Flat, the ledger exact after each import, nothing lost, nothing recorded twice.**\n";
  } else {
    out << "**Not well:**\n\n";
    for (const auto& fault : faults) out << "- " << fault << '\n';
  }
  record.markdown = out.str();
  return record;
}

}  // namespace probekit::test
