// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/codec.hpp"

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "json/json_writer.hpp"
#include "probe/result_json.hpp"
#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kHuge = 18446744073709551615ULL;

std::string text_of(const Message& message) {
  std::string text;
  encode(message, text);
  return text;
}

template <class T>
T round_trip(const T& message) {
  const std::string text = text_of(message);
  INFO(text.substr(0, 2000));
  Expected<Message> decoded = decode(text);
  if (!decoded) FAIL(decoded.error().message());
  REQUIRE(std::holds_alternative<T>(*decoded));
  CHECK(text_of(*decoded) == text);
  return std::get<T>(*decoded);
}

std::shared_ptr<const ProbeOptions> options_of(const std::string& kind,
                                               const std::string& section) {
  ProbeOptions options;
  options.kind = kind;
  options.timeout = 5000ms;
  options.priority = Priority::low;
  options.section = section;
  options.labels = {{"team", "web"}};
  return std::make_shared<const ProbeOptions>(options);
}

void refused(const std::string& text, const std::string& why) {
  INFO(text.substr(0, 300));
  const Expected<Message> decoded = decode(text);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().code() == errc::protocol_violation);
  INFO(decoded.error().message());
  CHECK(decoded.error().message().find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("a hello comes back as it was", "[protocol][codec]") {
  Hello hello;
  hello.name = "agent-1";
  hello.instance = "00112233445566778899aabbccddeeff";
  hello.agent_version = "0.1.0";
  hello.tags = {{"region", "eu"}, {"rack", "7"}};
  hello.kinds = {"http", "dns"};
  hello.capacity_tasks = 4608;
  hello.capacity_high = 1024;
  hello.slots = 512;
  hello.threads = 4;
  hello.store = "s-1";
  hello.holds = kHuge;
  const Hello back = round_trip(hello);
  CHECK(back.versions == hello.versions);
  CHECK(back.tags == hello.tags);
  CHECK(back.kinds == hello.kinds);
  CHECK(back.capacity_tasks == 4608);
  CHECK(back.capacity_high == 1024);
  CHECK(back.slots == 512);
  CHECK(back.threads == 4);
  CHECK(back.store == "s-1");
  CHECK(back.holds == kHuge);
}

TEST_CASE("held, welcome, wanted and reject come back as they were", "[protocol][codec]") {
  Held held;
  held.tasks = {{TaskId{kHuge}, 1, HeldState::queued},
                {TaskId{1}, 4294967295U, HeldState::running},
                {TaskId{2}, 2, HeldState::finished}};
  held.last = false;
  const Held held_back = round_trip(held);
  REQUIRE(held_back.tasks.size() == 3);
  CHECK(held_back.tasks[0].task.value == kHuge);
  CHECK(held_back.tasks[1].attempt == 4294967295U);
  CHECK(held_back.tasks[2].state == HeldState::finished);
  CHECK_FALSE(held_back.last);

  Welcome welcome;
  welcome.session = "s42";
  welcome.epoch = 7;
  welcome.store = "store";
  welcome.master = "m \"quoted\"\n";
  welcome.heartbeat_interval = 15s;
  welcome.dead_after = 60s;
  welcome.resume_grace = 30s;
  welcome.results_bytes = 1 << 20;
  welcome.wanted = {TaskId{1}, TaskId{kHuge}};
  const Welcome welcome_back = round_trip(welcome);
  CHECK(welcome_back.master == welcome.master);
  CHECK(welcome_back.dead_after == 60s);
  CHECK(welcome_back.wanted == welcome.wanted);

  CHECK(round_trip(Wanted{{TaskId{9}}, false}).tasks == std::vector<TaskId>{TaskId{9}});
  CHECK(round_trip(Reject{"name_in_use", "another", 5s}).retry_after == 5s);
}

TEST_CASE("tasks come back as they were, without the labels", "[protocol][codec]") {
  Tasks tasks;
  tasks.options = {options_of("http", R"({"method":"HEAD"})"), options_of("dns", "")};
  tasks.tasks = {{TaskId{kHuge}, 3, 1, 60s, "dns:example.com/A"},
                 {TaskId{2}, 1, 0, 0ms, "https://example.com/?q=\"\\"}};
  tasks.waited = 12ms;
  const Tasks back = round_trip(tasks);
  REQUIRE(back.options.size() == 2);
  CHECK(back.options[0]->section == R"({"method":"HEAD"})");
  CHECK(back.options[0]->timeout == 5000ms);
  CHECK(back.options[0]->priority == Priority::low);
  CHECK(back.options[0]->labels.empty());
  CHECK(back.options[1]->kind == "dns");
  REQUIRE(back.tasks.size() == 2);
  CHECK(back.tasks[0].task.value == kHuge);
  CHECK(back.tasks[0].attempt == 3);
  CHECK(back.tasks[0].left == 60s);
  CHECK(back.tasks[1].target == tasks.tasks[1].target);
  CHECK(back.waited == 12ms);
}

TEST_CASE("results come back with the very text of each result", "[protocol][codec]") {
  Results results;
  results.seq = 41;
  results.items.resize(3);
  results.items[0] = {TaskId{kHuge}, 1, std::nullopt, R"({ "verdict" : "passed", "x":[1,{}] })"};
  results.items[1] = {TaskId{2}, 2, Returned::expired, ""};
  results.items[2] = {TaskId{3}, 1, Returned::host_busy, ""};
  const Results back = round_trip(results);
  CHECK(back.seq == 41);
  REQUIRE(back.items.size() == 3);
  CHECK(back.items[0].result == results.items[0].result);
  CHECK_FALSE(back.items[0].returned);
  CHECK(back.items[1].returned == Returned::expired);
  CHECK(back.items[1].attempt == 2);
  CHECK(back.items[2].returned == Returned::host_busy);
}

TEST_CASE("a section as deep as its maker may make it survives its message",
          "[protocol][codec][limits]") {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += R"({"a":)";
    return text + '1' + std::string(depth, '}');
  };
  ProbeKinds kinds;
  ProbeKind fake;
  fake.name = "fake";
  fake.schemes = {"fake"};  // and nothing of its own to say about sections
  kinds.add(fake);
  std::size_t deepest_spec = 0;
  std::size_t deepest_result = 0;
  for (std::size_t depth = 1; depth <= 40; ++depth) {
    CAPTURE(depth);
    ProbeSpec spec;
    spec.target = "fake:x";
    spec.section = nested(depth);
    if (complete_spec(spec, kinds)) {
      deepest_spec = depth;
      Tasks tasks;
      tasks.options = {options_of("fake", spec.section)};
      tasks.tasks = {{TaskId{1}, 1, 0, 1s, spec.target}};
      CHECK(round_trip(tasks).options[0]->section == spec.section);
    }
    ProbeResult result;
    result.verdict = Verdict::passed;
    result.sections = {{"deep", nested(depth)}};
    Results::Item item{TaskId{1}, 1, std::nullopt, {}};
    json::Writer writer{item.result};
    writer.begin_object();
    append_result_fields(writer, result);
    writer.end_object();
    if (item.result.find(nested(depth)) != std::string::npos) deepest_result = depth;
    CHECK(round_trip(Results{1, {item}}).items[0].result == item.result);
  }
  CHECK(deepest_spec == kSectionDepthMax);
  CHECK(deepest_result == kSectionDepthMax);
}

