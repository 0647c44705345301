// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/arena.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace probekit::store {
namespace {

// The first block suits a batch of one task; each is as large as all before it, up to the largest.
constexpr std::size_t kBlockBytesMin = 256;
constexpr std::size_t kBlockBytesMax = 256 * 1024;

}  // namespace

std::string_view ArenaText::view() const noexcept {
  if (bytes_ == nullptr) return {};
  std::uint32_t size = 0;
  std::memcpy(&size, bytes_, sizeof size);
  return {bytes_ + sizeof size, size};
}

ArenaText Arena::add(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  char* bytes = allocate(sizeof size + text.size());
  std::memcpy(bytes, &size, sizeof size);
  if (!text.empty()) std::memcpy(bytes + sizeof size, text.data(), text.size());
  ArenaText kept;
  kept.bytes_ = bytes;
  return kept;
}

void Arena::adopt(Arena& other) {
  blocks_.insert(blocks_.end(), std::make_move_iterator(other.blocks_.begin()),
                 std::make_move_iterator(other.blocks_.end()));
  bytes_reserved_ += other.bytes_reserved_;
  other = Arena{};
}

char* Arena::allocate(std::size_t size) {
  if (size <= left_) {
    char* bytes = next_;
    next_ += size;
    left_ -= size;
    return bytes;
  }
  const std::size_t block = std::clamp(bytes_reserved_, kBlockBytesMin, kBlockBytesMax);
  const std::size_t wanted = size > block / 4 ? size : block;
  blocks_.push_back(std::unique_ptr<char[]>(new char[wanted]));
  bytes_reserved_ += wanted;
  char* bytes = blocks_.back().get();
  if (wanted - size > left_) {  // else the open block has more room than this one's rest
    next_ = bytes + size;
    left_ = wanted - size;
  }
  return bytes;
}

}  // namespace probekit::store
