// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#define CATCH_CONFIG_MAIN
#include "support/catch.hpp"
