// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/dns_prober.hpp>

int main() { return probekit::make_dns_prober()->kind().name == "dns" ? 0 : 1; }
