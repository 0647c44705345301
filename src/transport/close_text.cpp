// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/close_text.hpp"

#include "base/text.hpp"

namespace probekit {

namespace {
constexpr std::size_t kCloseTextMax = 123;
}

std::string close_text(std::string_view text) {
  std::string valid = to_valid_utf8(text);
  if (valid.size() <= kCloseTextMax) return valid;
  std::size_t end = kCloseTextMax;
  while (end > 0 && (static_cast<unsigned char>(valid[end]) & 0xC0U) == 0x80U) --end;
  valid.resize(end);
  return valid;
}

bool may_be_sent(CloseCode code) noexcept {
  return code != CloseCode::none && code != CloseCode::abnormal;
}

}  // namespace probekit
