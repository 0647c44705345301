// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/master.hpp>
#include <probekit/stores.hpp>

int main() {
  const auto store = probekit::make_sqlite_store("consumer.store", {});
  if (!store) return 1;
  const probekit::Master master{*store};
  return 0;
}
