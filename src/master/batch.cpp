// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <string>
#include <utility>

#include "master/await.hpp"
#include "master/master_core.hpp"
#include "master/result_reading.hpp"
#include "master/upload.hpp"
#include "probekit/master.hpp"

namespace probekit {

// -- Batch ----------------------------------------------------------------------------------------

Batch::Batch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Batch::id() const noexcept { return impl_->id; }

Expected<BatchSnapshot> Batch::info() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->batch(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

Ledger Batch::ledger() const {
  const auto view = info();
  return view ? view->ledger : Ledger{};
}

Expected<BatchSnapshot> Batch::cancel() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->cancel(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

Expected<std::uint64_t> Batch::add(const BatchRequest& request) const {
  auto upload = extend(request);
  if (!upload) return upload.error();
  const auto filled = upload->impl_->fill(request);
  if (!filled) return filled.error();
  const auto committed = upload->commit(0);
  if (!committed) return committed.error();
  return upload->accepted();
}

Expected<Upload> Batch::extend(const BatchRequest& request) const {
  auto inside = Upload::Impl::start(impl_->core, request, impl_->batch);
  if (!inside) return inside.error();
  return Upload{std::move(*inside)};
}

Expected<BatchSnapshot> Batch::close() const {
  auto view = await<BatchView>(
      [&](auto done) { impl_->core->store->close_batch(impl_->batch, std::move(done)); });
  if (!view) return view.error();
  return std::move(view->info);
}

namespace {

ResultSource source_of(const std::shared_ptr<MasterCore>& core, BatchId batch) {
  return {batch,
          [core, batch](const std::string& after, std::size_t limit, Completion<ResultPage> done) {
            ResultQuery query;
            query.batch = batch;
            query.after = after;
            query.limit = limit;
            core->store->results(std::move(query), std::move(done));
          }};
}

}  // namespace

void Batch::read_results(std::string after, std::size_t limit, std::chrono::milliseconds wait,
                         std::function<void(Expected<ResultPage>)> done) const {
  read_when_there(impl_->core, source_of(impl_->core, impl_->batch), std::move(after), limit, wait,
                  std::move(done));
}

ResultRange Batch::results() const {
  return ResultRange::over(impl_->core, source_of(impl_->core, impl_->batch));
}

}  // namespace probekit
