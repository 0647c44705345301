// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The io_context under an EventLoop, for this library's own transports: sockets created on it
/// have their handlers run on the loop's thread.

#include <asio/io_context.hpp>

#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Lives as long as the loop. What a handler throws is caught, counted and logged as the loop's
/// own functions are.
PROBEKIT_EXPORT asio::io_context& asio_context(EventLoop& loop) noexcept;

}  // namespace probekit
