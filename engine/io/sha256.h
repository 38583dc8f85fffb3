// SHA-256 (FIPS 180-4): a name for what a file or a model holds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lull {

// Bytes go in, in any pieces; hex() ends it.
class Sha256 {
  public:
    void update(const void* bytes, std::size_t count);
    void update(std::string_view text) { update(text.data(), text.size()); }

    // 64 hexadecimal digits. To be called once, after the last update.
    std::string hex();

  private:
    void block(const std::uint8_t* bytes);    // of 64

    // The first 32 bits of the fractional parts of the square roots of the first eight primes.
    std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, 64> pending_{};    // the first length_ % 64 bytes of the next block
    std::uint64_t length_ = 0;                  // bytes so far
};

}    // namespace lull