TEST_CASE("every reason of a return and every held state has its name", "[protocol][codec]") {
  for (int i = 0; i <= static_cast<int>(Returned::unwanted); ++i) {
    Results results;
    results.items = {{TaskId{1}, 1, static_cast<Returned>(i), ""}};
    CHECK(round_trip(results).items[0].returned == static_cast<Returned>(i));
  }
}

TEST_CASE("the small messages come back as they were", "[protocol][codec]") {
  CHECK(round_trip(Ack{kHuge}).seq == kHuge);
  CHECK(round_trip(Cancel{{TaskId{1}, TaskId{2}}}).tasks.size() == 2);
  CHECK(round_trip(Credit{3, 4}).other == 4);
  round_trip(Draining{});

  Heartbeat beat;
  beat.seq = 5;
  beat.echo = 4;
  beat.sent_us = 253402300799999999;
  beat.echo_delay_us = 17;
  beat.items_sent = 100;
  CHECK_FALSE(round_trip(beat).credit);
  beat.credit = Credit{7, 8};
  beat.results_bytes = 9;
  beat.ack = 10;
  beat.cpu_us = 11;
  const Heartbeat back = round_trip(beat);
  CHECK(back.sent_us == beat.sent_us);
  CHECK(back.credit->high == 7);
  CHECK(back.results_bytes == 9U);
  CHECK(back.ack == 10U);
  CHECK(back.cpu_us == 11);
}

