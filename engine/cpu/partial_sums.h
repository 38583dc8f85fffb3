// Sums over rows and over a batch, whose bits must not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/cpu/simd.h"

namespace lull::cpu {

// Σ_i f(i) for i in [0, n), f giving vectors, in four interleaved chains: quicker, and more accurate, than one.
template <class T, class F>
Vec<T> sum_in_order(std::int64_t n, const F& f) {
    const Tag<T> d;
    Vec<T> sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    std::int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int chain = 0; chain < 4; ++chain) sum[chain] = hn::Add(sum[chain], f(i + chain));
    for (int chain = 0; i < n; ++i, ++chain) sum[chain] = hn::Add(sum[chain], f(i));
    return hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]));
}

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
