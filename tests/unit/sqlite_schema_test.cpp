// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// How files of older versions become ones of newer, with steps that no version has yet.

#include "store/sqlite_schema.hpp"

#include <memory>
#include <string>
#include <vector>

#include "probekit/testing/manual_clock.hpp"
#include "probekit/testing/seeded_random.hpp"
#include "store/sqlite_core.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"

using namespace probekit;
using namespace probekit::store;
using Steps = std::vector<const char*>;

namespace {

constexpr const char* kNotes = R"(
CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
INSERT INTO notes VALUES (1, 'begun');
ALTER TABLE drained ADD COLUMN reason TEXT NOT NULL DEFAULT 'unknown';
)";

/// A store's file as this version leaves it, in which an agent is drained.
class StoreFile {
 public:
  StoreFile() {
    options_.clock = std::make_shared<testing::ManualClock>();
    options_.random = std::make_shared<testing::SeededRandom>(1);
    const auto core = open();
    if (!core) FAIL(core.error().message());
    (*core)->table().set_name_drained("a1", true);
    if (const auto committed = (*core)->commit({}); !committed) FAIL(committed.error().message());
  }

  Expected<std::unique_ptr<SqliteCore>> open() const {
    return SqliteCore::open({path_, {}}, options_);
  }
  Database database() const { return Database(path_, {}); }
  std::int64_t number(const std::string& sql) const { return Database(path_, {}).number(sql); }
  bool has_table(const std::string& name) const {
    return number("SELECT count(*) FROM sqlite_schema WHERE name = '" + name + "'") > 0;
  }
  std::int64_t version() const { return number("PRAGMA user_version"); }

 private:
  test::TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/store";
  StoreOptions options_;
};

Steps with(std::vector<const char*> more) {
  Steps steps = schema_steps();
  steps.insert(steps.end(), more.begin(), more.end());
  return steps;
}

std::int64_t newest() { return static_cast<std::int64_t>(schema_steps().size()); }

void check_refused(Database& database, const Steps& steps, const std::string& why) {
  try {
    prepare_schema(database, steps);
    FAIL("not refused");
  } catch (const SqlError& error) {
    INFO(error.what());
    CHECK(std::string{error.what()}.find(why) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("a store of an older version is brought up to date, and keeps what it has",
          "[store][sqlite]") {
  const StoreFile file;
  CHECK(file.version() == newest());
  {
    Database database = file.database();
    prepare_schema(database, with({kNotes}));
    CHECK_FALSE(database.in_transaction());
  }
  CHECK(file.version() == newest() + 1);
  CHECK(file.number("SELECT count(*) FROM drained WHERE name = 'a1' AND reason = 'unknown'") == 1);
  // The steps it has had are not taken again, whatever else is to come.
  Database database = file.database();
  prepare_schema(database, with({kNotes}));
  prepare_schema(database, with({kNotes, "UPDATE notes SET note = 'changed'"}));
  CHECK(file.version() == newest() + 2);
  CHECK(file.number("SELECT count(*) FROM notes WHERE note = 'changed'") == 1);
}

TEST_CASE("several versions are caught up with at once", "[store][sqlite]") {
  const test::TemporaryFolder folder;
  Database database(folder.path() + "/store", {});
  prepare_schema(database, with({kNotes, "UPDATE notes SET note = 'changed'"}));
  CHECK(database.number("PRAGMA user_version") == newest() + 2);
  CHECK(database.text("SELECT note FROM notes") == "changed");
}

TEST_CASE("a step of an upgrade that fails leaves the older version whole", "[store][sqlite]") {
  const StoreFile file;
  {
    Database database = file.database();
    // The first step is done, and half of the second, when it fails.
    check_refused(database,
                  with({kNotes, "CREATE TABLE more (id INTEGER); INSERT INTO nowhere VALUES (1);"}),
                  "nowhere");
    CHECK_FALSE(database.in_transaction());
    CHECK(database.number("PRAGMA user_version") == newest());
  }
  CHECK(file.version() == newest());
  CHECK_FALSE(file.has_table("notes"));
  CHECK_FALSE(file.has_table("more"));
  const auto core = file.open();
  REQUIRE(core);
  CHECK((*core)->table().drained_names() == std::vector<std::string>{"a1"});
}

TEST_CASE("a first version that cannot be made leaves an empty file", "[store][sqlite]") {
  const test::TemporaryFolder folder;
  Database database(folder.path() + "/store", {});
  check_refused(database, with({"INSERT INTO nowhere VALUES (1)"}), "nowhere");
  CHECK(database.number("SELECT count(*) FROM sqlite_schema") == 0);
  CHECK(database.number("PRAGMA user_version") == 0);
  CHECK(database.number("PRAGMA application_id") == 0);
  prepare_schema(database, schema_steps());
  CHECK(database.number("PRAGMA user_version") == newest());
}

TEST_CASE("a store of a newer version is refused and left as it is", "[store][sqlite]") {
  const StoreFile file;
  {
    Database database = file.database();
    prepare_schema(database, with({kNotes}));
    check_refused(database, schema_steps(),
                  "newer than this program's " + std::to_string(newest()));
  }
  CHECK(file.version() == newest() + 1);
  CHECK(file.has_table("notes"));
  const auto core = file.open();
  REQUIRE_FALSE(core);
  CHECK(core.error().message().find("use a newer probekit") != std::string::npos);
}
