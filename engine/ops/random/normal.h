// Normal numbers in kernels.
#pragma once

#include "engine/cuda/device.h"
#include "engine/philox.h"

namespace lull::cuda {

// Box–Muller on two pairs of integers, as the CPU does it in f32: the radius uses all 32 bits, for the tail; the angle 24,
// exact in f32.
LULL_DEVICE void normal_numbers(const PhiloxWords& bits, float (&value)[4]) {
    for (int k = 0; k < 4; k += 2) {
        const float radius = sqrtf(-2 * logf((static_cast<float>(bits.at[k]) + 0.5f) * 0x1p-32f));
        const float angle = 6.28318530717958648f * (static_cast<float>(bits.at[k + 1] >> 8) * 0x1p-24f);
        float sine, cosine;
        sincosf(angle, &sine, &cosine);
        value[k] = radius * cosine;
        value[k + 1] = radius * sine;
    }
}

}    // namespace lull::cuda
