// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/work_answer.hpp"

#include <algorithm>

#include "api/media_type.hpp"
#include "api/query.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace probekit::api {
namespace {

constexpr std::size_t kKeyBytesMax = 255;

Problem conflict(const char* detail) {
  Problem made = problem(409, detail);
  made.headers.push_back({"Retry-After", "1"});
  return made;
}

}  // namespace

void BodyDigest::add(std::string_view bytes) {
  while (!bytes.empty()) {
    if (block_.size() == kBlockBytes) {
      const Sha256 before = sha256(block_);
      block_.assign(reinterpret_cast<const char*>(before.data()), before.size());
    }
    const std::size_t taken = std::min(bytes.size(), kBlockBytes - block_.size());
    block_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
  }
}

std::string BodyDigest::finish() {
  const Sha256 digest = sha256(block_);
  std::string out;
  append_hex(out, digest.data(), digest.size());
  return out;
}

Expected<std::optional<IdempotencyKey>> read_idempotency_key(const Arrival& arrival) {
  const HttpRequest& request = arrival.request;
  const std::size_t count = request.count("Idempotency-Key");
  if (count == 0) return std::optional<IdempotencyKey>{};
  const std::string& key = *request.header("Idempotency-Key");
  const bool fine = count == 1 && !key.empty() && key.size() <= kKeyBytesMax &&
                    std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!fine) {
    return Error(errc::invalid_argument,
                 "Idempotency-Key: not one of 1 to 255 visible ASCII characters");
  }
  // The router decoded the path already: however it is written, it is the same one.
  const auto path = percent_decode(request.path(), false);
  return std::optional<IdempotencyKey>{
      IdempotencyKey{arrival.token_id + ' ' + path.value_or(""), key}};
}

WorkAnswer::WorkAnswer(ApiContext& context, Exchange& exchange, const HttpRequest& request,
                       std::optional<IdempotencyKey> key)
    : ApiAnswer(context, exchange), key_(std::move(key)) {
  if (!key_) return;
  digest_.add(media_type_of(request).value_or(""));
  digest_.add("\n");
  digest_.add(request.query());
  digest_.add("\n");
}

WorkAnswer::~WorkAnswer() { on_respond(); }

void WorkAnswer::begin() {
  if (!key_) {
    stage_ = Stage::working;
    return start();
  }
  auto done = then_value<Claimed>([this](Claimed claimed) { on_claimed(std::move(claimed)); });
  store().claim_key(*key_, [&store = store(), key = *key_, done](Expected<KeyState> state) {
    if (!state) return done(state.error());
    Claimed claimed{std::move(*state), nullptr};
    // Should nobody take it any more, it is given back here.
    if (claimed.state.kind == KeyState::Kind::claimed) {
      claimed.claim = std::make_shared<KeyClaim>(store, key);
    }
    done(std::move(claimed));
  });
}

void WorkAnswer::on_claimed(Claimed claimed) {
  const std::pair<std::string, std::string> name{key_->scope, key_->key};
  first_ = std::move(claimed.state);
  claim_ = std::move(claimed.claim);
  // What a probe's first request does after the commit, waiting, is part of it.
  if (first_.kind == KeyState::Kind::running || context().running_keys.count(name) != 0) {
    return respond(conflict("the first request with this Idempotency-Key is still running"));
  }
  if (first_.kind == KeyState::Kind::answered) {
    stage_ = Stage::comparing;
  } else {
    stage_ = Stage::working;
    listed_ = context().running_keys.insert(name).second;
    start();
  }
  if (responded()) return;
  if (std::exchange(waiting_, false)) exchange().resume_upload();
  if (ended_) on_body_end();
}

std::size_t WorkAnswer::on_body(std::string_view bytes) {
  if (stage_ == Stage::claiming) {
    waiting_ = true;
    return 0;
  }
  const std::size_t taken = stage_ == Stage::working ? take(bytes) : bytes.size();
  if (key_) digest_.add(bytes.substr(0, taken));
  came(taken);
  return taken;
}

void WorkAnswer::on_body_end() {
  ended_ = true;
  if (stage_ == Stage::working) take_end();
  if (stage_ == Stage::comparing) compare();
}

void WorkAnswer::compare() {
  if (digest_.finish() != first_.digest) {
    return respond(
        problem(422, "this Idempotency-Key came before with another body, Content-Type or query"));
  }
  answer_again(first_.batch, first_.answer);
}

void WorkAnswer::commit(OpenUpload& upload, std::uint64_t rejected, std::string answer,
                        Completion<BatchView> done) {
  std::optional<KeyAnswer> settled;
  if (claim_) settled = KeyAnswer{claim_->key(), digest_.finish(), std::move(answer)};
  upload.release();
  store().commit_upload(
      upload.token(), rejected, std::move(settled),
      [claim = std::exchange(claim_, nullptr), done = std::move(done)](Expected<BatchView> view) {
        if (claim && view) claim->settle();
        done(std::move(view));
      });
}

void WorkAnswer::on_respond() {
  claim_.reset();
  if (std::exchange(listed_, false)) context().running_keys.erase({key_->scope, key_->key});
}

}  // namespace probekit::api