TEST_CASE("what a heartbeat does not tell is unknown, and what it tells comes back as it was",
          "[protocol][codec]") {
  Heartbeat beat;
  beat.seq = 1;
  const Heartbeat plain = round_trip(beat);
  CHECK_FALSE(plain.socket);
  CHECK_FALSE(plain.waits);
  CHECK_FALSE(plain.failures);
  CHECK(plain.unacked == 0);

  beat.unsent_bytes = 1;
  beat.socket = TcpFigures{"[2001:db8::7]:40112", 2, 3, 4, 5, 6};
  beat.waits = Waits{7, {8, 9, 10, 11, 12, 13ms}};
  beat.failures = LocalFailures{14, 15, 16};
  beat.unacked = 17;
  beat.unacked_age_ms = 18;
  const Heartbeat back = round_trip(beat);
  CHECK(back.unsent_bytes == 1);
  REQUIRE(back.socket);
  CHECK(back.socket->local == "[2001:db8::7]:40112");
  CHECK(back.socket->not_sent_bytes == 2);
  CHECK(back.socket->rtt_us == 3);
  CHECK(back.socket->retransmits == 4);
  CHECK(back.socket->peer_window_bytes == 5);
  CHECK(back.socket->rwnd_limited_us == 6);
  REQUIRE(back.waits);
  CHECK(back.waits->host == 7);
  CHECK(back.waits->probes.dns == 8);
  CHECK(back.waits->probes.connect == 9);
  CHECK(back.waits->probes.tls == 10);
  CHECK(back.waits->probes.first_byte == 11);
  CHECK(back.waits->probes.receive == 12);
  CHECK(back.waits->probes.dns_longest == 13ms);
  REQUIRE(back.failures);
  CHECK(back.failures->ports == 14);
  CHECK(back.failures->descriptors == 15);
  CHECK(back.failures->memory == 16);
  CHECK(back.unacked == 17);
  CHECK(back.unacked_age_ms == 18);

  const auto with = [](const std::string& member) {
    return R"({"type":"heartbeat","seq":1,"items_sent":0,)" + member + '}';
  };
  CHECK(decode(with(R"("socket":{},"waits":{"later":[1]},"local_failures":{})")));
  refused(with(R"("socket":[])"), "expected an object");
  refused(with(R"("socket":{"rtt_us":-1})"), "unsigned");
  refused(with(R"("socket":{"local":")" + std::string(65, 'x') + "\"}"), "too long");
  refused(with(R"("waits":{"dns_longest_ms":9223372036854775807})"), "out of range");
  refused(with(R"("local_failures":7)"), "expected an object");
}

TEST_CASE("unknown members are skipped, whatever they hold", "[protocol][codec]") {
  const auto decoded =
      decode(R"({"type":"ack","later":{"a":[1,2,{"b":null}],"c":-1.5e300},"seq":3,"z":"\u00e9"})");
  REQUIRE(decoded);
  CHECK(std::get<Ack>(*decoded).seq == 3);
}

TEST_CASE("a message of an unknown type is refused unless it says it is optional",
          "[protocol][codec]") {
  refused(R"({"type":"gossip"})", "unknown type");
  refused(R"({"type":"gossip","optional":false})", "unknown type");
  refused(R"({"type":"gossip","optional":1})", "expected true or false");
  const auto ignored = decode(R"({"type":"gossip","x":[{}],"optional":true})");
  REQUIRE(ignored);
  CHECK(std::holds_alternative<Ignored>(*ignored));
  // What is known is never made optional by saying so.
  refused(R"({"type":"ack","optional":true})", "required member");
}

TEST_CASE("the type must be the first member", "[protocol][codec]") {
  refused(R"({"seq":1,"type":"ack"})", "first member");
  refused("{}", "first member");
  refused("[]", "expected an object");
  refused("", "expected an object");
  refused("\"ack\"", "expected an object");
  refused(R"({"type":7,"seq":1})", "expected a string");
}

