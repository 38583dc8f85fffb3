// Winograd's transforms of tiles, for the points 0, ±1, ±2 and ∞: the matrices of docs/derivations/winograd.md, with what their
// rows have in common computed once. Each is given along one axis; transform() applies it to both.
#pragma once

#include "engine/cpu/simd.h"

namespace lull::cpu {

// Bᵀ: 6 inputs
template <class T>
HWY_INLINE void transform_input_axis(const Vec<T> (&x)[6], Vec<T> (&y)[6]) {
    const Tag<T> d;
    const auto two = hn::Set(d, T(2)), four = hn::Set(d, T(4)), five = hn::Set(d, T(5));
    const Vec<T> even = hn::NegMulAdd(four, x[2], x[4]), odd = hn::NegMulAdd(four, x[1], x[3]);
    const Vec<T> even2 = hn::Sub(x[4], x[2]), odd2 = hn::Mul(two, hn::Sub(x[3], x[1]));
    y[0] = hn::MulAdd(four, x[0], hn::NegMulAdd(five, x[2], x[4]));
    y[1] = hn::Add(even, odd);
    y[2] = hn::Sub(even, odd);
    y[3] = hn::Add(even2, odd2);
    y[4] = hn::Sub(even2, odd2);
    y[5] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
}

// G: 3 taps
template <class T>
HWY_INLINE void transform_filter_axis(const Vec<T> (&x)[3], Vec<T> (&y)[6]) {
    const Tag<T> d;
    const auto two = hn::Set(d, T(2)), four = hn::Set(d, T(4)), sixth = hn::Set(d, T(-1) / 6), part = hn::Set(d, T(1) / 24);
    const Vec<T> even = hn::Add(x[0], x[2]), even2 = hn::MulAdd(four, x[2], x[0]), odd2 = hn::Mul(two, x[1]);
    y[0] = hn::Mul(hn::Set(d, T(0.25)), x[0]);
    y[1] = hn::Mul(sixth, hn::Add(even, x[1]));
    y[2] = hn::Mul(sixth, hn::Sub(even, x[1]));
    y[3] = hn::Mul(part, hn::Add(even2, odd2));
    y[4] = hn::Mul(part, hn::Sub(even2, odd2));
    y[5] = x[2];
}

// G₄: 4 outputs' gradients
template <class T>
HWY_INLINE void transform_gradient_axis(const Vec<T> (&x)[4], Vec<T> (&y)[6]) {
    const Tag<T> d;
    const auto two = hn::Set(d, T(2)), four = hn::Set(d, T(4)), sixth = hn::Set(d, T(-1) / 6), part = hn::Set(d, T(1) / 24);
    const Vec<T> even = hn::Add(x[0], x[2]), odd = hn::Add(x[1], x[3]);
    const Vec<T> even2 = hn::MulAdd(four, x[2], x[0]), odd2 = hn::Mul(two, hn::MulAdd(four, x[3], x[1]));
    y[0] = hn::Mul(hn::Set(d, T(0.25)), x[0]);
    y[1] = hn::Mul(sixth, hn::Add(even, odd));
    y[2] = hn::Mul(sixth, hn::Sub(even, odd));
    y[3] = hn::Mul(part, hn::Add(even2, odd2));
    y[4] = hn::Mul(part, hn::Sub(even2, odd2));
    y[5] = x[3];
}

// Aᵀ to 4 outputs, A₃ᵀ to 3 taps
template <class T, int N>
HWY_INLINE void interpolate_axis(const Vec<T> (&x)[6], Vec<T> (&y)[N]) {
    const Tag<T> d;
    const auto two = hn::Set(d, T(2)), four = hn::Set(d, T(4)), eight = hn::Set(d, T(8));
    const Vec<T> even = hn::Add(x[1], x[2]), odd = hn::Sub(x[1], x[2]);
    const Vec<T> even2 = hn::Add(x[3], x[4]), odd2 = hn::Sub(x[3], x[4]);
    y[0] = hn::Add(x[0], hn::Add(even, even2));
    y[1] = hn::MulAdd(two, odd2, odd);
    y[2] = hn::MulAdd(four, even2, even);
    if constexpr (N == 4)
        y[3] = hn::Add(hn::MulAdd(eight, odd2, odd), x[5]);
    else
        y[2] = hn::Add(y[2], x[5]);
}

// Both axes: y (M, M) from x (N, N). load(i, j) gives x, store(i, j, value) takes y.
template <class T, int N, int M, class Axis, class Load, class Store>
HWY_INLINE void transform(const Axis& axis, const Load& load, const Store& store) {
    Vec<T> half[N][M];    // transformed along columns
#pragma GCC unroll 6
    for (int j = 0; j < N; ++j) {
        Vec<T> x[N], y[M];
#pragma GCC unroll 6
        for (int i = 0; i < N; ++i) x[i] = load(i, j);
        axis(x, y);
#pragma GCC unroll 6
        for (int i = 0; i < M; ++i) half[j][i] = y[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
        Vec<T> x[N], y[M];
#pragma GCC unroll 6
        for (int j = 0; j < N; ++j) x[j] = half[j][i];
        axis(x, y);
#pragma GCC unroll 6
        for (int j = 0; j < M; ++j) store(i, j, y[j]);
    }
}

}    // namespace lull::cpu
