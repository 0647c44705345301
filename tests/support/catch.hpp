// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The only place where the test framework is included, so that another version of it is one line.

#include <catch2/catch.hpp>  // IWYU pragma: export
