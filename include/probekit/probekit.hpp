// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Everything, for programs that do not count headers.

#include "probekit/address_policy.hpp"
#include "probekit/agent.hpp"
#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/dns_prober.hpp"
#include "probekit/error.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/executor.hpp"
#include "probekit/export.hpp"
#include "probekit/http_api.hpp"
#include "probekit/http_prober.hpp"
#include "probekit/log.hpp"
#include "probekit/master.hpp"
#include "probekit/probe_executor.hpp"
#include "probekit/probe_module.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/prober.hpp"
#include "probekit/stores.hpp"
#include "probekit/task.hpp"
#include "probekit/task_queue.hpp"
#include "probekit/token_set.hpp"
#include "probekit/transport.hpp"
#include "probekit/version.hpp"
#include "probekit/websocket.hpp"
