// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/sqlite_rows.hpp"

#include <algorithm>
#include <limits>

namespace probekit::store {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kCountMax = std::numeric_limits<std::uint32_t>::max();
/// Options that are those of a binding so many before it are written once.
constexpr std::size_t kLookBack = 64;
/// A target is for so many agents at most, and StoredTask::copy has no room for more.
constexpr std::uint32_t kCopiesMax = 256;

std::uint32_t read_copies(ByteReader& in) {
  const std::uint32_t copies = in.number32();
  if (copies == 0 || copies > kCopiesMax) throw BadBytes();
  return copies;
}

void write_options(ByteWriter& out, const ProbeOptions& options) {
  out.text(options.kind);
  out.signed_number(options.timeout.count());
  out.number(options.deadline ? 1 : 0);
  if (options.deadline) out.signed_number(options.deadline->count());
  out.number(static_cast<std::uint64_t>(options.priority));
  out.number(options.labels.size());
  for (const Label& label : options.labels) {
    out.text(label.key);
    out.text(label.value);
  }
  out.text(options.section);
}

void write_labels(ByteWriter& out, const std::vector<Label>& labels) {
  out.number(labels.size());
  for (const Label& label : labels) {
    out.text(label.key);
    out.text(label.value);
  }
}

std::vector<Label> read_labels(ByteReader& in) {
  std::vector<Label> labels;
  for (std::uint64_t left = in.number(); left > 0; --left) {
    std::string key{in.text()};
    labels.push_back({std::move(key), std::string{in.text()}});
  }
  return labels;
}

std::shared_ptr<const ProbeOptions> read_options(ByteReader& in) {
  const auto options = std::make_shared<ProbeOptions>();
  options->kind = in.text();
  options->timeout = milliseconds(in.signed_number());
  if (in.number_to(1) == 1) options->deadline = milliseconds(in.signed_number());
  options->priority = static_cast<Priority>(in.number_to(static_cast<int>(Priority::low)));
  options->labels = read_labels(in);
  options->section = in.text();
  return options;
}

void write_ledger(ByteWriter& out, const Ledger& ledger) {
  for (const std::uint64_t term :
       {ledger.accepted, ledger.queued, ledger.in_flight, ledger.done, ledger.expired,
        ledger.cancelled, ledger.passed, ledger.failed}) {
    out.number(term);
  }
}

Ledger read_ledger(ByteReader& in) {
  Ledger ledger;
  for (std::uint64_t* const term :
       {&ledger.accepted, &ledger.queued, &ledger.in_flight, &ledger.done, &ledger.expired,
        &ledger.cancelled, &ledger.passed, &ledger.failed}) {
    *term = in.number();
  }
  if (!ledger.balanced()) throw BadBytes();
  return ledger;
}

using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

void write_named(ByteWriter& out, const Counts& counts) {
  out.number(counts.size());
  for (const auto& [name, count] : counts) {
    out.text(name);
    out.number(count);
  }
}

Counts read_named(ByteReader& in) {
  Counts counts;
  for (std::uint64_t left = in.number(); left > 0; --left) {
    std::string name{in.text()};
    counts.emplace_back(std::move(name), in.number());
  }
  return counts;
}

}  // namespace

// -- targets ------------------------------------------------------------------------------------

void TargetRow::add(const NewTarget& target) {
  ByteWriter out(entries);
  const bool again =
      tasks > 0 && target.target.data() == last_ && target.target.size() == last_size_;
  out.number(target.binding);
  out.number(target.copies);
  out.number(again ? 0 : target.target.size() + 1);
  if (!again) text += target.target;
  last_ = target.target.data();
  last_size_ = target.target.size();
  tasks += target.copies;
}

TargetChunk TargetChunk::read(std::string_view entries, std::string_view text) {
  TargetChunk chunk;
  chunk.text = text;
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  ByteReader in(entries);
  while (!in.empty()) {
    Task task;
    task.binding = in.number32();
    const std::uint32_t copies = read_copies(in);
    const std::uint64_t fresh = in.number_to<std::uint64_t>(kCountMax);
    if (fresh > 0) {
      at += size;
      size = fresh - 1;
    }
    if (at + size > kCountMax) throw BadBytes();
    task.at = static_cast<std::uint32_t>(at);
    task.size = static_cast<std::uint32_t>(size);
    for (task.copy = 0; task.copy < copies; ++task.copy) chunk.tasks.push_back(task);
  }
  return chunk;
}

// -- lines --------------------------------------------------------------------------------------