TEST_CASE("hostile text is refused with the place of the fault", "[protocol][codec]") {
  refused(R"({"type":"ack","seq":1)", "expected a comma");
  refused(R"({"type":"ack","seq":1}x)", "more after the end");
  refused(R"({"type":"ack"})", "required member");
  refused(R"({"type":"ack","seq":-1})", "unsigned");
  refused(R"({"type":"ack","seq":1.5})", "expected an integer");
  refused(R"({"type":"ack","seq":1e2})", "expected an integer");
  refused(R"({"type":"ack","seq":"1"})", "unsigned");
  refused(R"({"type":"ack","seq":18446744073709551616})", "out of range");
  refused(R"({"type":"ack","seq":[1]})", "unsigned");
  refused("{\"type\":\"ack\",\"x\":\"\xff\",\"seq\":1}", "UTF-8");
  refused("{\"type\":\"ack\",\"x\":" + std::string(1'000'000, '[') + "}", "nested");
  refused("{\"type\":\"ack\",\"x\":" + std::string(1'000'000, '{') + "}", "expected");
  refused("{\"type\":\"ack\",\"x\":\"" + std::string(1'000'000, 'a'), "inside a string");
  // Numbers that break other parsers are only skipped.
  CHECK(decode(R"({"type":"ack","x":0.0000000001e-2147483639,"seq":1})"));
  CHECK(decode(R"({"type":"ack","x":128.74836467836484838364836483643636483648e-336,"seq":1})"));
  CHECK(decode("{\"type\":\"ack\",\"x\":" + std::string(1'000'000, '9') + ",\"seq\":1}"));
}

TEST_CASE("a hello is judged field by field", "[protocol][codec]") {
  const auto hello = [](const std::string& rest) {
    return R"({"type":"hello","versions":["probekit.v1"],"instance":"i","kinds":[],"capacity":{},)" +
           rest + "}";
  };
  CHECK(decode(hello(R"("name":"a")")));
  refused(hello(R"("name":"")"), "name is not valid");
  refused(hello(R"("name":"a b")"), "name is not valid");
  refused(hello(R"("name":"a","tags":{"a":"b c"})"), "tag is not valid");
  refused(hello(R"("name":"a","tags":{"":"b"})"), "tag is not valid");
  refused(hello(R"("name":"a","tags":[])"), "expected an object");
  refused(hello(R"("name":"a","slots":4294967296)"), "out of range");
  refused(hello(R"("name":"a","kinds":"http")"), "expected an array");
  std::string tags = R"("name":"a","tags":{)";
  for (int i = 0; i < 65; ++i) tags += (i != 0 ? ",\"" : "\"") + std::to_string(i) + "\":\"b\"";
  refused(hello(tags + "}"), "too many tags");

  const auto large = decode(hello("\"name\":\"a\",\"x\":\"" + std::string(4096, 'x') + "\""));
  REQUIRE_FALSE(large);
  CHECK(large.error().code() == errc::message_too_large);
  const auto held =
      decode("{\"type\":\"held\",\"tasks\":[],\"x\":\"" + std::string(65536, 'x') + "\"}");
  REQUIRE_FALSE(held);
  CHECK(held.error().code() == errc::message_too_large);
}

TEST_CASE("what a heartbeat measures is in a range that can be reckoned with",
          "[protocol][codec][limits]") {
  for (const char* const name :
       {"sent_us", "echo_delay_us", "loop_lag_us", "queue_age_ms", "cpu_us"}) {
    const auto beat = [&](const std::string& value) {
      return R"({"type":"heartbeat","seq":1,"items_sent":0,")" + std::string{name} + "\":" + value +
             '}';
    };
    refused(beat("-1"), "unsigned");
    refused(beat("-9223372036854775808"), "unsigned");
    refused(beat("253402300800000000"), "out of range");
    refused(beat("9223372036854775807"), "out of range");
    CHECK(decode(beat("0")));
    CHECK(decode(beat("253402300799999999")));
  }
}

