// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

namespace probekit::test {

int run_tests(int argc, char** argv) { return Catch::Session().run(argc, argv); }

}  // namespace probekit::test
