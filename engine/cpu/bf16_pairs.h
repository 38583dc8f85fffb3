// Two neighbours along a sum, as bf16 in one 32-bit word: what the processor multiplies and adds at once. The first is in the
// low half.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/cpu/convert.h"
#include "engine/cpu/simd.h"

namespace lull::cpu {

using Bf16Pair = std::uint32_t;

#ifdef __AVX512BF16__
inline constexpr bool kHasBf16 = lanes<float>() == 16;
#else
inline constexpr bool kHasBf16 = false;
#endif

// sum + a₀ b₀ + a₁ b₁ in f32, lane by lane. The order of the two additions, and their roundings, are the processor's.
HWY_INLINE Vec<float> add_products(Vec<Bf16Pair> a, Vec<Bf16Pair> b, Vec<float> sum) {
    if constexpr (kHasBf16) {
#ifdef __AVX512BF16__
        return Vec<float>{_mm512_dpbf16_ps(sum.raw, (__m512bh)a.raw, (__m512bh)b.raw)};
#endif
    } else {
        const Tag<float> d;
        const auto first = [&](Vec<Bf16Pair> x) { return hn::BitCast(d, hn::ShiftLeft<16>(x)); };
        const auto second = [&](Vec<Bf16Pair> x) { return hn::BitCast(d, hn::And(x, hn::Set(Tag<Bf16Pair>(), 0xffff0000u))); };
        return hn::MulAdd(second(a), second(b), hn::MulAdd(first(a), first(b), sum));
    }
}

// x to the nearest bf16, ties to even, in the low half of each word; zeros in the high half. A NaN stays one; a subnormal
// number may become 0.
HWY_INLINE Vec<Bf16Pair> rounded_words(Vec<float> x) {
    if constexpr (kHasBf16) {
#ifdef __AVX512BF16__
        return Vec<Bf16Pair>{_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x.raw))};
#endif
    } else {
        return hn::PromoteTo(Tag<Bf16Pair>(), narrow(x));
    }
}

HWY_INLINE Vec<Bf16Pair> pair_of(Vec<float> first, Vec<float> second) {
    return hn::Or(hn::ShiftLeft<16>(rounded_words(second)), rounded_words(first));
}

// x[0, n), rounded, in order, and a zero behind an odd one: pairs of neighbours. to: (n + 1) / 2.
inline void pairs_of_neighbours(const float* x, std::int64_t n, Bf16Pair* to) {
    const Tag<float> d;
    const hn::Rebind<std::uint16_t, Tag<float>> half;
    auto* const words = reinterpret_cast<std::uint16_t*>(to);    // written by vectors alone
    if (n % 2 == 1) to[n / 2] = 0;
    std::int64_t i = 0;
    const auto round = [&](Vec<float> v) { return hn::TruncateTo(half, rounded_words(v)); };
    for (; i + lanes<float>() <= n; i += lanes<float>()) hn::StoreU(round(hn::LoadU(d, x + i)), half, words + i);
    if (i < n) {
        const auto rest = static_cast<std::size_t>(n - i);
        alignas(64) std::uint16_t word[lanes<float>()];
        hn::Store(round(load_first(d, x + i, rest)), half, word);
        std::memcpy(words + i, word, 2 * rest);
    }
}

// to[i] = the pair first[i], second[i] for i in [0, n); second may be null: zeros.
inline void pairs_of_rows(const float* first, const float* second, std::int64_t n, Bf16Pair* to) {
    const Tag<float> d;
    for (std::int64_t i = 0; i < n; i += lanes<float>()) {
        const auto count = static_cast<std::size_t>(std::min<std::int64_t>(lanes<float>(), n - i));
        if (count == lanes<float>()) {
            hn::StoreU(pair_of(hn::LoadU(d, first + i), second ? hn::LoadU(d, second + i) : hn::Zero(d)), Tag<Bf16Pair>(),
                       to + i);
        } else {
            const auto b = second ? load_first(d, second + i, count) : hn::Zero(d);
            store_first(pair_of(load_first(d, first + i, count), b), Tag<Bf16Pair>(), to + i, count);
        }
    }
}

}    // namespace lull::cpu
