// Sums over a batch, whose bits must not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lull::cpu {

// A sum over a batch is made of this many partial sums, each over neighbouring images: a function of the batch size alone.
// Partial i is over the images from images·i / partials to images·(i + 1) / partials.
inline std::int64_t partial_sums(std::int64_t images) { return std::clamp<std::int64_t>(images, 1, 16); }

// y[j] (+)= Σ_i partials[i·pitch + j] for j < n, in the order of i.
template <class T>
void sum_partials(const T* partials, std::int64_t count, std::int64_t pitch, std::int64_t n, T* y, bool add) {
    for (std::int64_t j = 0; j < n; ++j) {
        T sum = partials[j];
        for (std::int64_t i = 1; i < count; ++i) sum += partials[i * pitch + j];
        y[j] = add ? y[j] + sum : sum;
    }
}

}    // namespace lull::cpu
