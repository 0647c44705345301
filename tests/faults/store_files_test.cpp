// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Files that a master must not begin with: one line that says why, and an end.

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "faults/small_disk.hpp"
#include "probekit/stores.hpp"
#include "store/sqlite_database_sqlite.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

/// Its exit code, and what it said.
std::pair<int, std::string> end_of_master(const std::string& path) {
  const TemporaryFolder folder;
  Process process{{program("probekit-master"), "--agents", "127.0.0.1:0", "--api", "127.0.0.1:0",
                   "--store", "sqlite:" + path},
                  folder.path()};
  const auto code = process.wait(20s);
  if (!code) FAIL("the master began");
  return {*code, process.errors()};
}

void check_refused(const std::string& path, const std::string& why) {
  const auto [code, said] = end_of_master(path);
  INFO(said);
  CHECK(code == 1);
  CHECK(said.find("--store: " + path) != std::string::npos);
  CHECK(said.find(why) != std::string::npos);
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
  const auto store = make_sqlite_store(path, {});
  REQUIRE_FALSE(store);
  CHECK(store.error().code() == errc::store_failed);
  CHECK(store.error().message().find(why) != std::string::npos);
}

void make_store(const std::string& path) {
  const auto store = make_sqlite_store(path, {});
  if (!store) FAIL(store.error().message());
}

}  // namespace

TEST_CASE("a store of a newer version is refused", "[faults][sqlite]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/store";
  make_store(path);
  store::Database(path, {}).run("PRAGMA user_version = 99");
  check_refused(path, "version 99, newer than this program's");
}

TEST_CASE("a file that is no store is refused and left as it is", "[faults][sqlite]") {
  const TemporaryFolder folder;
  const std::string text = folder.path() + "/text";
  std::ofstream(text) << std::string(10'000, 'x');
  check_refused(text, "not a database");
  std::ifstream again(text);
  CHECK(std::string{std::istreambuf_iterator<char>(again), {}} == std::string(10'000, 'x'));
  const std::string other = folder.path() + "/other";
  store::Database(other, {}).run("CREATE TABLE things (id INTEGER)");
  check_refused(other, "not a probekit store");
}

TEST_CASE("a damaged store is refused", "[faults][sqlite]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/store";
  make_store(path);
  const auto size = [&] {
    return static_cast<std::streamoff>(std::ifstream(path, std::ios::ate).tellg());
  }();
  REQUIRE(size > 8192);
  SECTION("pages full of nonsense") {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(static_cast<std::size_t>(size - 4096), '\x5A');
    file.close();
    check_refused(path, path);
  }
  SECTION("rows that contradict one another") {
    store::Database(path, {}).run(
        "INSERT INTO batches VALUES (1, 0, 'x', 0, 0, 0, 0, 0, NULL, NULL, 0, 5, 0, 0, 0, 0, 0)");
    check_refused(path, "contradicts itself");
  }
  SECTION("bytes that nobody wrote there") {
    store::Database(path, {}).run("INSERT OR REPLACE INTO meta VALUES ('totals', x'FF')");
    check_refused(path, "damaged");
  }
}

TEST_CASE("a folder that is not there, or may not be written, is refused", "[faults][sqlite]") {
  check_refused("/nowhere/at/all", "No such file or directory");
  check_refused("/proc/store", "/proc/store-lock");
}

TEST_CASE("a store on a read-only file system is refused until it may be written",
          "[faults][sqlite]") {
  const SmallDisk disk{"8m"};
  const TemporaryFolder elsewhere;
  std::string path = disk.path() + "/store";
  SECTION("a new one") {}
  SECTION("one that is there") { make_store(path); }
  SECTION("one that is there, without its lock") {
    make_store(path);
    std::filesystem::remove(path + "-lock");
  }
  SECTION("one behind a link in a folder that may be written") {
    make_store(path);
    std::filesystem::create_symlink(path, elsewhere.path() + "/link");
    path = elsewhere.path() + "/link";
  }
  disk.make_read_only();
  check_refused(path, "Read-only file system");
  disk.make_writable();
  make_store(path);
}

TEST_CASE("a store that may only be read is refused, though its folder may be written",
          "[faults][sqlite]") {
  const SmallDisk disk{"8m"};
  const std::string path = disk.path() + "/store";
  make_store(path);
  disk.make_read_only(path);
  check_refused(path, "it may not be written");
}

TEST_CASE("a second master of one file is refused, and the first goes on", "[faults][sqlite]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/store";
  MasterProcess first{{"--store", "sqlite:" + path}};
  check_refused(path, "another master uses this file");
  CHECK(first.api().get("/readyz").status == 200);
  first.kill_and_restart();
  CHECK(first.api().get("/readyz").status == 200);
  CHECK(text_at(first.api().get("/v1/status").json(), "store") == "sqlite");
}

TEST_CASE("a second master of one file under another name is refused, and the first goes on",
          "[faults][sqlite]") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() + "/real");
  const std::string file = folder.path() + "/real/store";
  const std::string link = folder.path() + "/link";
  std::string first = file;
  std::string second = link;
  SECTION("a link to the file") {
    make_store(file);
    std::filesystem::create_symlink(file, link);
  }
  SECTION("the file, had by a link that was there before it") {
    std::filesystem::create_symlink(file, link);
    first.swap(second);
  }
  SECTION("a link to a link, from where they lie") {
    std::filesystem::create_symlink("../inner", folder.path() + "/real/outer");
    std::filesystem::create_symlink("real/store", folder.path() + "/inner");
    second = folder.path() + "/real/outer";
  }
  SECTION("a link to the folder") {
    std::filesystem::create_symlink("real", link);
    second = link + "/store";
  }
  MasterProcess master{{"--store", "sqlite:" + first}};
  check_refused(second, "another master uses this file");
  CHECK(master.api().get("/readyz").status == 200);
  // What belongs to the file lies beside it.
  CHECK(std::filesystem::exists(file + "-lock"));
  CHECK_FALSE(std::filesystem::exists(link + "-lock"));
}

TEST_CASE("a link that leads to itself is refused", "[faults][sqlite]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/circle";
  std::filesystem::create_symlink("circle", path);
  check_refused(path, "unable to open database file");
}

TEST_CASE("a --store that is none is refused by name", "[faults][sqlite]") {
  for (const char* store : {"postgres:host=x", "sqlite:", "file", "sqlit:/x"}) {
    const TemporaryFolder folder;
    Process process{{program("probekit-master"), "--store", store}, folder.path()};
    CHECK(process.wait(20s) == 2);
    CHECK(process.errors().find("--store") != std::string::npos);
  }
}

}  // namespace probekit::test
