// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <rapidjson/document.h>
#include <asio.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <probekit/probekit.hpp>

namespace {

// The host's own loop takes probekit's notifications.
class AsioExecutor final : public probekit::Executor {
 public:
  explicit AsioExecutor(asio::io_context& context) : context_(context) {}
  void post(std::function<void()> function) override { asio::post(context_, std::move(function)); }

 private:
  asio::io_context& context_;
};

}  // namespace

int main() {
  asio::io_context context;
  const auto guard = asio::make_work_guard(context);
  probekit::ProbeExecutorOptions options;
  options.address_policy.allow("127.0.0.0/8");
  options.executor = std::make_shared<AsioExecutor>(context);
  probekit::ProbeExecutor executor{options};
  executor.add(probekit::make_http_prober());
  executor.start();
  probekit::ProbeSpec spec;
  spec.target = "http://127.0.0.1:1/";
  bool right = false;
  const auto submitted = executor.submit(spec, [&](const probekit::TaskResult& result) {
    rapidjson::Document document;
    document.Parse(to_json(spec, result).c_str());
    right = document.IsObject() && document["verdict"] == "failed";
    context.stop();
  });
  if (!submitted) return 2;
  context.run_for(std::chrono::seconds{20});
  return right ? 0 : 1;
}