std::uint64_t LineRow::name(std::string_view wanted) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == wanted) return i;
  }
  names.emplace_back(wanted);
  return names.size() - 1;
}

void LineRow::add(const StoredBatch& batch, std::uint32_t index, const TaskEnd& end) {
  ++lines;
  if (end.verdict == Verdict::passed) ++passed;
  if (end.verdict == Verdict::failed) ++failed;
  const StoredTask& task = batch.tasks[index];
  const bool catch_up = (task.flags & StoredTask::kCatchUp) != 0;
  ByteWriter out(entries);
  out.number(index);
  out.number(task.binding);
  out.number(static_cast<std::uint64_t>(end.state) * 8 +
             static_cast<std::uint64_t>(end.verdict) * 2 + (catch_up ? 1 : 0));
  if (end.state == TaskState::cancelled) return;
  out.number(end.attempt);
  if (end.state == TaskState::expired) {
    out.number(static_cast<std::uint64_t>(end.reason));
    // Thousands end with the same words.
    const bool again = !last_diagnosis_.empty() && last_diagnosis_ == end.text;
    out.number(again ? 0 : end.text.size() + 1);
    if (again) return;
    last_diagnosis_ = end.text;
    text += end.text;
    return;
  }
  out.number(name(end.agent));
  out.number(end.failure ? static_cast<std::uint64_t>(*end.failure) + 1 : 0);
  out.signed_number(end.duration.count());
  out.number(end.phases->size());
  for (const Phase& phase : *end.phases) {
    out.number(name(phase.name));
    out.signed_number(phase.duration.count());
  }
  out.number(end.text.size());
  text += end.text;
}

std::string LineRow::head() const {
  std::string head;
  ByteWriter out(head);
  out.number(names.size());
  for (const std::string& each : names) out.text(each);
  head += entries;
  return head;
}

LineReader::LineReader(std::string_view head, std::uint32_t lines,
                       std::optional<std::string_view> text)
    : entries_(head), text_(text), left_(lines) {
  for (std::uint64_t left = entries_.number(); left > 0; --left) {
    names_.push_back(entries_.text());
  }
}

std::string_view LineReader::name_at(std::uint64_t number) const {
  if (number >= names_.size()) throw BadBytes();
  return names_[number];
}

bool LineReader::next() {
  if (left_ == 0) {
    if (!entries_.empty()) throw BadBytes();
    return false;
  }
  --left_;
  const auto text_of = [&](std::uint64_t size) -> std::string_view {
    if (!text_) return {};
    if (size > text_->size() - text_at_) throw BadBytes();
    text_at_ += size;
    return text_->substr(text_at_ - size, size);
  };
  line_ = {};
  line_.index = entries_.number32();
  line_.binding = entries_.number32();
  const std::uint64_t kind = entries_.number_to<std::uint64_t>(63);
  TaskEnd& end = line_.end;
  end.state = static_cast<TaskState>(kind >> 3);
  end.verdict = static_cast<Verdict>(kind >> 1 & 3);
  line_.catch_up = (kind & 1) != 0;
  if (end.state != TaskState::done && end.state != TaskState::expired &&
      end.state != TaskState::cancelled) {
    throw BadBytes();
  }
  if (end.state == TaskState::cancelled) return true;
  end.attempt = entries_.number32();
  if (end.state == TaskState::expired) {
    end.reason =
        static_cast<ExpiryReason>(entries_.number_to(static_cast<int>(ExpiryReason::missed)));
    const std::uint64_t fresh = entries_.number();
    if (fresh > 0) diagnosis_ = text_of(fresh - 1);
    end.text = diagnosis_;
    return true;
  }
  end.agent = name_at(entries_.number());
  const std::uint64_t failure = entries_.number_to<std::uint64_t>(kFailureKinds);
  if (failure > 0) end.failure = static_cast<FailureKind>(failure - 1);
  end.duration = microseconds(entries_.signed_number());
  phases_.clear();
  for (std::uint64_t left = entries_.number(); left > 0; --left) {
    std::string name{name_at(entries_.number())};
    phases_.push_back({std::move(name), microseconds(entries_.signed_number())});
  }
  end.phases = &phases_;
  end.text = text_of(entries_.number());
  return true;
}

// -- lanes and bindings -------------------------------------------------------------------------

std::uint32_t LaneList::number(const Lane& lane) {
  std::string text;
  ByteWriter out(text);
  out.number(static_cast<std::uint64_t>(lane.priority));
  out.text(lane.kind);
  out.text(lane.agent);
  write_labels(out, lane.tags);
  const auto [at, fresh] =
      numbers_.try_emplace(std::move(text), static_cast<std::uint32_t>(lanes_.size()));
  if (fresh) lanes_.push_back(lane);
  return at->second;
}

