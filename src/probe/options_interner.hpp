// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Equal options become one object, as far back as the last kMax different ones. One thread.

#include <cstddef>
#include <memory>
#include <unordered_map>

#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {

class PROBEKIT_EXPORT OptionsInterner {
 public:
  static constexpr std::size_t kMax = 1024;
  std::shared_ptr<const ProbeOptions> intern(ProbeOptions&& options);

 private:
  std::shared_ptr<const ProbeOptions> last_;
  std::unordered_multimap<std::size_t, std::shared_ptr<const ProbeOptions>> known_;
};

}  // namespace probekit
