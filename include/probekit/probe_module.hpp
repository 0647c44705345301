// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Modules of `GET /probe`: named ways to probe and to judge, for scrape configurations written for
/// Prometheus's blackbox_exporter. Plain values; distinct objects are independent.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {

struct ProbeModule {
  std::string name;  ///< `[A-Za-z0-9._-]{1,64}`
  /// Kind, labels, priority and section of each probe. Its timeout and deadline are not used.
  ProbeOptions options = [] {
    ProbeOptions defaults;
    defaults.kind = "http";
    defaults.priority = Priority::high;
    return defaults;
  }();
  /// 1 ms to kTimeoutMax; never more than the scraper leaves. Empty: all it leaves, or
  /// kTimeoutDefault when it does not say.
  std::optional<std::chrono::milliseconds> timeout;

  // http
  std::vector<int> valid_status_codes;  ///< of the last hop, 100 to 599; empty: 200 to 299
  bool fail_if_ssl = false;             ///< the last hop used TLS
  bool fail_if_not_ssl = false;

  // dns
  /// What is asked; the target then is the server, `IP[:PORT]`. Empty: the target is the question,
  /// `NAME[/TYPE][@SERVER[:PORT]]`, with or without `dns:` before it.
  std::string query_name;
  std::string query_type;                 ///< with query_name, "A" or another of dns targets
  std::vector<std::string> valid_rcodes;  ///< upper case; empty: NOERROR
};

/// `http_2xx`, and `dns` without query_name; those of the same name replace them.
PROBEKIT_EXPORT std::vector<ProbeModule> builtin_probe_modules();

/// Reads `{"NAME":{"prober":"http","timeout_ms":5000,"labels":{},"priority":"high",
/// "http":{"valid_status_codes":[200],"fail_if_ssl":false,"fail_if_not_ssl":false}},
/// "NAME":{"prober":"dns","dns":{"query_name":"example.com","query_type":"A",
/// "valid_rcodes":["NOERROR"]}}}`: at most 256, each field but `prober` optional (`query_type` goes
/// with `query_name`). What else stands in a section is the kind's. *Errors*: invalid_argument,
/// with the field's path.
PROBEKIT_EXPORT Expected<std::vector<ProbeModule>> parse_probe_modules(std::string_view json,
                                                                       const ProbeKinds& kinds);

}  // namespace probekit
