// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/upload.hpp"

#include <utility>

#include "base/text.hpp"
#include "master/await.hpp"

namespace probekit {

namespace {

constexpr std::size_t kBatchNameBytesMax = 256;

}  // namespace

Expected<Selector> completed_selector(Selector selector) {
  const auto fine = complete_selector(selector);
  if (fine) return selector;
  return Error{make_error_code(errc::invalid_argument), "agents: " + fine.error().message()};
}

Upload::Impl::Impl(std::shared_ptr<MasterCore> given_core, const ProbeOptions& given_options,
                   Selector given_agents)
    : core(std::move(given_core)),
      options(given_options),
      agents(std::move(given_agents)),
      given(agents),
      completed(agents),
      selectors([core = core](const Selector& selector, const std::string& kind) {
        return core->directory.resolve(selector, kind);
      }) {}

Upload::Impl::~Impl() { abandon(); }

Expected<std::unique_ptr<Upload::Impl>> Upload::Impl::start(const std::shared_ptr<MasterCore>& core,
                                                            const BatchRequest& request,
                                                            std::optional<BatchId> into) {
  const auto refuse = [](const char* what) {
    return Error{make_error_code(errc::invalid_argument), what};
  };
  if (core->stopped) return closed_error();
  if (core->draining) return Error{make_error_code(errc::draining), "the master is draining"};
  if (request.name.size() > kBatchNameBytesMax) return refuse("name: longer than 256 bytes");
  if (!is_valid_utf8(request.name)) return refuse("name: not UTF-8");
  auto agents = completed_selector(request.agents);
  if (!agents) return agents.error();
  auto inside = std::make_unique<Impl>(core, request.options, std::move(*agents));
  const auto token = await<std::uint64_t>([&](auto done) {
    if (into) return core->store->extend_batch(*into, std::move(done));
    core->store->open_upload(NewBatch{request.name, BatchOrigin::import, request.open},
                             std::move(done));
  });
  if (!token) return token.error();
  inside->upload = *token;
  inside->is_open = true;
  inside->may_be_empty = request.open && !into;
  return inside;
}

Expected<void> Upload::Impl::fill(const BatchRequest& request) {
  const auto named = [](const Error& error, const char* list, std::size_t at,
                        const std::string& target) {
    if (error.code() != errc::invalid_argument) return error;
    return Error{error.code(), std::string{list} + ' ' + std::to_string(at + 1) + " (" +
                                   to_valid_utf8(target.substr(0, 200)) + "): " + error.message()};
  };
  for (std::size_t i = 0; i < request.targets.size(); ++i) {
    const auto added = add(request.targets[i]);
    if (!added) return named(added.error(), "target", i, request.targets[i]);
  }
  for (std::size_t i = 0; i < request.specs.size(); ++i) {
    const auto added = add(request.specs[i], request.agents);
    if (!added) return named(added.error(), "spec", i, request.specs[i].target);
  }
  return {};
}

void Upload::Impl::abandon() {
  if (std::exchange(is_open, false)) core->store->abandon_upload(upload);
}

Expected<void> Upload::Impl::add(std::string_view target) {
  if (broken) return *broken;
  const ProbeKinds& kinds = core->options.kinds;
  const auto kind = check_target(target, options, kinds);
  if (!kind) return kind.error();
  std::shared_ptr<const ProbeOptions>& shared = by_kind[*kind];
  if (!shared) {
    // The options themselves are checked with the first target of each kind.
    ProbeSpec spec;
    static_cast<ProbeOptions&>(spec) = options;
    spec.target = std::string{target};
    const auto complete = complete_spec(spec, kinds);
    if (!complete) return complete.error();
    shared = interner.intern(std::move(static_cast<ProbeOptions&>(spec)));
  }
  return put(target, shared, agents);
}

Expected<void> Upload::Impl::add(ProbeSpec spec, const Selector& selector) {
  if (broken) return *broken;
  if (selector != given) {
    auto complete = completed_selector(selector);
    if (!complete) return complete.error();
    given = selector;
    completed = std::move(*complete);
  }
  const auto complete = complete_spec(spec, core->options.kinds);
  if (!complete) return complete.error();
  const std::string target = std::move(spec.target);
  return put(target, interner.intern(std::move(static_cast<ProbeOptions&>(spec))), completed);
}

Expected<void> Upload::Impl::put(std::string_view target,
                                 const std::shared_ptr<const ProbeOptions>& shared,
                                 const Selector& selector) {
  accepted += slice.add(target, shared, selectors.intern(selector, shared->kind));
  return slice.full() ? flush() : Expected<void>{};
}

Expected<void> Upload::Impl::flush() {
  if (slice.empty()) return {};
  const auto appended = await<std::uint64_t>(
      [&](auto done) { core->store->append(upload, slice.tasks(), std::move(done)); });
  slice.clear();
  if (!appended) {
    broken = appended.error();
    return *broken;
  }
  return {};
}

Expected<BatchView> Upload::Impl::commit(std::uint64_t rejected) {
  if (broken) return *broken;
  if (core->stopped) return closed_error();
  if (!is_open) return Error{make_error_code(errc::closed), "the upload has ended"};
  if (core->draining) return Error{make_error_code(errc::draining), "the master is draining"};
  if (accepted == 0 && !may_be_empty) {
    return Error{make_error_code(errc::invalid_argument), "targets: there is none to probe"};
  }
  const auto flushed = flush();
  if (!flushed) return flushed.error();
  auto view = await<BatchView>(
      [&](auto done) { core->store->commit_upload(upload, rejected, std::move(done)); });
  is_open = false;
  return view;
}

Upload::Upload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Upload::~Upload() = default;
Upload::Upload(Upload&&) noexcept = default;
Upload& Upload::operator=(Upload&&) noexcept = default;

Expected<void> Upload::add(std::string_view target) { return impl_->add(target); }
Expected<void> Upload::add(ProbeSpec spec, const Selector& agents) {
  return impl_->add(std::move(spec), agents);
}
std::uint64_t Upload::accepted() const noexcept { return impl_->accepted; }

Expected<Batch> Upload::commit(std::uint64_t rejected) {
  auto view = impl_->commit(rejected);
  if (!view) return view.error();
  auto batch = std::make_shared<Batch::Impl>();
  batch->core = impl_->core;
  batch->batch = view->id;
  batch->id = std::move(view->info.id);
  return Batch{std::move(batch)};
}

}  // namespace probekit
