// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/result_json.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "json/json_value.hpp"
#include "json/json_writer.hpp"
#include "probe/result_check.hpp"

namespace probekit {
namespace {

constexpr std::string_view kMembers[] = {
    "address", "verdict", "failure", "started_at_us",    "started_at",     "duration_us",
    "phases",  "http",    "dns",     "sections_refused", "phases_refused", "suspect"};

constexpr std::string_view kLineMembers[] = {
    "state",        "task",   "batch",  "schedule", "attempt",   "agent", "kind",  "target",
    "scheduled_at", "labels", "reason", "attempts", "diagnosis", "count", "first", "last"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) noexcept {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::int64_t microseconds_of(SystemTime time) noexcept { return time.time_since_epoch().count(); }

// --- writing

/// Names of a result's fields.
namespace key {

constexpr json::Key http{"http"};
constexpr json::Key status{"status"};
constexpr json::Key version{"version"};
constexpr json::Key url{"url"};
constexpr json::Key hops{"hops"};
constexpr json::Key address{"address"};
constexpr json::Key body_bytes{"body_bytes"};
constexpr json::Key truncated{"truncated"};
constexpr json::Key name{"name"};
constexpr json::Key type{"type"};
constexpr json::Key dns_class{"class"};
constexpr json::Key ttl{"ttl"};
constexpr json::Key value{"value"};
constexpr json::Key dns{"dns"};
constexpr json::Key rcode{"rcode"};
constexpr json::Key flags{"flags"};
constexpr json::Key server{"server"};
constexpr json::Key transport{"transport"};
constexpr json::Key verdict{"verdict"};
constexpr json::Key failure{"failure"};
constexpr json::Key kind{"kind"};
constexpr json::Key message{"message"};
constexpr json::Key started_at_us{"started_at_us"};
constexpr json::Key started_at{"started_at"};
constexpr json::Key duration_us{"duration_us"};
constexpr json::Key labels{"labels"};
constexpr json::Key suspect{"suspect"};
constexpr json::Key answers{"answers"};
constexpr json::Key authority{"authority"};
constexpr json::Key additional{"additional"};
constexpr json::Key phases{"phases"};

}  // namespace key

constexpr std::size_t kRefusedNamed = 16;

// Microseconds since the epoch at the end of the year 9999, the last that RFC 3339 can write.
constexpr std::int64_t kTimeMax = 253'402'300'799'999'999;

void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  text += "...";
}

/// What a plugged-in prober wrote must not break the message it travels in.
bool is_usable(const std::vector<ResultSection>& sections, std::size_t at) {
  const ResultSection& section = sections[at];
  if (!is_valid_name(section.name) || is_one_of(section.name, kMembers) ||
      is_one_of(section.name, kLineMembers)) {
    return false;
  }
  for (std::size_t i = 0; i < at; ++i) {
    if (sections[i].name == section.name) return false;
  }
  thread_local ResultCheck check;
  return check.check(section.name, section.json, kSectionDepthMax).has_value();
}

bool is_usable(const std::vector<Phase>& phases, std::size_t at) {
  const Phase& phase = phases[at];
  if (phase.name.size() > kPhaseNameBytesMax || !ends_with(phase.name, "_us") ||
      !is_valid_utf8(phase.name) || phase.duration < std::chrono::microseconds{0} ||
      phase.duration > kResultDurationMax) {
    return false;
  }
  return std::none_of(phases.begin(), phases.begin() + static_cast<std::ptrdiff_t>(at),
                      [&](const Phase& other) { return other.name == phase.name; });
}

/// A flag for each part; a string, since that allocates nothing for the few there are.
using Flags = std::string;

/// Which may be written, `count_max` at most.
template <class Part>
Flags usable_of(const std::vector<Part>& parts, std::size_t count_max) {
  Flags usable(parts.size(), 0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < parts.size() && count < count_max; ++i) {
    usable[i] = is_usable(parts, i) ? 1 : 0;
    count += usable[i] ? 1 : 0;
  }
  return usable;
}

template <class Part>
void write_refused(json::Writer& writer, std::string_view name, const std::vector<Part>& parts,
                   const Flags& usable) {
  std::size_t named = 0;
  for (std::size_t i = 0; i < parts.size() && named < kRefusedNamed; ++i) {
    if (usable[i]) continue;
    if (named++ == 0) writer.key(name).begin_array();
    std::string shown = parts[i].name;
    cut(shown, kPhaseNameBytesMax);
    writer.string(shown);
  }
  if (named != 0) writer.end_array();
}

/// Leaves out what may not be written.
void write_phases(json::Writer& writer, const std::vector<Phase>& phases, const Flags& usable) {
  if (usable.find(1) == Flags::npos) return;
  writer.key(key::phases).begin_object();
  for (std::size_t i = 0; i < phases.size(); ++i) {
    if (usable[i]) writer.member(phases[i].name, phases[i].duration.count());
  }
  writer.end_object();
}

void write_address(json::Writer& writer, const std::string& address) {
  constexpr std::size_t kDots = 3;
  if (address.empty()) return;
  // A byte that is not UTF-8 is written as three.
  if (address.size() <= kResultAddressBytesMax / 3) {
    writer.member(key::address, address);
    return;
  }
  std::string shown = to_valid_utf8(address);
  cut(shown, kResultAddressBytesMax - kDots);
  writer.member(key::address, shown);
}

void write_http(json::Writer& writer, const HttpResult& http) {
  constexpr auto kBytesMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  writer.key(key::http).begin_object();
  if (http.status != 0) writer.member(key::status, http.status);
  if (!http.version.empty()) writer.member(key::version, http.version);
  writer.member(key::url, http.url);
  writer.key(key::hops).begin_array();
  for (const HttpHop& hop : http.hops) {
    writer.begin_object();
    writer.member(key::url, hop.url);
    if (hop.status != 0) writer.member(key::status, hop.status);
    if (!hop.address.empty()) writer.member(key::address, hop.address);
    write_phases(writer, hop.phases, usable_of(hop.phases, kPhasesMax));
    writer.end_object();
  }
  writer.end_array();
  writer.member(key::body_bytes, std::min(http.body_bytes, kBytesMax));
  writer.member(key::truncated, http.truncated);
  writer.end_object();
}

template <std::size_t N>
void write_records(json::Writer& writer, const json::Key<N>& name,
                   const std::vector<DnsRecord>& records) {
  writer.key(name).begin_array();
  for (const DnsRecord& record : records) {
    writer.begin_object();
    writer.member(key::name, record.name);
    writer.member(key::type, record.type);
    writer.member(key::dns_class, record.dns_class);
    writer.member(key::ttl, record.ttl);
    writer.member(key::value, record.value);
    writer.end_object();
  }
  writer.end_array();
}

void write_dns(json::Writer& writer, const DnsResult& dns) {
  writer.key(key::dns).begin_object();
  writer.member(key::rcode, dns.rcode);
  writer.key(key::flags).begin_array();
  for (const std::string& flag : dns.flags) writer.string(flag);
  writer.end_array();
  writer.member(key::server, dns.server);
  writer.member(key::transport, dns.transport);
  write_records(writer, key::answers, dns.answers);
  write_records(writer, key::authority, dns.authority);
  write_records(writer, key::additional, dns.additional);
  writer.end_object();
}

/// `labels`: null for the wire, where the time is a number and labels stay with the task.
void write_fields(json::Writer& writer, const ProbeResult& result,
                  const std::vector<Label>* labels) {
  using std::chrono::microseconds;
  const std::int64_t started_us =
      std::clamp<std::int64_t>(microseconds_of(result.started_at), 0, kTimeMax);
  write_address(writer, result.address);
  writer.member(key::verdict, to_string(result.verdict));
  writer.key(key::failure);
  if (result.failure) {
    writer.begin_object();
    writer.member(key::kind, to_string(result.failure->kind));
    writer.member(key::message, result.failure->message);
    writer.end_object();
  } else {
    writer.null();
  }
  if (labels == nullptr) {
    writer.member(key::started_at_us, started_us);
  } else {
    writer.member(key::started_at, format_rfc3339(SystemTime{microseconds{started_us}}));
  }
  constexpr microseconds kDurationMax = kResultDurationMax;
  writer.member(key::duration_us,
                std::clamp(result.duration, microseconds{0}, kDurationMax).count());
  const Flags phases_usable = usable_of(result.phases, kPhasesMax);
  write_phases(writer, result.phases, phases_usable);
  if (result.http) write_http(writer, *result.http);

  const Flags usable = usable_of(result.sections, kResultSectionsMax);
  const auto write_sections = [&](bool tls) {
    for (std::size_t i = 0; i < result.sections.size(); ++i) {
      const ResultSection& section = result.sections[i];
      if (usable[i] && (section.name == "tls") == tls) writer.key(section.name).raw(section.json);
    }
  };
  write_sections(true);
  if (result.dns) write_dns(writer, *result.dns);
  write_sections(false);
  write_refused(writer, "sections_refused", result.sections, usable);
  write_refused(writer, "phases_refused", result.phases, phases_usable);
  if (labels != nullptr) {
    writer.key(key::labels).begin_object();
    for (const Label& label : *labels) writer.member(label.key, label.value);
    writer.end_object();
  }
  writer.member(key::suspect, result.suspect);
}

// --- size

std::size_t text_bytes(const std::vector<Phase>& phases) noexcept {
  std::size_t bytes = 0;
  for (const Phase& phase : phases) bytes += phase.name.size() + 8;
  return bytes;
}

std::size_t text_bytes(const std::vector<DnsRecord>& records) noexcept {
  std::size_t bytes = 0;
  for (const DnsRecord& record : records) {
    bytes += record.name.size() + record.type.size() + record.dns_class.size() +
             record.value.size() + 16;
  }
  return bytes;
}

/// No result whose texts come to less than this can be too long: an escape takes 6 bytes, and the
/// fixed parts are counted generously above.
bool surely_fits(const ProbeResult& result) noexcept {
  constexpr std::size_t kEscapeBytes = 6;
  constexpr std::size_t kFixedBytes = 256;
  std::size_t bytes = kFixedBytes + result.address.size() + text_bytes(result.phases);
  if (result.failure) bytes += result.failure->message.size();
  if (result.http) {
    bytes += result.http->url.size() + result.http->version.size();
    for (const HttpHop& hop : result.http->hops) {
      bytes += 16 + hop.url.size() + hop.address.size() + text_bytes(hop.phases);
    }
  }
  if (result.dns) {
    const DnsResult& dns = *result.dns;
    bytes += dns.rcode.size() + dns.server.size() + dns.transport.size();
    for (const std::string& flag : dns.flags) bytes += flag.size() + 1;
    bytes += text_bytes(dns.answers) + text_bytes(dns.authority) + text_bytes(dns.additional);
  }
  for (const ResultSection& section : result.sections) {
    bytes += section.name.size() + section.json.size() + 1;
  }
  return bytes <= kResultBytesMax / kEscapeBytes;
}

/// Encoded for the wire or for a line, whichever is longer, within braces.
bool fits(const ProbeResult& result) {
  constexpr std::size_t kLongerTime = 64;  // started_at against started_at_us, and the braces
  if (surely_fits(result)) return true;
  std::string text;
  json::Writer writer(text);
  write_fields(writer, result, nullptr);
  return text.size() + kLongerTime <= kResultBytesMax;
}

void cut(std::vector<Phase>& phases) {
  if (phases.size() > kPhasesMax) phases.resize(kPhasesMax);
  for (Phase& phase : phases) cut(phase.name, kPhaseNameBytesMax);
}

constexpr std::string_view kTruncatedNote = " (detail left out: the result was over 64 KiB)";

/// After say_truncated().
void cut_texts(ProbeResult& result) {
  constexpr std::size_t kShort = 128;
  constexpr std::size_t kLong = 1024;
  cut(result.address, kShort);
  cut(result.phases);
  if (result.failure) {
    std::string& message = result.failure->message;
    message.resize(message.size() - kTruncatedNote.size());
    cut(message, kLong);
    message += kTruncatedNote;
  }
  if (result.http) {
    cut(result.http->url, kLong);
    cut(result.http->version, kShort);
    for (HttpHop& hop : result.http->hops) {
      cut(hop.url, kLong);
      cut(hop.address, kShort);
      cut(hop.phases);
    }
  }
  if (result.dns) {
    DnsResult& dns = *result.dns;
    cut(dns.rcode, kShort);
    cut(dns.server, kShort);
    cut(dns.transport, kShort);
    if (dns.flags.size() > 16) dns.flags.resize(16);
    for (std::string& flag : dns.flags) cut(flag, kShort);
  }
}

void say_truncated(ProbeResult& result) {
  if (result.failure) {
    result.failure->message += kTruncatedNote;
  } else if (result.http) {
    result.http->truncated = true;
  } else {
    result.sections.push_back({"truncated", "true"});
  }
}

// --- reading

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

/// Reads members of one object into plain fields; the first fault stays.
class Members {
 public:
  Members(const json::Value& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) fault_ = path_ + ": not an object";
  }

