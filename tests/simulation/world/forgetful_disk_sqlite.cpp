// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/forgetful_disk_sqlite.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace probekit::simulation {

namespace {

constexpr std::size_t kSector = 512;

ForgetfulDisk* plugged_in = nullptr;

void put_to(std::string& bytes, const ForgetfulDisk::Write& write) {
  if (write.is_end) {
    bytes.resize(write.at);
    return;
  }
  bytes.resize(std::max(bytes.size(), write.at + write.bytes.size()));
  bytes.replace(write.at, write.bytes.size(), write.bytes);
}

}  // namespace

// -- the disk -------------------------------------------------------------------------------------

std::shared_ptr<ForgetfulDisk::File> ForgetfulDisk::open(const std::string& name, bool create) {
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  return create ? files_[name] = std::make_shared<File>() : nullptr;
}

void ForgetfulDisk::write(File& file, std::size_t at, std::string bytes) {
  file.writes.push_back({at, std::move(bytes), false});
  put_to(file.bytes, file.writes.back());
}

void ForgetfulDisk::truncate(File& file, std::size_t size) {
  file.writes.push_back({size, {}, true});
  put_to(file.bytes, file.writes.back());
}

void ForgetfulDisk::sync(File& file) {
  if (!syncs_) return;
  file.on_disk = true;
  for (const Write& write : std::exchange(file.writes, {})) put_to(file.synced, write);
}

bool ForgetfulDisk::survives() {
  if (!powered_) return false;
  if (!calls_left_) return true;
  if (*calls_left_ > 0) {
    --*calls_left_;
    return true;
  }
  lose_power();
  return false;
}

void ForgetfulDisk::lose_power_within(std::uint64_t calls) {
  calls_left_ = world_.chance().below(calls);
}

void ForgetfulDisk::lose_power() {
  if (!powered_) return;
  world_.trace([] { return std::string{"the power goes"}; });
  powered_ = false;
  calls_left_.reset();
  ++life_;
  for (auto at = files_.begin(); at != files_.end();) {
    File& file = *at->second;
    // Each write came to the disk, or did not, or its first sectors did; in any order.
    for (Write& write : file.writes) {
      const auto fate = world_.chance().below(3);
      if (fate == 0) continue;
      if (fate == 1 && !write.is_end) {
        const std::size_t sectors = write.bytes.size() / kSector + 1;
        write.bytes.resize(std::min(write.bytes.size(), kSector * world_.chance().below(sectors)));
        if (write.bytes.empty()) continue;
      }
      put_to(file.synced, write);
    }
    if (!file.on_disk && world_.chance().one_in(2)) {
      at = files_.erase(at);
      continue;
    }
    const auto after = std::make_shared<File>();
    after->bytes = after->synced = std::move(file.synced);
    after->on_disk = true;
    at->second = after;
    ++at;
  }
}

// -- what SQLite calls ----------------------------------------------------------------------------

namespace {

struct OpenFile {
  sqlite3_file base;  // first
  std::shared_ptr<ForgetfulDisk::File> file;
  std::uint64_t life = 0;
};

OpenFile& self(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

bool is_alive(const OpenFile& file) {
  return plugged_in != nullptr && plugged_in->has_power() && file.life == plugged_in->life();
}

int close_file(sqlite3_file* file) {
  self(file).file.~shared_ptr();
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  const OpenFile& one = self(file);
  if (!is_alive(one)) return SQLITE_IOERR_READ;
  const std::string& bytes = one.file->bytes;
  const auto from = std::min(static_cast<std::size_t>(at), bytes.size());
  const auto got = std::min(static_cast<std::size_t>(count), bytes.size() - from);
  std::memcpy(to, bytes.data() + from, got);
  if (got == static_cast<std::size_t>(count)) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + got, 0, static_cast<std::size_t>(count) - got);
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  const OpenFile& one = self(file);
  if (!is_alive(one)) return SQLITE_IOERR_WRITE;
  plugged_in->write(*one.file, static_cast<std::size_t>(at),
                    std::string{static_cast<const char*>(from), static_cast<std::size_t>(count)});
  return plugged_in->survives() ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  const OpenFile& one = self(file);
  if (!is_alive(one)) return SQLITE_IOERR_TRUNCATE;
  plugged_in->truncate(*one.file, static_cast<std::size_t>(size));
  return plugged_in->survives() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync_file(sqlite3_file* file, int) {
  const OpenFile& one = self(file);
  if (!is_alive(one) || !plugged_in->survives()) return SQLITE_IOERR_FSYNC;
  plugged_in->sync(*one.file);
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(self(file).file->bytes.size());
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) { return SQLITE_OK; }  // one process, one connection

int check_lock(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return static_cast<int>(kSector); }
int characteristics(sqlite3_file*) { return 0; }

int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** to) {
  auto& shared = self(file).file->shared;
  *to = nullptr;
  const auto number = static_cast<std::size_t>(region);
  if (number >= shared.size() && extend == 0) return SQLITE_OK;
  while (shared.size() <= number) {
    shared.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));  // zeros
  }
  *to = shared[number].get();
  return SQLITE_OK;
}

