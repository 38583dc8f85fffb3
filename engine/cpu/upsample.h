// Nearest-neighbour upsampling of a row of pixels: shared by upsample_nearest and by the convolution that reads through it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/cpu/math.h"

namespace lull::cpu {

// x: (width, channels) → y: `factor` rows of (factor·width, channels).
template <class T>
void upsample_row(const T* x, std::int64_t width, std::int64_t channels, std::int64_t factor, T* y) {
    const std::int64_t row = factor * width * channels;
    for (std::int64_t j = 0; j < factor * width; ++j) std::copy_n(x + j / factor * channels, channels, y + j * channels);
    for (std::int64_t copy = 1; copy < factor; ++copy) std::copy_n(y, row, y + copy * row);
}

// dx (+)= the sums over the factor × factor pixels of dy that each pixel became.
template <class T>
void upsample_row_backward(const T* dy, std::int64_t width, std::int64_t channels, std::int64_t factor, T* dx, bool add) {
    const std::int64_t row = factor * width * channels;
    for (std::int64_t j = 0; j < width; ++j) {
        const T* const from = dy + j * factor * channels;
        T* const to = dx + j * channels;
        for_each_vector<T>(channels, [&](std::int64_t c, auto lane) {
            Vec<T> sum = lane.load(from + c);
            for (std::int64_t k = 1; k < factor * factor; ++k)
                sum = hn::Add(sum, lane.load(from + k / factor * row + k % factor * channels + c));
            lane.store(add ? hn::Add(lane.load(to + c), sum) : sum, to + c);
        });
    }
}

}    // namespace lull::cpu