  const json::Value* find(std::string_view name) const { return object_.find(name); }

  void text(std::string_view name, std::string& out) {
    const json::Value* const value = find(name);
    if (value == nullptr || value->is_null()) return;
    if (const std::string* const found = value->as_string()) {
      out = *found;
    } else {
      fail(name, "not a string");
    }
  }

  void flag(std::string_view name, bool& out) {
    const json::Value* const value = find(name);
    if (value == nullptr) return;
    if (const auto found = value->as_bool()) {
      out = *found;
    } else {
      fail(name, "not true or false");
    }
  }

  template <class Integer>
  void integer(std::string_view name, Integer& out) {
    const json::Value* const value = find(name);
    if (value == nullptr || value->is_null()) return;
    const auto found = value->as_int64();
    const bool in_range =
        found && (std::is_signed_v<Integer> || *found >= 0) &&
        (sizeof(Integer) >= sizeof *found ||
         (*found >= static_cast<std::int64_t>(std::numeric_limits<Integer>::min()) &&
          *found <= static_cast<std::int64_t>(std::numeric_limits<Integer>::max())));
    if (in_range) {
      out = static_cast<Integer>(*found);
    } else {
      fail(name, "not an integer in range");
    }
  }

  void phases(std::vector<Phase>& out) {
    const json::Value* const value = find("phases");
    if (value == nullptr) return;
    if (!value->is_object()) return fail("phases", "not an object");
    for (const json::Member& member : *value->as_object()) {
      const auto count = member.value.as_int64();
      if (!count) return fail("phases." + member.name, "not an integer");
      out.push_back({member.name, std::chrono::microseconds{*count}});
    }
  }

