// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// A transport around another one, described in docs/writing_a_transport.md: every message that
// passes is shown to a function, and the function may break the connection.

#include <functional>
#include <memory>
#include <probekit/transport.hpp>
#include <string_view>

namespace examples {

enum class Way { sent, received };
/// Called on the loop's thread; false: the connection is aborted there and then.
using Tap = std::function<bool(Way way, std::string_view message)>;

std::unique_ptr<probekit::Listener> tapped(std::unique_ptr<probekit::Listener> listener, Tap tap);
std::unique_ptr<probekit::Connector> tapped(std::unique_ptr<probekit::Connector> connector,
                                            Tap tap);

}  // namespace examples
