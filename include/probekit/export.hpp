// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// PROBEKIT_EXPORT marks what a shared build exports; everything else is hidden. It is the
/// library's only macro and means nothing in a static build.

#if defined(PROBEKIT_SHARED)
#if defined(PROBEKIT_BUILDING)
#define PROBEKIT_EXPORT __attribute__((visibility("default")))
#else
#define PROBEKIT_EXPORT
#endif
#else
#define PROBEKIT_EXPORT
#endif
