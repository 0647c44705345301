// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/import_parser.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::api;

namespace {

struct Import {
  std::vector<std::string> targets;
  std::vector<Selector> agents;
  std::vector<ProbeOptions> options;
  std::set<const ProbeOptions*> objects;
  std::vector<std::shared_ptr<const ProbeOptions>> kept;
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;
  std::vector<ImportError> errors;
  std::string fault;
  std::size_t slices = 0;
};

Import import(ImportForm form, const std::string& text, std::size_t piece,
              const SpecDefaults& defaults = {}) {
  const ProbeKinds kinds;
  ImportParser parser(form, defaults, kinds, 64 * 1024,
                      [](const Selector&, const std::string& kind) {
                        Selector all;
                        all.kind = Selector::Kind::names;
                        all.names = {"one-of-" + kind, "other-of-" + kind};
                        return all;
                      });
  Import import;
  const auto empty_slice = [&] {
    for (const NewTask& task : parser.slice().tasks()) {
      import.targets.emplace_back(task.target);
      import.agents.push_back(task.agents == nullptr ? Selector{} : *task.agents);
      import.options.push_back(*task.options);
      import.objects.insert(task.options.get());
      import.kept.push_back(task.options);
    }
    parser.slice().clear();
    ++import.slices;
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    std::string_view bytes = std::string_view(text).substr(at, piece);
    while (!bytes.empty()) {
      bytes.remove_prefix(parser.feed(bytes));
      if (parser.slice().full()) empty_slice();
    }
  }
  while (!parser.finish()) empty_slice();
  empty_slice();
  import.accepted = parser.accepted();
  import.rejected = parser.rejected();
  import.errors = parser.errors();
  if (parser.fault()) import.fault = parser.fault()->message();
  return import;
}

}  // namespace

TEST_CASE("plain text is a target a line, without comments and blanks", "[api][import]") {
  const std::string text =
      "\xEF\xBB\xBF# a list\r\n\r\n  http://a.example/  \r\n\texample.com\n# more\ndns:b.example\n"
      "http://c.example/#part";
  for (const std::size_t piece : {1u, 3u, 1000u}) {
    const Import result = import(ImportForm::plain, text, piece);
    CHECK((result.targets == std::vector<std::string>{"http://a.example/", "dns:b.example",
                                                      "http://c.example/#part"}));
    CHECK(result.accepted == 3);
    CHECK(result.rejected == 1);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].line == 4);
    CHECK(result.errors[0].target == "example.com");
    CHECK(result.errors[0].detail == "target: write https://example.com/");
    CHECK(result.options[1].kind == "dns");
  }
}

TEST_CASE("targets of one kind share one options object", "[api][import]") {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += "http://h" + std::to_string(i) + ".example/\ndns:h.example\n";
  }
  const Import result = import(ImportForm::plain, text, 4096);
  CHECK(result.accepted == 10'000);
  CHECK(result.objects.size() == 2);
  CHECK(result.slices >= 10);
}

TEST_CASE("a line of NDJSON is a spec; equal options share one object", "[api][import]") {
  SpecDefaults defaults;
  defaults.options.priority = Priority::low;
  const Import result = import(ImportForm::ndjson,
                               "{\"target\":\"http://a.example/\",\"timeout_ms\":100}\n"
                               "\n"
                               "{\"target\":\"http://b.example/\",\"timeout_ms\":100}\n"
                               "{\"target\":\"http://c.example/\",\"timeout_ms\":0}\n"
                               "not json\n"
                               "\"http://d.example/\"\n"
                               "{\"target\":\"http://e.example/\",\"priority\":\"high\"}",
                               7, defaults);
  CHECK((result.targets ==
         std::vector<std::string>{"http://a.example/", "http://b.example/", "http://e.example/"}));
  CHECK(result.objects.size() == 2);
  CHECK(result.options[0].timeout == std::chrono::milliseconds(100));
  CHECK(result.options[0].priority == Priority::low);
  CHECK(result.options[2].priority == Priority::high);
  REQUIRE(result.errors.size() == 3);
  CHECK(result.errors[0].line == 4);
  CHECK(result.errors[0].target == "http://c.example/");
  CHECK(result.errors[0].detail == "timeout_ms: not an integer from 1 to 120000");
  CHECK(result.errors[1].line == 5);
  CHECK(result.errors[2].line == 6);
}

TEST_CASE("after defaults that cannot be used nothing is taken", "[api][import]") {
  const std::string text = R"({"targets":["http://a.example/"],"defaults":{"kind":5}})";
  for (const std::size_t piece : {1u, 1000u}) {
    const Import result = import(ImportForm::json, text, piece);
    CHECK(result.fault.find("defaults.kind") == 0);
    CHECK(result.accepted == 0);
    CHECK(result.targets.empty());
  }
}

TEST_CASE("a name each is a task each", "[api][import]") {
  SpecDefaults defaults;
  defaults.agents.kind = Selector::Kind::names;
  defaults.agents.names = {"a", "b"};
  const Import result =
      import(ImportForm::plain, "http://x.example/\nhttp://y.example/", 100, defaults);
  CHECK(result.accepted == 4);
  CHECK(result.agents == std::vector<Selector>(2, defaults.agents));
  CHECK((result.targets == std::vector<std::string>{"http://x.example/", "http://y.example/"}));
}

TEST_CASE("all agents are those there are for the kind of each target", "[api][import]") {
  SpecDefaults defaults;
  defaults.agents.kind = Selector::Kind::all;
  const Import result = import(
      ImportForm::plain, "http://x.example/\ndns:y.example\nhttp://z.example/", 100, defaults);
  CHECK(result.accepted == 6);
  REQUIRE(result.agents.size() == 3);
  CHECK((result.agents[0].names == std::vector<std::string>{"one-of-http", "other-of-http"}));
  CHECK((result.agents[1].names == std::vector<std::string>{"one-of-dns", "other-of-dns"}));
  CHECK(result.agents[2] == result.agents[0]);
}