int lock_shared(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void barrier(sqlite3_file*) {}

int unmap_shared(sqlite3_file* file, int remove) {
  if (remove != 0) self(file).file->shared.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kFileMethods = {2,
                                         close_file,
                                         read_file,
                                         write_file,
                                         truncate_file,
                                         sync_file,
                                         size_of_file,
                                         lock_file,
                                         lock_file,
                                         check_lock,
                                         control_file,
                                         sector_size,
                                         characteristics,
                                         map_shared,
                                         lock_shared,
                                         barrier,
                                         unmap_shared,
                                         nullptr,
                                         nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* to, int flags, int* out_flags) {
  OpenFile& one = self(to);
  one.base.pMethods = nullptr;
  if (plugged_in == nullptr || !plugged_in->has_power() || name == nullptr) return SQLITE_CANTOPEN;
  auto file = plugged_in->open(name, (flags & SQLITE_OPEN_CREATE) != 0);
  if (!file) return SQLITE_CANTOPEN;
  new (&one.file) std::shared_ptr<ForgetfulDisk::File>(std::move(file));
  one.life = plugged_in->life();
  one.base.pMethods = &kFileMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* name, int) {
  if (plugged_in == nullptr || !plugged_in->has_power()) return SQLITE_IOERR_DELETE;
  if (!plugged_in->exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  plugged_in->remove(name);
  return SQLITE_OK;
}

int look_for_file(sqlite3_vfs*, const char* name, int, int* there) {
  *there = plugged_in != nullptr && plugged_in->exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* to) {
  sqlite3_snprintf(size, to, "%s", name);
  return SQLITE_OK;
}

// The log's salt, which nothing depends on.
int random_bytes(sqlite3_vfs*, int count, char* to) {
  std::memset(to, 7, static_cast<std::size_t>(count));
  return count;
}

int wait_a_while(sqlite3_vfs*, int) { return 0; }

int current_time(sqlite3_vfs*, sqlite3_int64* time) {
  *time = 212'000'000'000'000;
  return SQLITE_OK;
}
int current_day(sqlite3_vfs*, double* day) {
  *day = 2'453'703;
  return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) { return 0; }

sqlite3_vfs& vfs() {
  static sqlite3_vfs one = [] {
    sqlite3_vfs made{};
    made.iVersion = 2;
    made.szOsFile = sizeof(OpenFile);
    made.mxPathname = 256;
    made.zName = ForgetfulDisk::kVfs;
    made.xOpen = open_file;
    made.xDelete = delete_file;
    made.xAccess = look_for_file;
    made.xFullPathname = full_name;
    made.xRandomness = random_bytes;
    made.xSleep = wait_a_while;
    made.xCurrentTime = current_day;
    made.xGetLastError = last_error;
    made.xCurrentTimeInt64 = current_time;
    return made;
  }();
  return one;
}

}  // namespace

ForgetfulDisk::ForgetfulDisk(World& world) : world_(world) {
  if (plugged_in != nullptr) throw std::logic_error("ForgetfulDisk: there is another");
  static const int registered = sqlite3_vfs_register(&vfs(), 0);
  if (registered != SQLITE_OK) throw std::runtime_error("ForgetfulDisk: not registered");
  plugged_in = this;
}

ForgetfulDisk::~ForgetfulDisk() { plugged_in = nullptr; }

}  // namespace probekit::simulation
