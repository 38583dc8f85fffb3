// Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): one function for the CPU and for
// kernels, which therefore draw the same integers. What to do with them stands in random.h.
#pragma once

#include <cstdint>

#include "engine/host_device.h"

namespace lull {

struct PhiloxWords {
    std::uint32_t at[4];
};

// Ten rounds over a counter of 128 bits with a key of 64.
LULL_HOST_DEVICE inline PhiloxWords philox_words(PhiloxWords counter, std::uint32_t key_low, std::uint32_t key_high) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t product0 = 0xD2511F53ull * counter.at[0], product1 = 0xCD9E8D57ull * counter.at[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter.at[1] ^ key_low, static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter.at[3] ^ key_high, static_cast<std::uint32_t>(product0)};
        key_low += 0x9E3779B9u;    // Weyl sequence: golden ratio, √3 - 1
        key_high += 0xBB67AE85u;
    }
    return counter;
}

}    // namespace lull
