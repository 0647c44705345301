// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// In a file of its own: a program with another main may use the support library.

namespace probekit::test {
int run_tests(int argc, char** argv);
}

int main(int argc, char** argv) { return probekit::test::run_tests(argc, argv); }
