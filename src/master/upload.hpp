// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The inside of an Upload: checks targets, shares their options, and gives them to the store in
/// slices.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "master/master_core.hpp"
#include "probe/options_interner.hpp"
#include "probe/selector.hpp"
#include "probekit/master.hpp"
#include "store/task_slice.hpp"

namespace probekit {

struct Upload::Impl {
  /// Opens one: of a new batch, or into this one. *Errors*: invalid_argument, closed, draining, and
  /// the store's.
  static Expected<std::unique_ptr<Impl>> start(const std::shared_ptr<MasterCore>& core,
                                               const BatchRequest& request,
                                               std::optional<BatchId> into);
  /// The selector is complete.
  Impl(std::shared_ptr<MasterCore> given_core, const ProbeOptions& options, Selector agents);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// The request's targets and specs. *Errors*: as add(), naming which.
  Expected<void> fill(const BatchRequest& request);
  Expected<void> add(std::string_view target);
  Expected<void> add(ProbeSpec spec, const Selector& selector);
  Expected<BatchView> commit(std::uint64_t rejected);
  void abandon();

  Expected<void> put(std::string_view target, const std::shared_ptr<const ProbeOptions>& shared,
                     const Selector& selector);
  Expected<void> flush();

  std::shared_ptr<MasterCore> core;
  ProbeOptions options;
  Selector agents;
  Selector given;      // the last one of a spec
  Selector completed;  // and what became of it
  SelectorInterner selectors;
  std::unordered_map<const ProbeKind*, std::shared_ptr<const ProbeOptions>> by_kind;
  OptionsInterner interner;

  std::uint64_t upload = 0;
  bool is_open = false;
  bool may_be_empty = false;
  std::uint64_t accepted = 0;
  TaskSlice slice;
  std::optional<Error> broken;  // the store refused a slice: nothing can be added
};

/// By the rules of complete_selector(). *Errors*: invalid_argument.
Expected<Selector> completed_selector(Selector selector);

}  // namespace probekit
