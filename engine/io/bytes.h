// What PNG and IDX files share: numbers with the highest byte first, and deflate's compression.
#pragma once

#include <cstdint>

namespace lull {

// No stream of deflate, under gzip or in a picture, expands to more than this times its size (zlib.net/zlib_tech.html).
inline constexpr std::uint64_t kMaxDeflateRatio = 1032;

// The number that four bytes make, the highest first. bytes: char or std::uint8_t.
template <class Byte>
std::uint32_t from_big_endian(const Byte* bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
    return value;
}

}    // namespace lull