  void time(std::string_view name, SystemTime& out) {
    std::string written;
    text(name, written);
    if (written.empty()) return;
    if (const auto found = parse_rfc3339(written)) {
      out = *found;
    } else {
      fail(name, "not a time as in RFC 3339");
    }
  }

  /// Calls `each` with every item of a list.
  template <class Each>
  void list(std::string_view name, Each&& each) {
    const json::Value* const value = find(name);
    if (value == nullptr) return;
    if (!value->is_array()) return fail(name, "not a list");
    for (const json::Value& item : *value->as_array()) each(item);
  }

  void fail(std::string_view name, std::string_view what) {
    if (!fault_.empty()) return;
    fault_ = path_.empty() ? std::string{name} : path_ + '.' + std::string{name};
    fault_ += ": ";
    fault_ += what;
  }

  void take_fault(Members& from) {
    if (fault_.empty()) fault_ = std::move(from.fault_);
  }

  Expected<void> outcome() const {
    if (fault_.empty()) return {};
    return refused(fault_);
  }

 private:
  const json::Value& object_;
  std::string path_;
  std::string fault_;
};

void read_http(Members& members, const json::Value& value, HttpResult& http) {
  Members object(value, "http");
  object.integer("status", http.status);
  object.text("version", http.version);
  object.text("url", http.url);
  object.integer("body_bytes", http.body_bytes);
  object.flag("truncated", http.truncated);
  object.list("hops", [&](const json::Value& item) {
    Members fields(item, "http.hops");
    HttpHop& hop = http.hops.emplace_back();
    fields.text("url", hop.url);
    fields.integer("status", hop.status);
    fields.text("address", hop.address);
    fields.phases(hop.phases);
    object.take_fault(fields);
  });
  members.take_fault(object);
}

void read_dns(Members& members, const json::Value& value, DnsResult& dns) {
  Members object(value, "dns");
  object.text("rcode", dns.rcode);
  object.text("server", dns.server);
  object.text("transport", dns.transport);
  object.list("flags", [&](const json::Value& item) {
    if (const std::string* const flag = item.as_string()) {
      dns.flags.push_back(*flag);
    } else {
      object.fail("flags", "not a list of strings");
    }
  });
  const auto records = [&](std::string_view name, std::vector<DnsRecord>& out) {
    object.list(name, [&](const json::Value& item) {
      Members fields(item, "dns." + std::string{name});
      DnsRecord& record = out.emplace_back();
      fields.text("name", record.name);
      fields.text("type", record.type);
      fields.text("class", record.dns_class);
      fields.integer("ttl", record.ttl);
      fields.text("value", record.value);
      object.take_fault(fields);
    });
  };
  records("answers", dns.answers);
  records("authority", dns.authority);
  records("additional", dns.additional);
  members.take_fault(object);
}

void read_failure(Members& members, const json::Value& value, ProbeResult& result) {
  Members object(value, "failure");
  std::string kind;
  Failure failure;
  object.text("kind", kind);
  object.text("message", failure.message);
  if (const auto known = parse_failure_kind(kind)) {
    failure.kind = *known;
  } else {
    object.fail("kind", "unknown");
  }
  result.failure = std::move(failure);
  members.take_fault(object);
}

template <class Enum, std::size_t N>
void read_enum(Members& members, std::string_view name, const Enum (&values)[N], Enum& out) {
  std::string text;
  members.text(name, text);
  if (text.empty()) return;
  for (const Enum value : values) {
    if (text != to_string(value)) continue;
    out = value;
    return;
  }
  members.fail(name, "unknown");
}

}  // namespace

