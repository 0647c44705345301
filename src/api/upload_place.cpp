// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/upload_place.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "api/api_context.hpp"

namespace probekit::api {

UploadPlace::UploadPlace(ApiContext& context, std::function<void(const Problem& problem)> end)
    : context_(context),
      end_(std::move(end)),
      since_(context.loop.now()),
      place_(context.uploads.insert(context.uploads.end(), this)) {}

UploadPlace::~UploadPlace() { context_.uploads.erase(place_); }

void UploadPlace::moved(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ >= kBytesMin) go_on();
}

void UploadPlace::go_on() {
  bytes_ = 0;
  since_ = context_.loop.now();
}

std::optional<Problem> UploadPlace::none_left(ApiContext& context) {
  const std::size_t max = context.options.uploads_max;
  if (context.uploads.size() < max) return std::nullopt;
  const SteadyTime now = context.loop.now();
  const auto slow =
      std::find_if(context.uploads.begin(), context.uploads.end(), [&](const UploadPlace* place) {
        return place->since_ && now - *place->since_ >= context.options.idle_timeout;
      });
  if (slow == context.uploads.end()) {
    return problem(
        Error(errc::limit_reached,
              std::to_string(max) + " uploads are running already; try again when one ended"));
  }
  // A copy: the place goes, and the function with it.
  const auto end = (*slow)->end_;
  end(problem(408, "the upload came too slowly, and its place was needed; nothing was accepted"));
  return std::nullopt;
}

}  // namespace probekit::api
