// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/http_api.hpp>
#include <probekit/master.hpp>

int main() {
  probekit::Master master{probekit::make_memory_store()};
  probekit::HttpApiOptions options;
  options.port = 0;
  probekit::HttpApi api{master, options};
  return api.start() ? 0 : 1;
}
