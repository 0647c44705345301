// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the calls that accept work share: a body that is read in pieces, and the Idempotency-Key
/// under which a repeat of the request gets the first one's answer. Everything on the API's thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/answers.hpp"
#include "api/open_upload.hpp"

namespace probekit::api {

/// What tells bodies apart: a chain of SHA-256 over blocks, each with the digest of what is in
/// front of it. However the bytes come in pieces, it is the same.
class BodyDigest {
 public:
  void add(std::string_view bytes);
  /// In hexadecimal. Nothing is added after it.
  std::string finish();

 private:
  static constexpr std::size_t kBlockBytes = 16 * 1024;

  std::string block_;
};

/// A key that is ours until it is settled, or given back.
class KeyClaim {
 public:
  KeyClaim(TaskStore& store, IdempotencyKey key) : store_(store), key_(std::move(key)) {}
  ~KeyClaim() {
    if (held_) store_.release_key(key_);
  }
  KeyClaim(const KeyClaim&) = delete;
  KeyClaim& operator=(const KeyClaim&) = delete;

  const IdempotencyKey& key() const noexcept { return key_; }
  /// The store has the answer to it.
  void settle() noexcept { held_ = false; }

 private:
  TaskStore& store_;
  IdempotencyKey key_;
  bool held_ = true;
};

/// The key a request carries, if any. *Errors*: invalid_argument.
Expected<std::optional<IdempotencyKey>> read_idempotency_key(const Arrival& arrival);

/// A request for work. Its body is taken by whoever derives from it, unless its key was used
/// before: then it is only compared.
class WorkAnswer : public ApiAnswer {
 public:
  /// `request` is the one `key` came with.
  WorkAnswer(ApiContext& context, Exchange& exchange, const HttpRequest& request,
             std::optional<IdempotencyKey> key);
  ~WorkAnswer() override;

  /// Once, right after it was made.
  void begin();
  std::size_t on_body(std::string_view bytes) final;
  void on_body_end() final;

 protected:
  /// It is new work.
  virtual void start() = 0;
  /// As Answer::on_body() and on_body_end(), after start().
  virtual std::size_t take(std::string_view bytes) = 0;
  virtual void take_end() = 0;
  /// So many bytes of the body came and were used, or compared.
  virtual void came(std::size_t) {}
  /// It was answered before, with a commit of this batch.
  virtual void answer_again(BatchId batch, const std::string& answer) = 0;

  /// After take_end(): commits the upload, and with it the answer to the key, if there is one.
  void commit(OpenUpload& upload, std::uint64_t rejected, std::string answer,
              Completion<BatchView> done);
  /// Before the response: who repeats a request that failed starts anew.
  void on_respond() override;

 private:
  struct Claimed {
    KeyState state;
    std::shared_ptr<KeyClaim> claim;  // when the state is `claimed`
  };
  enum class Stage : std::uint8_t { claiming, working, comparing };

  void on_claimed(Claimed claimed);
  void compare();

  std::optional<IdempotencyKey> key_;
  BodyDigest digest_;
  std::shared_ptr<KeyClaim> claim_;
  KeyState first_;
  Stage stage_ = Stage::claiming;
  bool waiting_ = false;  // on_body() took nothing before the claim was answered
  bool ended_ = false;
  bool listed_ = false;  // in ApiContext::running_keys
};

}  // namespace probekit::api
