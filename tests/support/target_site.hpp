// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Many targets at little cost: one thread that answers `/ok`, `/delay/MILLISECONDS`,
/// `/status/CODE` and never answers `/hang`. Query strings are ignored, so each target can be
/// another.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace probekit::test {

class TargetSite {
 public:
  TargetSite();
  ~TargetSite();
  TargetSite(const TargetSite&) = delete;
  TargetSite& operator=(const TargetSite&) = delete;

  /// "http://127.0.0.1:PORT" + path
  std::string url(const std::string& path) const;
  std::uint16_t port() const noexcept;
  std::uint64_t requests() const noexcept;
  /// How many URLs were asked for more than once.
  std::size_t asked_again() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit::test