void shrink_to_fit(ProbeResult& result) {
  if (fits(result)) return;
  result.sections.clear();
  say_truncated(result);
  if (fits(result)) return;
  if (result.dns) {
    result.dns->additional.clear();
    if (fits(result)) return;
    result.dns->authority.clear();
    if (fits(result)) return;
    result.dns->answers.clear();
  }
  if (result.http && result.http->hops.size() > 1) {
    result.http->hops.erase(result.http->hops.begin(), result.http->hops.end() - 1);
  }
  if (fits(result)) return;
  cut_texts(result);
}

void append_result_fields(json::Writer& writer, const ProbeResult& result) {
  if (fits(result)) return write_fields(writer, result, nullptr);
  ProbeResult smaller = result;
  shrink_to_fit(smaller);
  write_fields(writer, smaller, nullptr);
}

void append_result_line_fields(json::Writer& writer, const ProbeResult& result,
                               const std::vector<Label>& labels) {
  if (fits(result)) return write_fields(writer, result, &labels);
  ProbeResult smaller = result;
  shrink_to_fit(smaller);
  write_fields(writer, smaller, &labels);
}

Expected<void> read_result_fields(const json::Value& object, ProbeResult& result,
                                  const std::vector<std::string_view>& others) {
  Members members(object, "");
  if (!object.is_object()) return refused("a result is a JSON object");
  constexpr Verdict kVerdicts[] = {Verdict::passed, Verdict::failed, Verdict::none};
  members.text("address", result.address);
  read_enum(members, "verdict", kVerdicts, result.verdict);
  std::int64_t count = 0;
  members.integer("started_at_us", count);
  result.started_at = SystemTime{std::chrono::microseconds{count}};
  members.time("started_at", result.started_at);
  count = 0;
  members.integer("duration_us", count);
  result.duration = std::chrono::microseconds{count};
  members.phases(result.phases);
  members.flag("suspect", result.suspect);
  if (const json::Value* const failure = object.find("failure"); failure && !failure->is_null()) {
    read_failure(members, *failure, result);
  }
  if (const json::Value* const http = object.find("http")) {
    read_http(members, *http, result.http.emplace());
  }
  if (const json::Value* const dns = object.find("dns")) {
    read_dns(members, *dns, result.dns.emplace());
  }
  for (const json::Member& member : *object.as_object()) {
    if (is_one_of(member.name, kMembers) ||
        std::find(others.begin(), others.end(), member.name) != others.end()) {
      continue;
    }
    result.sections.push_back({member.name, member.value.to_json()});
  }
  return members.outcome();
}

