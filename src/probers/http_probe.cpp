// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probers/http_probe.hpp"

#include <algorithm>
#include <chrono>

namespace probekit {
namespace {

constexpr const char* kPhaseNames[kHttpStages] = {"dns_us",  "connect_us",    "tls_us",
                                                  "send_us", "first_byte_us", "receive_us"};
constexpr std::string_view kPhrases[kHttpStages] = {
    "while resolving the name",         "while connecting",
    "during the TLS handshake",         "while sending the request",
    "while waiting for the first byte", "while receiving the response"};
constexpr std::size_t kTextBytesMax = 200;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::string_view to_phrase(HttpStage stage) noexcept {
  return kPhrases[static_cast<std::size_t>(stage)];
}

void HttpHopTimes::enter(HttpStage stage, SteadyTime when) noexcept {
  if (entered_ != 0 && stage <= stage_) return;
  entered_ |= 1U << static_cast<unsigned>(stage);
  when_[static_cast<std::size_t>(stage)] = when;
  stage_ = stage;
}

std::vector<Phase> HttpHopTimes::phases(SteadyTime end) const {
  std::vector<Phase> out;
  out.reserve(kHttpStages);
  // In whole microseconds since the first stage, so that what is cut off does not add up.
  SteadyTime first{};
  std::chrono::microseconds before{0};
  for (std::size_t i = 0; i < kHttpStages; ++i) {
    if (!has(static_cast<HttpStage>(i))) continue;
    if (out.empty()) first = when_[i];
    SteadyTime until = end;
    for (std::size_t next = i + 1; next < kHttpStages; ++next) {
      if (!has(static_cast<HttpStage>(next))) continue;
      until = when_[next];
      break;
    }
    const auto so_far =
        std::max(before, std::chrono::duration_cast<std::chrono::microseconds>(until - first));
    out.push_back({kPhaseNames[i], so_far - before});
    before = so_far;
  }
  return out;
}

bool is_redirect(int status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string_view location_of(std::string_view header_line) noexcept {
  constexpr std::string_view kName = "location:";
  if (header_line.size() < kName.size() ||
      !std::equal(kName.begin(), kName.end(), header_line.begin(),
                  [](char a, char b) { return a == lower(b); })) {
    return {};
  }
  header_line.remove_prefix(kName.size());
  const std::size_t start = header_line.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return {};
  const std::size_t end = header_line.find_last_not_of(" \t\r\n");
  return header_line.substr(start, end - start + 1);
}

int status_of(std::string_view header_line) noexcept {
  if (header_line.substr(0, 5) != "HTTP/") return 0;
  const std::size_t space = header_line.find(' ');
  if (space == std::string_view::npos || header_line.size() < space + 4) return 0;
  int status = 0;
  for (std::size_t i = space + 1; i < space + 4; ++i) {
    if (header_line[i] < '0' || header_line[i] > '9') return 0;
    status = 10 * status + (header_line[i] - '0');
  }
  return status;
}

std::string sanitised(std::string_view text) {
  std::string out(text.substr(0, kTextBytesMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

}  // namespace probekit
