// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "support/failing_vfs_sqlite.hpp"

#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

namespace probekit::test {
namespace {

std::atomic<int> fault_now{0};
std::atomic<int> standing_reads{0};
std::mutex told_mutex;  // of what wakes those
std::condition_variable told;

bool fault_is(FailingVfs::Fault fault) { return fault_now.load() == static_cast<int>(fault); }

void stand() {
  std::unique_lock<std::mutex> lock(told_mutex);
  ++standing_reads;
  told.wait(lock, [] { return !fault_is(FailingVfs::Fault::standing); });
  --standing_reads;
}

// The real file follows in the same memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* real_of(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real(); }

template <class Do>
int pass(sqlite3_file* file, Do call) {
  sqlite3_file* const real = real_of(file);
  return call(real, real->pMethods);
}

int close_file(sqlite3_file* file) {
  return pass(file, [](auto* real, auto* m) { return m->xClose(real); });
}
int read_file(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  if (fault_is(FailingVfs::Fault::standing)) stand();
  const int code = pass(file, [&](auto* real, auto* m) { return m->xRead(real, to, count, at); });
  if (code == SQLITE_OK && fault_is(FailingVfs::Fault::corrupted)) {
    std::memset(to, 0x5A, static_cast<std::size_t>(count));
  }
  return code;
}
int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  if (fault_is(FailingVfs::Fault::full)) return SQLITE_FULL;
  return pass(file, [&](auto* real, auto* m) { return m->xWrite(real, from, count, at); });
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  return pass(file, [&](auto* real, auto* m) { return m->xTruncate(real, size); });
}
int sync_file(sqlite3_file* file, int flags) {
  if (fault_is(FailingVfs::Fault::sync)) return SQLITE_IOERR_FSYNC;
  return pass(file, [&](auto* real, auto* m) { return m->xSync(real, flags); });
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return pass(file, [&](auto* real, auto* m) { return m->xFileSize(real, size); });
}
int lock_file(sqlite3_file* file, int level) {
  return pass(file, [&](auto* real, auto* m) { return m->xLock(real, level); });
}
int unlock_file(sqlite3_file* file, int level) {
  return pass(file, [&](auto* real, auto* m) { return m->xUnlock(real, level); });
}
int is_reserved(sqlite3_file* file, int* held) {
  return pass(file, [&](auto* real, auto* m) { return m->xCheckReservedLock(real, held); });
}
int control(sqlite3_file* file, int what, void* argument) {
  return pass(file, [&](auto* real, auto* m) { return m->xFileControl(real, what, argument); });
}
int sector_size(sqlite3_file* file) {
  return pass(file, [](auto* real, auto* m) { return m->xSectorSize(real); });
}
int characteristics(sqlite3_file* file) {
  return pass(file, [](auto* real, auto* m) { return m->xDeviceCharacteristics(real); });
}
int map_shared(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return pass(file,
              [&](auto* real, auto* m) { return m->xShmMap(real, page, size, extend, memory); });
}
int lock_shared(sqlite3_file* file, int from, int count, int flags) {
  return pass(file, [&](auto* real, auto* m) { return m->xShmLock(real, from, count, flags); });
}
void shared_barrier(sqlite3_file* file) {
  sqlite3_file* const real = real_of(file);
  real->pMethods->xShmBarrier(real);
}
int unmap_shared(sqlite3_file* file, int remove) {
  return pass(file, [&](auto* real, auto* m) { return m->xShmUnmap(real, remove); });
}

const sqlite3_io_methods methods = {2,
                                    close_file,
                                    read_file,
                                    write_file,
                                    truncate_file,
                                    sync_file,
                                    file_size,
                                    lock_file,
                                    unlock_file,
                                    is_reserved,
                                    control,
                                    sector_size,
                                    characteristics,
                                    map_shared,
                                    lock_shared,
                                    shared_barrier,
                                    unmap_shared,
                                    nullptr,
                                    nullptr};

sqlite3_vfs* usual() { return sqlite3_vfs_find(nullptr); }

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  const int code = usual()->xOpen(usual(), name, real_of(file), flags, out);
  if (real_of(file)->pMethods != nullptr) file->pMethods = &methods;
  return code;
}

sqlite3_vfs& vfs() {
  static sqlite3_vfs made = [] {
    sqlite3_vfs copy = *usual();
    copy.zName = "probekit-failing";
    copy.szOsFile += static_cast<int>(sizeof(File));
    copy.xOpen = open_file;
    copy.pNext = nullptr;
    return copy;
  }();
  return made;
}

}  // namespace

FailingVfs::FailingVfs() {
  fault_now = 0;
  sqlite3_initialize();
  sqlite3_vfs_register(&vfs(), 0);
}

FailingVfs::~FailingVfs() { sqlite3_vfs_unregister(&vfs()); }

std::string FailingVfs::name() const { return vfs().zName; }

void FailingVfs::fail_with(Fault fault) {
  {
    const std::lock_guard<std::mutex> lock(told_mutex);
    fault_now = static_cast<int>(fault);
  }
  told.notify_all();
}

bool FailingVfs::stands() const { return standing_reads > 0; }

}  // namespace probekit::test