std::string write_bindings(const StoredBatch& batch, std::size_t first, std::size_t count,
                           const WallClock& clock) {
  std::string bytes;
  ByteWriter out(bytes);
  out.number(count);
  const Lane* last = nullptr;
  static const Lane kNone;
  for (std::size_t i = first; i < first + count; ++i) {
    const Binding& binding = batch.bindings[i];
    std::size_t back = 1;
    while (back <= std::min(kLookBack, i - first) &&
           batch.bindings[i - back].options != binding.options) {
      ++back;
    }
    const bool known = back <= std::min(kLookBack, i - first);
    out.number(known ? back : 0);
    if (!known) write_options(out, *binding.options);
    // Of a batch that has ended, nobody asks any more.
    const Lane& lane = batch.queues.empty() ? kNone : batch.queues[binding.queue].lane->lane;
    out.number(&lane == last ? 1 : 0);
    if (&lane != last) {
      out.text(lane.agent);
      write_labels(out, lane.tags);
    }
    last = &lane;
    out.number(binding.copies);
    out.signed_number(binding.within.count());
    out.signed_number(clock.wall_us(binding.accepted_at));
    out.signed_number(WallClock::wall_us(binding.scheduled_at));
  }
  return bytes;
}

void read_bindings(std::string_view bytes, const WallClock& clock, std::vector<Binding>& bindings,
                   LaneList& lanes) {
  ByteReader in(bytes);
  const std::size_t first = bindings.size();
  Lane lane;
  const std::uint64_t count = in.number();
  for (std::uint64_t i = 0; i < count; ++i) {
    Binding binding;
    const std::uint64_t back = in.number_to<std::uint64_t>(i);
    binding.options = back == 0 ? read_options(in) : bindings[first + i - back].options;
    if (in.number_to(1) == 0) {
      lane.agent = in.text();
      lane.tags = read_labels(in);
    } else if (i == 0) {
      throw BadBytes();
    }
    lane.priority = binding.options->priority;
    lane.kind = binding.options->kind;
    binding.queue = lanes.number(lane);
    binding.copies = read_copies(in);
    binding.within = milliseconds(in.signed_number());
    binding.accepted_at = clock.steady(in.signed_number());
    binding.scheduled_at = WallClock::system(in.signed_number());
    bindings.push_back(std::move(binding));
  }
  if (!in.empty()) throw BadBytes();
}

// -- schedules ----------------------------------------------------------------------------------

std::string write_spec(const ScheduleSpec& spec) {
  std::string bytes;
  ByteWriter out(bytes);
  out.signed_number(spec.interval.count());
  out.number(spec.enabled ? 1 : 0);
  out.number(static_cast<std::uint64_t>(spec.agents.kind));
  write_labels(out, spec.agents.tags);
  out.number(spec.agents.count);
  out.number(spec.agents.names.size());
  for (const std::string& name : spec.agents.names) out.text(name);
  out.number(spec.targets.size());
  const ProbeOptions* last = nullptr;
  for (const ScheduledTarget& target : spec.targets) {
    out.text(target.target);
    const bool again =
        last != nullptr && (last == target.options.get() || *last == *target.options);
    out.number(again ? 1 : 0);
    if (!again) write_options(out, *target.options);
    last = target.options.get();
  }
  return bytes;
}

std::shared_ptr<const ScheduleSpec> read_spec(std::string_view bytes) {
  const auto spec = std::make_shared<ScheduleSpec>();
  ByteReader in(bytes);
  spec->interval = milliseconds(in.signed_number());
  spec->enabled = in.number_to(1) == 1;
  spec->agents.kind =
      static_cast<Selector::Kind>(in.number_to(static_cast<int>(Selector::Kind::names)));
  spec->agents.tags = read_labels(in);
  spec->agents.count = in.number32();
  for (std::uint64_t left = in.number(); left > 0; --left) {
    spec->agents.names.emplace_back(in.text());
  }
  for (std::uint64_t left = in.number(); left > 0; --left) {
    ScheduledTarget target;
    target.target = in.text();
    if (in.number_to(1) == 0) {
      target.options = read_options(in);
    } else if (!spec->targets.empty()) {
      target.options = spec->targets.back().options;
    } else {
      throw BadBytes();
    }
    spec->targets.push_back(std::move(target));
  }
  if (!in.empty() || spec->targets.empty() || spec->interval.count() <= 0) throw BadBytes();
  return spec;
}

