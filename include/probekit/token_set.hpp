// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Bearer tokens (RFC 6750): who may reach a master's ports. One object is shared by the master or
/// its API and by whoever replaces the tokens while they run.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// What a token entitles to.
struct TokenGrant {
  /// Tells tokens apart without telling them: 32 lower-case hexadecimal digits, for the same token
  /// the same in every process.
  std::string id;
  std::string names = "*";  ///< pattern of agents' names; `*` stands for any characters, also none

  PROBEKIT_EXPORT bool allows(std::string_view name) const noexcept;
};

/// The text of a token file: a line each `TOKEN [name pattern]`; blank lines, and those that begin
/// with `#`, count for nothing. A token is 1 to 512 characters of visible ASCII, a pattern 1 to 64
/// of `[A-Za-z0-9._*-]`. At least one token, none twice, at most 1 MiB.
///
/// Only digests are kept. All of them are compared, each to its last byte, so the time a look-up
/// takes tells how many tokens there are and nothing of any of them; and whoever guesses cannot
/// steer the digest that is compared.
///
/// *Threads*: safe to share.
class PROBEKIT_EXPORT TokenSet {
 public:
  /// Empty: nobody may come.
  TokenSet();
  ~TokenSet();
  TokenSet(const TokenSet&) = delete;
  TokenSet& operator=(const TokenSet&) = delete;

  /// Replaces all tokens. *Errors*: invalid_argument naming `source` and the line; then the old
  /// ones stay.
  Expected<void> assign(std::string_view text, const std::string& source);
  /// assign() with what a file holds. *Errors*: also that of the system when it cannot be read.
  Expected<void> load(const std::string& path);

  std::optional<TokenGrant> find(std::string_view token) const;
  std::size_t size() const;

  /// `changed` runs after each replacement, on the thread that made it, while the answer lives.
  std::shared_ptr<void> watch(std::function<void()> changed) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The token of an Authorization header's value; empty: it is none of scheme Bearer.
PROBEKIT_EXPORT std::string_view bearer_token(std::string_view authorization) noexcept;

/// 1 to 512 characters of visible ASCII.
PROBEKIT_EXPORT bool is_valid_token(std::string_view token) noexcept;

}  // namespace probekit
