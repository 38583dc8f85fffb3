// Between the type that tensors are stored in and the one that kernels compute in: bf16 is storage, its kernels compute in f32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/cpu/math.h"
#include "engine/cpu/scratch.h"
#include "engine/dtype.h"

namespace lull::cpu {

template <class S>
using Compute = std::conditional_t<std::is_same_v<S, bf16>, float, S>;

// Calls f(S{}) with the type of the elements: float, double or bf16.
template <class F>
decltype(auto) with_storage_dtype(std::string_view where, DType dtype, const F& f) {
    if (dtype == DType::bf16) return f(bf16{});
    return with_compute_dtype(where, dtype, f);
}

// Elements between bf16 and f32, to the nearest, as the constructor of bf16 converts one.
HWY_INLINE Vec<float> widen(hn::Vec<hn::Rebind<std::uint16_t, Tag<float>>> bits) {
    const hn::RebindToUnsigned<Tag<float>> du;
    return hn::BitCast(Tag<float>(), hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}
HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, Tag<float>>> narrow(Vec<float> value) {
    const hn::RebindToUnsigned<Tag<float>> du;
    const hn::RebindToSigned<Tag<float>> di;
    const auto bits = hn::BitCast(du, value), upper = hn::ShiftRight<16>(bits);
    const auto half = hn::Add(hn::Set(du, 0x7fffu), hn::And(upper, hn::Set(du, 1u)));    // ties to even
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, half)), quiet = hn::Or(upper, hn::Set(du, 0x40u));
    const auto result = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(value)), quiet, rounded);
    return hn::DemoteTo(hn::Rebind<std::uint16_t, Tag<float>>(), hn::BitCast(di, result));
}

inline void convert(const bf16* from, std::int64_t n, float* to) {
    const hn::Rebind<std::uint16_t, Tag<float>> d16;
    std::int64_t i = 0;
    for (; i + lanes<float>() <= n; i += lanes<float>())
        hn::StoreU(widen(hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from + i))), Tag<float>(), to + i);
    for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

// to = from, or to + from, rounded.
inline void convert(const float* from, std::int64_t n, bf16* to, bool add = false) {
    const hn::Rebind<std::uint16_t, Tag<float>> d16;
    const Tag<float> d;
    std::int64_t i = 0;
    for (; i + lanes<float>() <= n; i += lanes<float>()) {
        auto* const to_bits = reinterpret_cast<std::uint16_t*>(to + i);
        const Vec<float> value = hn::LoadU(d, from + i);
        hn::StoreU(narrow(add ? hn::Add(widen(hn::LoadU(d16, to_bits)), value) : value), d16, to_bits);
    }
    for (; i < n; ++i) to[i] = bf16(add ? static_cast<float>(to[i]) + from[i] : from[i]);
}

// Elements in the type to compute with: themselves, or converted in scratch memory.
template <class S>
const Compute<S>* load(Scratch& scratch, const S* from, std::int64_t n) {
    if constexpr (std::is_same_v<S, bf16>) {
        float* const converted = scratch.take<float>(n);
        convert(from, n, converted);
        return converted;
    } else {
        return from;
    }
}

// Where to compute elements that go to `to`: there, or in scratch memory, from where store() brings them.
template <class S>
Compute<S>* place(Scratch& scratch, S* to, std::int64_t n) {
    if constexpr (std::is_same_v<S, bf16>)
        return scratch.take<float>(n);
    else
        return to;
}
template <class S>
void store(const Compute<S>* from, std::int64_t n, S* to, bool add = false) {
    if constexpr (std::is_same_v<S, bf16>) convert(from, n, to, add);
}

}    // namespace lull::cpu