TEST_CASE("the JSON form takes strings and specs, its defaults before or after them",
          "[api][import]") {
  const std::string targets =
      "\"targets\":[\"http://a.example/\",{\"target\":\"http://b.example/\",\"timeout_ms\":7},"
      "5,\"nonsense\",{\"timeout_ms\":1}]";
  const std::string defaults = "\"defaults\":{\"timeout_ms\":9,\"labels\":{\"k\":\"v\"}}";
  const std::string text =
      GENERATE_COPY("{" + defaults + "," + targets + "}", "{" + targets + "," + defaults + "}");
  const Import result = import(ImportForm::json, text, GENERATE(1U, 10U, 1000U));
  INFO(text);
  CHECK(result.fault.empty());
  CHECK((result.targets == std::vector<std::string>{"http://a.example/", "http://b.example/"}));
  REQUIRE(result.options.size() == 2);
  CHECK(result.options[0].timeout.count() == 9);
  CHECK(result.options[1].timeout.count() == 7);
  CHECK((result.options[1].labels == std::vector<Label>{{"k", "v"}}));
  REQUIRE(result.errors.size() == 3);
  CHECK(result.errors[0].line == 3);
  CHECK(result.errors[1].line == 4);
  CHECK(result.errors[2].line == 5);
}

TEST_CASE("targets that waited for their defaults leave in slices too", "[api][import]") {
  std::string text = "{\"targets\":[\"http://h.example/\"";
  for (int i = 0; i < 4999; ++i) text += ",\"http://h.example/\"";
  const std::string last = GENERATE("]}", "],\"defaults\":{\"timeout_ms\":5}}");
  const Import result = import(ImportForm::json, text + last, 4096);
  CHECK(result.accepted == 5000);
  CHECK(result.targets.size() == 5000);
  CHECK(result.slices >= 5);
  CHECK(result.options.back().timeout.count() == (last.size() > 2 ? 5 : 10'000));
}

TEST_CASE("targets before their defaults are kept, up to a limit", "[api][import]") {
  const ProbeKinds kinds;
  ImportParser parser(ImportForm::json, SpecDefaults{}, kinds, 1024, {});
  const std::string long_one = '"' + std::string(kSpecBytesMax - 2, 'x') + "\",";
  const auto feed = [&parser](std::string_view bytes) { return parser.feed(bytes); };
  feed("{\"targets\":[");
  std::size_t kept = 0;
  while (!parser.fault() && kept < 2 * ImportParser::kHeldBytesMax) {
    feed(long_one);
    kept += long_one.size();
  }
  REQUIRE(parser.fault());
  CHECK(parser.fault()->code() == errc::message_too_large);
  CHECK(kept > ImportParser::kHeldBytesMax);
  CHECK(kept < ImportParser::kHeldBytesMax + 2 * long_one.size());
}

TEST_CASE("a JSON body that is broken as a whole is a fault, not an error of a line",
          "[api][import]") {
  CHECK(import(ImportForm::json, "{\"targets\":[\"http://a.example/\"", 5).fault ==
        "the body ends before its JSON does (at byte 31)");
  CHECK(import(ImportForm::json, "{\"defaults\":{\"timeout_ms\":-1},\"targets\":[]}", 5).fault ==
        "defaults.timeout_ms: not an integer from 1 to 120000");
  CHECK(import(ImportForm::json, "{\"defaults\":{]},\"targets\":[]}", 5)
            .fault.rfind("defaults: ", 0) == 0);
}

TEST_CASE("hostile lines are rejected one by one", "[api][import]") {
  std::string text = "http://first.example/\n";
  text += std::string(1'000'000, 'x') + "\n";                  // beyond the limit
  text += "http://a.example/\xFF\xFE\n";                       // no UTF-8
  text += "http://user:secret@a.example/\n";                   // a password
  text += std::string("http://a.example/\0b", 18) + "\n";      // U+0000
  text += "http://" + std::string(9000, 'a') + ".example/\n";  // beyond 8 KiB
  text += "http://last.example/\n";
  const Import result = import(ImportForm::plain, text, 4096);
  CHECK((result.targets ==
         std::vector<std::string>{"http://first.example/", "http://last.example/"}));
  CHECK(result.rejected == 5);
  REQUIRE(result.errors.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(result.errors[i].line == i + 2);
    CHECK(result.errors[i].target.size() <= kTargetBytesMax + 16);
    CHECK(result.errors[i].target.find("secret") == std::string::npos);
  }
  CHECK(result.errors[2].target == "http://***@a.example/");

  const std::string specs = "{\"target\":\"http://a.example/\",\"timeout_ms\":0." +
                            std::string(30, '0') + "1e-2147483639}\n" + std::string(60'000, '[') +
                            "\n" +
                            "{\"target\":\"http://a.example/\xC3\"}\n"
                            "{\"target\":\"http://ok.example/\"}\n";
  const Import nested = import(ImportForm::ndjson, specs, 4096);
  CHECK((nested.targets == std::vector<std::string>{"http://ok.example/"}));
  CHECK(nested.rejected == 3);
}

TEST_CASE("only the first hundred errors are kept, all are counted", "[api][import]") {
  std::string text;
  for (int i = 0; i < 250; ++i) text += "nonsense\n";
  const Import result = import(ImportForm::plain, text, 4096);
  CHECK(result.rejected == 250);
  CHECK(result.errors.size() == 100);
  CHECK(result.errors.back().line == 100);
}
