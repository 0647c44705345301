// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/line_splitter.hpp"

namespace probekit::api {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kMarksBytes = kByteOrderMark.size() + 1;  // and a carriage return

}  // namespace

std::optional<NumberedLine> LineSplitter::next(std::string_view& bytes) {
  if (delivered_) {
    kept_.clear();
    delivered_ = false;
  }
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    keep(bytes);
    bytes = {};
    return std::nullopt;
  }
  const std::string_view part = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  if (kept_.empty() && !too_long_) return line(part);
  keep(part);
  delivered_ = true;
  return line(kept_);
}

std::optional<NumberedLine> LineSplitter::finish() {
  if (delivered_ || (kept_.empty() && !too_long_)) return std::nullopt;
  delivered_ = true;
  return line(kept_);
}

NumberedLine LineSplitter::line(std::string_view text) {
  ++number_;
  if (number_ == 1 && text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  const bool too_long = too_long_ || text.size() > line_bytes_max_;
  too_long_ = false;
  if (too_long) text = text.substr(0, kBeginningBytes);
  return NumberedLine{number_, text, too_long};
}

void LineSplitter::keep(std::string_view bytes) {
  if (!too_long_ && kept_.size() + bytes.size() <= line_bytes_max_ + kMarksBytes) {
    kept_.append(bytes);
    return;
  }
  // The beginning is enough, and the marks that line() takes off: so it shows the same however
  // the bytes came.
  constexpr std::size_t kBytes = kBeginningBytes + kMarksBytes;
  too_long_ = true;
  if (kept_.size() < kBytes) {
    kept_.append(bytes.substr(0, kBytes - kept_.size()));
  } else {
    kept_.resize(kBytes);
  }
}

}  // namespace probekit::api