TEST_CASE("tasks are judged field by field", "[protocol][codec]") {
  const std::string option = R"({"kind":"http","timeout_ms":1000,"priority":"low"})";
  const auto tasks = [&](const std::string& rows) {
    return R"({"type":"tasks","options":[)" + option + R"(],"tasks":[)" + rows + "]}";
  };
  CHECK(decode(tasks(R"([1,1,0,10,"x"])")));
  refused(tasks(R"([1,1,1,10,"x"])"), "options are missing");
  refused(tasks(R"([1,0,0,10,"x"])"), "count from 1");
  refused(tasks(R"([1,1,0,-10,"x"])"), "unsigned");
  refused(tasks(R"([1,1,0,9999999999999999,"x"])"), "out of range");
  refused(tasks(R"([1,4294967296,0,10,"x"])"), "out of range");
  refused(tasks(R"([1,1,0,10])"), "too few");
  refused(tasks(R"([1,1,0,10,"x",1])"), "too many");
  refused(tasks(R"([])"), "too few");
  refused(tasks(R"({})"), "expected an array");
  refused(tasks("[1,1,0,10,\"" + std::string(kTargetBytesMax + 1, 'x') + "\"]"), "too long");
  CHECK(decode(tasks("[1,1,0,10,\"" + std::string(kTargetBytesMax, 'x') + "\"]")));
  const auto options = [](const std::string& list) {
    return R"({"type":"tasks","options":[)" + list + R"(],"tasks":[]})";
  };
  refused(options(R"({"timeout_ms":1000})"), "without kind");
  refused(options(R"({"kind":"http","timeout_ms":0})"), "timeout_ms");
  refused(options(R"({"kind":"http","timeout_ms":120001})"), "timeout_ms");
  refused(options(R"({"kind":"http","timeout_ms":1,"priority":"urgent"})"), "priority");
  refused(options(R"({"kind":"http","timeout_ms":1,"section":[]})"), "expected an object");
  std::string many;
  for (std::size_t i = 0; i <= kOptionsPerMessageMax; ++i) many += (i != 0 ? "," : "") + option;
  refused(options(many), "list too long");
  std::string rows = "[1,1,0,1,\"\"]";
  for (std::size_t i = 0; i < kItemsMax; ++i) rows += ",[1,1,0,1,\"\"]";
  refused(tasks(rows), "list too long");
}

