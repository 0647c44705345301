// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Owns an upload of the store until it is committed. One thread.

#include <cstdint>
#include <memory>
#include <utility>

#include "store/task_store.hpp"

namespace probekit::api {

/// An upload of the store, abandoned unless it is released.
class OpenUpload {
 public:
  OpenUpload(TaskStore& store, std::uint64_t token) : store_(store), token_(token) {}
  ~OpenUpload() {
    if (open_) store_.abandon_upload(token_);
  }
  OpenUpload(const OpenUpload&) = delete;
  OpenUpload& operator=(const OpenUpload&) = delete;

  std::uint64_t token() const noexcept { return token_; }
  void release() noexcept { open_ = false; }

  /// A completion for TaskStore::open_upload(): whoever does not take the upload abandons it.
  static Completion<std::uint64_t> into(TaskStore& store,
                                        Completion<std::shared_ptr<OpenUpload>> done) {
    return [&store, done = std::move(done)](Expected<std::uint64_t> token) {
      if (!token) return done(token.error());
      done(std::make_shared<OpenUpload>(store, *token));
    };
  }

 private:
  TaskStore& store_;
  std::uint64_t token_;
  bool open_ = true;
};

}  // namespace probekit::api
