// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

#include "probekit/clock.hpp"

namespace probekit {
namespace {

constexpr std::size_t kBlockBytes = 4096;

void fill_from_kernel(unsigned char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t got = getrandom(bytes, count, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::system_category(), "getrandom");
    }
    bytes += got;
    count -= static_cast<std::size_t>(got);
  }
}

// Reads ahead, because a masking key of 4 bytes a frame must not cost a system call each. Bytes
// are erased as they are handed out.
class KernelRandom final : public RandomSource {
 public:
  void fill(void* bytes, std::size_t count) override {
    auto* out = static_cast<unsigned char*>(bytes);
    if (count >= kBlockBytes) return fill_from_kernel(out, count);
    const std::lock_guard<std::mutex> lock(mutex_);
    while (count > 0) {
      if (used_ == kBlockBytes) {
        fill_from_kernel(block_.data(), kBlockBytes);
        used_ = 0;
      }
      const std::size_t take = std::min(count, kBlockBytes - used_);
      std::memcpy(out, block_.data() + used_, take);
      std::memset(block_.data() + used_, 0, take);
      used_ += take;
      out += take;
      count -= take;
    }
  }

 private:
  std::mutex mutex_;
  std::array<unsigned char, kBlockBytes> block_{};
  std::size_t used_ = kBlockBytes;
};

}  // namespace

std::uint64_t RandomSource::next() {
  std::uint64_t bits = 0;
  fill(&bits, sizeof bits);
  return bits;
}

std::uint64_t RandomSource::below(std::uint64_t bound) {
  assert(bound > 0);
  // The lowest 2^64 mod bound values would make small results likelier; draw again instead.
  const std::uint64_t unfair = (0 - bound) % bound;
  std::uint64_t bits = next();
  while (bits < unfair) bits = next();
  return bits % bound;
}

double RandomSource::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::shared_ptr<RandomSource> system_random() {
  static const auto source = std::make_shared<KernelRandom>();
  return source;
}

}  // namespace probekit