TEST_CASE("results are judged item by item", "[protocol][codec]") {
  const auto results = [](const std::string& items) {
    return R"({"type":"results","seq":1,"items":[)" + items + "]}";
  };
  CHECK(decode(results(R"({"task":1,"attempt":1,"result":{}})")));
  refused(results(R"({"task":1,"attempt":1})"), "either");
  refused(results(R"({"task":1,"attempt":1,"result":{},"returned":"expired"})"), "either");
  refused(results(R"({"attempt":1,"result":{}})"), "without its task");
  refused(results(R"({"task":1,"attempt":1,"returned":"bored"})"), "unknown reason");
  refused(results(R"({"task":1,"attempt":1,"result":[]})"), "expected an object");
  refused(results(R"({"task":1,"attempt":1,"result":{"a":}})"), "expected a value");
  refused(
      results("{\"task\":1,\"attempt\":1,\"result\":{\"a\":\"" + std::string(70'000, 'x') + "\"}}"),
      "too long");
  refused(R"({"type":"results","seq":0,"items":[]})", "count from 1");
  refused(
      R"({"type":"results","seq":18446744073709551615,"items":[{"task":1,"returned":"expired"}]})",
      "out of range");
}

TEST_CASE("tasks are packed in order, full messages with shared options once",
          "[protocol][codec][packing]") {
  struct Leased {
    TaskId task;
    std::uint32_t attempt;
    std::shared_ptr<const ProbeOptions> options;
    std::chrono::milliseconds left;
    std::string target;
  };
  const auto http = options_of("http", R"({"method":"HEAD"})");
  const auto dns = options_of("dns", "");
  std::vector<Leased> leased;
  for (std::uint64_t i = 0; i < 5000; ++i)
    leased.push_back({TaskId{i}, 1, i % 3 == 0 ? dns : http, 60s,
                      "https://example.com/path/of/" + std::to_string(i)});
  TasksWriter writer;
  for (const Leased& one : leased)
    writer.add(one.task, one.attempt, one.options, one.left, one.target);
  const std::vector<Packed> packed = writer.take();
  std::uint64_t next = 0;
  for (const Packed& message : packed) {
    CHECK(message.text.size() <= kMessageBytesTarget);
    const auto decoded = decode(message.text);
    REQUIRE(decoded);
    const Tasks& tasks = std::get<Tasks>(*decoded);
    CHECK(tasks.options.size() <= 2);
    CHECK(tasks.tasks.size() == message.items);
    for (const Tasks::Item& item : tasks.tasks) {
      CHECK(item.task.value == next);
      CHECK(item.target == leased[next].target);
      CHECK(tasks.options[item.options]->kind == leased[next].options->kind);
      ++next;
    }
  }
  CHECK(next == 5000);
  CHECK(packed.size() < 8);
  CHECK(writer.take().empty());
}

TEST_CASE("tasks with options of their own are packed within the limits",
          "[protocol][codec][packing]") {
  TasksWriter writer;
  std::uint64_t count = 0;
  for (; count < 2000; ++count) writer.add(TaskId{count}, 1, options_of("http", "{}"), 1s, "x");
  writer.add(TaskId{count++}, 1, options_of("http", "{\"b\":\"" + std::string(60'000, 'x') + "\"}"),
             1s, std::string(kTargetBytesMax, 'y'));
  writer.add(TaskId{count++}, 1, options_of("http", "{}"), 1s, "last");
  std::uint64_t next = 0;
  for (const Packed& message : writer.take()) {
    const auto decoded = decode(message.text);
    if (!decoded) FAIL(decoded.error().message());
    for (const Tasks::Item& item : std::get<Tasks>(*decoded).tasks)
      CHECK(item.task.value == next++);
    CHECK((message.text.size() <= kMessageBytesTarget || message.items == 1));
  }
  CHECK(next == count);
  CHECK(writer.take().empty());
}

TEST_CASE("a tasks message can say how long it waited", "[protocol][codec]") {
  TasksWriter writer;
  writer.add(TaskId{1}, 1, options_of("http", ""), 10s, "x");
  std::string text = writer.take().front().text;
  append_waited(text, 250ms);
  const auto decoded = decode(text);
  REQUIRE(decoded);
  CHECK(std::get<Tasks>(*decoded).waited == 250ms);
}

TEST_CASE("every message with any one byte changed is decoded or refused, never more",
          "[protocol][codec]") {
  Tasks tasks;
  tasks.options = {options_of("http", R"({"a":[1]})")};
  tasks.tasks = {{TaskId{1}, 1, 0, 1s, "t"}};
  Results results;
  results.items = {{TaskId{1}, 1, std::nullopt, R"({"a":1})"},
                   {TaskId{2}, 1, Returned::expired, ""}};
  Hello hello;
  hello.name = "a";
  hello.instance = "b";
  hello.tags = {{"k", "v"}};
  for (const Message& message : {Message{tasks}, Message{results}, Message{hello}}) {
    const std::string text = text_of(message);
    for (std::size_t i = 0; i < text.size(); ++i) {
      CHECK_FALSE(decode(text.substr(0, i)));
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = text;
        changed[i] = static_cast<char>(byte);
        const auto decoded = decode(changed);
        if (decoded && std::holds_alternative<Tasks>(*decoded)) {
          for (const auto& item : std::get<Tasks>(*decoded).tasks)
            if (item.options >= std::get<Tasks>(*decoded).options.size()) FAIL("index not checked");
        }
      }
    }
  }
}

TEST_CASE("a close text carries how long to stay away", "[protocol][codec]") {
  CHECK(close_text("draining", 5s) == "draining retry_after=5");
  CHECK(close_text("draining", 0s) == "draining");
  CHECK(retry_after_of("draining retry_after=5") == 5s);
  CHECK(retry_after_of("draining") == 0s);
  CHECK(retry_after_of("x retry_after=") == 0s);
  CHECK(retry_after_of("x retry_after=-4") == 0s);
  CHECK(retry_after_of("x retry_after=5 ") == 0s);
  CHECK(retry_after_of("x retry_after=4294967295") == 24h);
  const std::string cut = close_text(std::string(200, 'a'), 5s);
  CHECK(cut.size() == 123);
  CHECK(retry_after_of(cut) == 5s);
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\xc3\xa9";
  CHECK(close_text(accents, 0s).size() == 122);
}

namespace {

// The blocks marked as JSON, one text each.
std::vector<std::string> examples_of(std::istream& page) {
  std::vector<std::string> examples;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```json") {
      inside = true;
      examples.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      examples.back() += line + "\n";
    }
  }
  return examples;
}

std::string without_space(const std::string& json) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') quoted = !quoted;  // the examples have no escapes
    if (quoted || (json[i] != ' ' && json[i] != '\n')) out += json[i];
  }
  return out;
}

}  // namespace

TEST_CASE("each example of docs/protocol.md is decoded, and written back as it stands",
          "[protocol][codec][docs]") {
  std::ifstream page{std::string{PROBEKIT_SOURCE_DIR} + "/docs/protocol.md"};
  REQUIRE(page);
  std::set<std::size_t> kinds;
  for (const std::string& example : examples_of(page)) {
    INFO(example);
    const auto decoded = decode(example);
    if (!decoded) FAIL(decoded.error().message());
    kinds.insert(decoded->index());
    if (std::holds_alternative<Ignored>(*decoded)) continue;
    CHECK(without_space(text_of(*decoded)) == without_space(example));
  }
  CHECK(kinds.size() == std::variant_size_v<Message>);
}

}  // namespace probekit::protocol