std::string write_counts(const StoredSchedule& schedule) {
  std::string bytes;
  ByteWriter out(bytes);
  out.number(schedule.next_ordinal);
  write_ledger(out, schedule.ledger);
  out.number(schedule.missed);
  out.number(schedule.lines_forgotten);
  return bytes;
}

void read_counts(std::string_view bytes, StoredSchedule& schedule) {
  ByteReader in(bytes);
  schedule.next_ordinal = in.number();
  schedule.ledger = read_ledger(in);
  schedule.missed = in.number();
  schedule.lines_forgotten = in.number();
}

// -- sums ---------------------------------------------------------------------------------------

std::string write_totals(const StoredTotals& totals, std::uint64_t last_piece) {
  std::string bytes;
  ByteWriter out(bytes);
  write_ledger(out, totals.ledger);
  out.number(totals.ended.kinds.size());
  for (const KindCounters& kind : totals.ended.kinds) {
    out.text(kind.kind);
    out.number(kind.passed);
    out.number(kind.failed.size());
    for (const std::uint64_t count : kind.failed) out.number(count);
    out.number(kind.durations.counts.size());
    for (const std::uint64_t count : kind.durations.counts) out.number(count);
    out.number(kind.durations.sum_us);
  }
  out.number(totals.ended.expired.size());
  for (const std::uint64_t count : totals.ended.expired) out.number(count);
  out.number(totals.last_batch);
  out.number(totals.last_session);
  out.number(totals.epoch_floor);
  out.number(last_piece);
  return bytes;
}

StoredTotals read_totals(std::string_view bytes, std::uint64_t& last_piece) {
  StoredTotals totals;
  ByteReader in(bytes);
  const auto counts = [&in](auto& array) {
    if (in.number() != array.size()) throw BadBytes();
    for (std::uint64_t& count : array) count = in.number();
  };
  totals.ledger = read_ledger(in);
  for (std::uint64_t left = in.number(); left > 0; --left) {
    KindCounters& kind = totals.ended.kinds.emplace_back();
    kind.kind = in.text();
    kind.passed = in.number();
    counts(kind.failed);
    counts(kind.durations.counts);
    kind.durations.sum_us = in.number();
  }
  counts(totals.ended.expired);
  totals.last_batch = in.number32();
  totals.last_session = in.number();
  totals.epoch_floor = in.number();
  last_piece = in.number();
  if (!in.empty()) throw BadBytes();
  return totals;
}

std::string write_summary(const BatchSummary& summary) {
  std::string bytes;
  ByteWriter out(bytes);
  write_named(out, summary.reasons);
  write_named(out, summary.failures);
  write_named(out, summary.agents);
  out.number(summary.phases.size());
  for (const PhaseSummary& phase : summary.phases) {
    out.text(phase.name);
    for (const std::uint64_t value :
         {phase.count, phase.p50_us, phase.p90_us, phase.p99_us, phase.max_us}) {
      out.number(value);
    }
  }
  return bytes;
}

BatchSummary read_summary(std::string_view bytes) {
  BatchSummary summary;
  ByteReader in(bytes);
  summary.reasons = read_named(in);
  summary.failures = read_named(in);
  summary.agents = read_named(in);
  for (std::uint64_t left = in.number(); left > 0; --left) {
    PhaseSummary phase;
    phase.name = in.text();
    for (std::uint64_t* const value :
         {&phase.count, &phase.p50_us, &phase.p90_us, &phase.p99_us, &phase.max_us}) {
      *value = in.number();
    }
    summary.phases.push_back(std::move(phase));
  }
  if (!in.empty()) throw BadBytes();
  return summary;
}

// -- moves --------------------------------------------------------------------------------------

void write_move(std::string& bytes, TaskId id, const StoredTask& task, SessionId holder) {
  ByteWriter out(bytes);
  out.number(id.value);
  out.number(holder);
  out.number(std::uint64_t{task.lost} * 2 + ((task.flags & StoredTask::kCameBack) != 0 ? 1 : 0));
}

StoredMove read_move(ByteReader& in) {
  StoredMove move;
  move.task.value = in.number();
  move.holder = in.number();
  const std::uint64_t rest = in.number_to<std::uint64_t>(0x1FFFF);
  move.lost = static_cast<std::uint16_t>(rest >> 1);
  move.came_back = (rest & 1) != 0;
  return move;
}

}  // namespace probekit::store