std::string to_json(const ProbeSpec& spec, const ProbeResult& result) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  writer.member("state", to_string(TaskState::done));
  writer.member("kind", spec.kind);
  writer.member("target", spec.target);
  append_result_line_fields(writer, result, spec.labels);
  writer.end_object();
  return out;
}

Expected<TaskResult> parse_result_line(std::string_view json) {
  const auto value = json::Value::parse(json);
  if (!value) return refused(value.error().message());
  if (!value->is_object()) return refused("a result is a JSON object");

  TaskResult result;
  const std::vector<std::string_view> others(std::begin(kLineMembers), std::end(kLineMembers));
  if (auto fine = read_result_fields(*value, result, others); !fine) return fine.error();

  constexpr TaskState kStates[] = {TaskState::done, TaskState::expired, TaskState::cancelled};
  constexpr ExpiryReason kReasons[] = {ExpiryReason::no_agent, ExpiryReason::deadline,
                                       ExpiryReason::agent_lost, ExpiryReason::missed};
  Members members(*value, "");
  if (value->find("state") == nullptr) members.fail("state", "missing");
  read_enum(members, "state", kStates, result.state);
  members.text("task", result.task);
  members.text("batch", result.batch);
  members.text("schedule", result.schedule);
  members.text("target", result.target);
  members.text("kind", result.kind);
  members.text("agent", result.agent);
  members.integer("attempt", result.attempt);
  members.integer("attempts", result.attempt);
  members.text("diagnosis", result.diagnosis);
  members.integer("count", result.count);
  if (value->find("first") != nullptr) members.time("first", result.first.emplace());
  if (value->find("last") != nullptr) members.time("last", result.last.emplace());
  if (value->find("reason") != nullptr) {
    read_enum(members, "reason", kReasons, result.reason.emplace());
  }
  if (value->find("scheduled_at") != nullptr) {
    members.time("scheduled_at", result.scheduled_at.emplace());
  }
  if (const json::Value* const labels = value->find("labels")) {
    if (!labels->is_object()) return refused("labels: not an object");
    for (const json::Member& member : *labels->as_object()) {
      const std::string* const text = member.value.as_string();
      if (text == nullptr) return refused("labels." + member.name + ": not a string");
      result.labels.push_back({member.name, *text});
    }
  }
  if (auto fine = members.outcome(); !fine) return fine.error();
  return result;
}

}  // namespace probekit
