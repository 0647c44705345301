// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A disk that SQLite writes to, in memory: what is written and not synced is lost when the power
/// goes, or half of it is, as chance says.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world/world.hpp"

namespace probekit::simulation {

/// One exists at a time: SQLite knows it by the name `kVfs`.
class ForgetfulDisk {
 public:
  static constexpr const char* kVfs = "probekit-forgetful";

  explicit ForgetfulDisk(World& world);
  ~ForgetfulDisk();
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;

  /// Nothing works any more until it is plugged in again; what was not synced is lost, or some of
  /// it. Files that are open are good for nothing but being closed.
  void lose_power();
  /// The same in the middle of one of the next `calls` that write or sync.
  void lose_power_within(std::uint64_t calls);
  /// It does not go, after all.
  void keep_power() { calls_left_.reset(); }
  bool has_power() const noexcept { return powered_; }
  void restore_power() { powered_ = true; }
  /// From now on a sync does nothing.
  void forget_syncs() { syncs_ = false; }

  // -- as SQLite's calls need it ----------------------------------------------------------------
  struct Write {
    std::size_t at = 0;
    std::string bytes;
    bool is_end = false;  ///< the file ends at `at` from then on
  };
  struct File {
    std::string bytes;                            ///< as a process sees it
    std::string synced;                           ///< as the disk has it
    std::vector<Write> writes;                    ///< between the two
    bool on_disk = false;                         ///< it has been synced once
    std::vector<std::unique_ptr<char[]>> shared;  ///< memory of the log's index
  };

  std::shared_ptr<File> open(const std::string& name, bool create);
  bool exists(const std::string& name) const { return files_.count(name) > 0; }
  void remove(const std::string& name) { files_.erase(name); }
  void write(File& file, std::size_t at, std::string bytes);
  void truncate(File& file, std::size_t size);
  void sync(File& file);
  /// Grows with each loss of power: files opened before are dead.
  std::uint64_t life() const noexcept { return life_; }
  /// False: the power goes in this call.
  bool survives();

 private:
  World& world_;
  std::map<std::string, std::shared_ptr<File>> files_;
  bool powered_ = true;
  bool syncs_ = true;
  std::uint64_t life_ = 1;
  std::optional<std::uint64_t> calls_left_;
};

}  // namespace probekit::simulation
