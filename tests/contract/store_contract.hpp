// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What every store promises, whatever stands behind it: run over each of them.

#include <functional>
#include <memory>

#include "probekit/stores.hpp"

namespace probekit::test {

using MakeStore = std::function<std::shared_ptr<TaskStore>(const StoreOptions&)>;

/// Call it as the only statement of a TEST_CASE: it is made of sections, each with a store of its
/// own. The options carry a clock that only the contract moves.
void check_store_contract(const MakeStore& make);

}  // namespace probekit::test
