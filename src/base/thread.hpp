// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How probekit starts its threads: named, and with all signals blocked, so that the host's signal
/// handlers run on the host's threads.

#include <functional>
#include <string>
#include <thread>

#include "probekit/export.hpp"

namespace probekit {

/// `name` is cut to 15 bytes (pthread_setname_np(3)). Throws std::system_error when the system
/// has no room for a thread.
PROBEKIT_EXPORT std::thread start_thread(const std::string& name, std::function<void()> body);

}  // namespace probekit
