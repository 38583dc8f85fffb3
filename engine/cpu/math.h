// Transcendental functions on vectors of float or double, and the loop that applies them to a range.
//
// They are ours so that an element's bits depend on its value alone: whether it lies in the middle of a range or in its
// tail, whatever the number of threads. Accuracy, in units of the last place: exponentials and vlog 2, the others 4 (sine and
// cosine: for |x| ≤ 8192 in float and 2^20 in double, relative to the larger of the result and 1/10). Infinities, zeros,
// subnormal numbers and NaN behave as in <cmath>. All are inlined: a call would save every vector register.
#pragma once

#include <cstdint>
#include <limits>
#include <numbers>

#include "engine/cpu/simd.h"

namespace lull::cpu {

namespace math {

template <class T>
inline constexpr bool is_float = sizeof(T) == 4;
template <class T>
inline constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;

// Adding 1.5·2^mantissa_bits rounds to an integer (ties to even), which then stands in the low bits of the sum.
template <class T>
inline constexpr T rounder = T(3) * T(std::int64_t{1} << (mantissa_bits<T> - 1));

// A constant as the sum of T's, so that a multiple of it can be subtracted without losing what cancels. `rest` is what
// the constant has beyond long double.
template <class T>
struct Split {
    T high, middle, low;
    explicit constexpr Split(long double value, long double rest = 0)
        : high(static_cast<T>(value)),
          middle(static_cast<T>(value - static_cast<long double>(high) + rest)),
          low(static_cast<T>(value - static_cast<long double>(high) - static_cast<long double>(middle) + rest)) {}
};

template <class V>
using Int = hn::Vec<hn::RebindToSigned<hn::DFromV<V>>>;

template <class V>
HWY_INLINE Int<V> bits(V x) {
    return hn::BitCast(hn::RebindToSigned<hn::DFromV<V>>(), x);
}
template <class V>
HWY_INLINE V from_bits(Int<V> x) {
    return hn::BitCast(hn::DFromV<V>(), x);
}

// 2^n for integral n within the normal exponents.
template <class V>
HWY_INLINE V pow2(V n) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    const auto exponent = hn::ShiftLeft<mantissa_bits<T>>(bits<V>(hn::Add(n, hn::Set(d, rounder<T>))));
    return from_bits<V>(hn::Add(exponent, bits<V>(hn::Set(d, T(1)))));
}

// Σ c_i x^i by Horner's rule; the coefficients come highest power first.
template <class V, std::size_t N>
HWY_INLINE V polynomial(V x, const double (&coefficients)[N]) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    V sum = hn::Set(d, static_cast<T>(coefficients[0]));
    for (std::size_t i = 1; i < N; ++i) sum = hn::MulAdd(sum, x, hn::Set(d, static_cast<T>(coefficients[i])));
    return sum;
}

// x = n ln 2 + r with |r| ≤ ln 2 / 2, and e^r - 1 by Taylor's series (to r^7 in float, r^13 in double).
template <class V>
struct ExpParts {
    V shifted, n, expm1_r;    // shifted: n, with its integer in the low bits
    HWY_INLINE explicit ExpParts(V x) {
        using T = hn::TFromV<V>;
        constexpr Split<T> ln2(std::numbers::ln2_v<long double>);
        const hn::DFromV<V> d;
        const V shift = hn::Set(d, rounder<T>);
        shifted = hn::MulAdd(x, hn::Set(d, std::numbers::log2e_v<T>), shift);
        n = hn::Sub(shifted, shift);
        const V r = hn::NegMulAdd(n, hn::Set(d, ln2.middle), hn::NegMulAdd(n, hn::Set(d, ln2.high), x));
        V series;    // Σ r^i / (i + 2)!
        if constexpr (is_float<T>) {
            series = polynomial(r, {1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2});
        } else {
            series = polynomial(r, {1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
                                    1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2});
        }
        expm1_r = hn::MulAdd(hn::Mul(r, r), series, r);
    }
};

// 2^r for |r| ≤ 1/2: in float a minimax polynomial with relative error 2e-9, in double Taylor's series to r^13.
template <class V>
HWY_INLINE V exp2_of_fraction(V r) {
    if constexpr (is_float<hn::TFromV<V>>) {
        return polynomial(
            r, {1.53533617864e-4, 1.33988743782e-3, 9.61843735844e-3, 5.55033247126e-2, 2.40226479136e-1, 6.93147202855e-1, 1.});
    } else {
        constexpr auto kSeries = [] {
            struct {
                double coefficients[14];
            } series{};
            long double term = 1;    // (ln 2)^i / i!
            for (int i = 0; i < 14; ++i) {
                series.coefficients[13 - i] = static_cast<double>(term);
                term *= std::numbers::ln2_v<long double> / (i + 1);
            }
            return series;
        }();
        return polynomial(r, kSeries.coefficients);
    }
}

// y log2 e = n + r with n integral and |r| ≤ 1/2; shifted: n, with its integer in the low bits.
template <class V>
struct Exp2Parts {
    V shifted, n, r;
    HWY_INLINE explicit Exp2Parts(V x) {
        using T = hn::TFromV<V>;
        constexpr Split<T> log2e(std::numbers::log2e_v<long double>);
        const hn::DFromV<V> d;
        const V shift = hn::Set(d, rounder<T>);
        shifted = hn::MulAdd(x, hn::Set(d, log2e.high), shift);
        n = hn::Sub(shifted, shift);
        r = hn::MulAdd(x, hn::Set(d, log2e.middle), hn::MulSub(x, hn::Set(d, log2e.high), n));
    }
};

// y·2^n, n as the integer in the low bits of `shifted`, or 0 where `vanishes`: 2^n is a factor, for added to the exponent
// of y it would turn some NaNs into numbers.
template <class V, class M>
HWY_INLINE V scaled_unless(M vanishes, V y, V shifted) {
    const hn::DFromV<V> d;
    const auto exponent = hn::ShiftLeft<mantissa_bits<hn::TFromV<V>>>(bits<V>(shifted));
    const V two_n = from_bits<V>(hn::Add(bits<V>(hn::Set(d, hn::TFromV<V>(1))), exponent));
    return hn::IfThenZeroElse(vanishes, hn::Mul(y, two_n));
}

// Bounds beyond which e^x is 0 or infinite. Highway's Min and Max return the second argument if either is NaN.
template <class V>
HWY_INLINE V clamp_keeping_nan(V x, double low, double high) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    return hn::Max(hn::Set(d, static_cast<T>(low)), hn::Min(hn::Set(d, static_cast<T>(high)), x));
}

}    // namespace math

template <class V>
HWY_INLINE V vexp(V x) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    const math::Exp2Parts<V> parts(math::is_float<T> ? math::clamp_keeping_nan(x, -105, 90)
                                                     : math::clamp_keeping_nan(x, -750, 711));
    // 2^n in two factors: n reaches beyond the normal exponents at both ends.
    const V shift = hn::Set(d, math::rounder<T>);
    const V half = hn::Sub(hn::MulAdd(parts.n, hn::Set(d, T(0.5)), shift), shift);
    return hn::Mul(hn::Mul(math::exp2_of_fraction(parts.r), math::pow2(half)), math::pow2(hn::Sub(parts.n, half)));
}

// e^x for x ≤ 1, in two thirds of the instructions: what would be subnormal is 0.
template <class V>
HWY_INLINE V vexp_at_most_e(V x) {
    using T = hn::TFromV<V>;
    const math::Exp2Parts<V> parts(x);
    const auto vanishes = hn::Lt(x, hn::Set(hn::DFromV<V>(), static_cast<T>(math::is_float<T> ? -87.3 : -708.3)));
    return math::scaled_unless(vanishes, math::exp2_of_fraction(parts.r), parts.shifted);
}

// 2^x for x ≤ 1, as a softmax needs it, whose scores can have the factor log2 e: what would be subnormal is 0.
template <class V>
HWY_INLINE V vexp2_at_most_2(V x) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    const V shift = hn::Set(d, math::rounder<T>), shifted = hn::Add(x, shift);
    const V r = hn::Sub(x, hn::Sub(shifted, shift));
    const auto vanishes = hn::Lt(x, hn::Set(d, T(std::numeric_limits<T>::min_exponent - 1)));
    return math::scaled_unless(vanishes, math::exp2_of_fraction(r), shifted);
}

// x = 2^e m with m in [√½, √2). With f = m - 1 and s = f / (2 + f): ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …),
// evaluated as f - (f²/2 - s (f²/2 + R)), R = 2 (s²/3 + s⁴/5 + …), where little cancels.
template <class V>
HWY_INLINE V vlog(V x) {
    using T = hn::TFromV<V>;
    using Limits = std::numeric_limits<T>;
    constexpr math::Split<T> ln2(std::numbers::ln2_v<long double>);
    constexpr int kMantissa = math::mantissa_bits<T>;
    const hn::DFromV<V> d;
    const auto is_subnormal = hn::Lt(x, hn::Set(d, Limits::min()));
    const V scaled = hn::IfThenElse(is_subnormal, hn::Mul(x, hn::Set(d, T(std::int64_t{1} << kMantissa))), x);
    const auto root_half = math::bits<V>(hn::Set(d, T(1) / std::numbers::sqrt2_v<T>));
    const auto exponent = hn::ShiftRight<kMantissa>(hn::Sub(math::bits<V>(scaled), root_half));
    const V m = math::from_bits<V>(hn::Sub(math::bits<V>(scaled), hn::ShiftLeft<kMantissa>(exponent)));
    const V e = hn::Sub(hn::ConvertTo(d, exponent), hn::IfThenElseZero(is_subnormal, hn::Set(d, T(kMantissa))));

    const V f = hn::Sub(m, hn::Set(d, T(1)));
    const V s = hn::Div(f, hn::Add(f, hn::Set(d, T(2))));
    const V z = hn::Mul(s, s);
    V R;
    if constexpr (math::is_float<T>)
        R = math::polynomial(z, {2. / 11, 2. / 9, 2. / 7, 2. / 5, 2. / 3});
    else
        R = math::polynomial(z, {2. / 21, 2. / 19, 2. / 17, 2. / 15, 2. / 13, 2. / 11, 2. / 9, 2. / 7, 2. / 5, 2. / 3});
    R = hn::Mul(R, z);
    const V half_square = hn::Mul(hn::Mul(f, f), hn::Set(d, T(0.5)));
    const V correction = hn::MulAdd(s, hn::Add(half_square, R), hn::Mul(e, hn::Set(d, ln2.middle)));
    V y = hn::Sub(hn::Mul(e, hn::Set(d, ln2.high)), hn::Sub(hn::Sub(half_square, correction), f));

    const V infinity = hn::Set(d, Limits::infinity());
    y = hn::IfThenElse(hn::Eq(x, infinity), x, y);
    y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), y);
    return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), y, hn::Set(d, Limits::quiet_NaN()));
}

namespace math {

// s = 1 / (1 + e^-x) and 1 - s. With e = e^-|x|, the larger of them is 1 / (1 + e) and the smaller e times that: nothing
// cancels. What would be subnormal is 0.
template <class V>
struct Sigmoid {
    V s, one_minus_s;
    HWY_INLINE explicit Sigmoid(V x) {
        const hn::DFromV<V> d;
        const V one = hn::Set(d, hn::TFromV<V>(1));
        const V e = vexp_at_most_e(hn::Neg(hn::Abs(x)));
        const V larger = hn::Div(one, hn::Add(one, e)), smaller = hn::Mul(e, larger);
        const auto negative = hn::Lt(x, hn::Zero(d));
        s = hn::IfThenElse(negative, smaller, larger);
        one_minus_s = hn::IfThenElse(negative, larger, smaller);
    }
};

}    // namespace math

template <class V>
HWY_INLINE V vsigmoid(V x) {
    return math::Sigmoid<V>(x).s;
}

// x · sigmoid(x)
template <class V>
HWY_INLINE V vsilu(V x) {
    return hn::Mul(x, vsigmoid(x));
}

// silu(x), and its derivative s (1 + x (1 - s)), whose terms cancel at its zero x = -1.28 alone.
template <class V>
HWY_INLINE V vsilu_and_derivative(V x, V& derivative) {
    const math::Sigmoid<V> sigmoid(x);
    derivative = hn::Mul(sigmoid.s, hn::MulAdd(x, sigmoid.one_minus_s, hn::Set(hn::DFromV<V>(), hn::TFromV<V>(1))));
    return hn::Mul(x, sigmoid.s);
}
template <class V>
HWY_INLINE V vsilu_derivative(V x) {
    V derivative;
    vsilu_and_derivative(x, derivative);
    return derivative;
}

// tanh |x| = w / (w + 2) with w = e^{2|x|} - 1 = 2^n (e^r - 1) + (2^n - 1), which keeps small x accurate.
template <class V>
HWY_INLINE V vtanh(V x) {
    using T = hn::TFromV<V>;
    const hn::DFromV<V> d;
    const V magnitude = math::clamp_keeping_nan(hn::Abs(x), 0, 20);    // tanh 20 is 1 in double, too
    const math::ExpParts<V> parts(hn::Add(magnitude, magnitude));
    const V scale = math::pow2(parts.n);
    const V w = hn::MulAdd(scale, parts.expm1_r, hn::Sub(scale, hn::Set(d, T(1))));
    return hn::CopySign(hn::Div(w, hn::Add(w, hn::Set(d, T(2)))), x);
}

// x = k π/2 + r with |r| ≤ π/4; Taylor's series of r; k modulo 4 says which of them, and its sign.
template <class V>
HWY_INLINE void vsincos(V x, V& sine, V& cosine) {
    using T = hn::TFromV<V>;
    constexpr math::Split<T> half_pi(std::numbers::pi_v<long double> / 2, -0x3b399d747f23e32fp-127L);
    constexpr int kSign = 8 * sizeof(T) - 2;    // moves bit 1 to the sign
    const hn::DFromV<V> d;
    const hn::RebindToSigned<decltype(d)> di;
    const V shift = hn::Set(d, math::rounder<T>);
    const V shifted = hn::MulAdd(x, hn::Set(d, static_cast<T>(2 / std::numbers::pi)), shift);
    const V k = hn::Sub(shifted, shift);
    V r = hn::NegMulAdd(k, hn::Set(d, half_pi.high), x);
    r = hn::NegMulAdd(k, hn::Set(d, half_pi.middle), r);
    r = hn::NegMulAdd(k, hn::Set(d, half_pi.low), r);

    const V z = hn::Mul(r, r);
    V sin_series, cos_series;    // sin r = r + r z (…), cos r = 1 + z (…)
    if constexpr (math::is_float<T>) {
        sin_series = math::polynomial(z, {1. / 362880, -1. / 5040, 1. / 120, -1. / 6});
        cos_series = math::polynomial(z, {-1. / 3628800, 1. / 40320, -1. / 720, 1. / 24, -1. / 2});
    } else {
        sin_series = math::polynomial(z, {1. / 355687428096000, -1. / 1307674368000, 1. / 6227020800, -1. / 39916800, 1. / 362880,
                                          -1. / 5040, 1. / 120, -1. / 6});
        cos_series = math::polynomial(z, {-1. / 6402373705728000, 1. / 20922789888000, -1. / 87178291200, 1. / 479001600,
                                          -1. / 3628800, 1. / 40320, -1. / 720, 1. / 24, -1. / 2});
    }
    const V sin_r = hn::MulAdd(hn::Mul(r, z), sin_series, r);
    const V cos_r = hn::MulAdd(z, cos_series, hn::Set(d, T(1)));

    using I = hn::TFromD<decltype(di)>;
    const auto quadrant = math::bits<V>(shifted);
    const auto swap = hn::RebindMask(d, hn::Eq(hn::And(quadrant, hn::Set(di, I(1))), hn::Set(di, I(1))));
    const auto sign_bit = [&](auto bit) { return math::from_bits<V>(hn::ShiftLeft<kSign>(hn::And(bit, hn::Set(di, I(2))))); };
    sine = hn::Xor(hn::IfThenElse(swap, cos_r, sin_r), sign_bit(quadrant));
    cosine = hn::Xor(hn::IfThenElse(swap, sin_r, cos_r), sign_bit(hn::Add(quadrant, hn::Set(di, I(1)))));
}

// How a whole vector is read and written.
template <class T>
struct Whole {
    Vec<T> load(const T* p) const { return hn::LoadU(Tag<T>(), p); }
    void store(Vec<T> v, T* p) const { hn::StoreU(v, Tag<T>(), p); }
};

// How the tail is: the first `count` lanes, and zeros behind them.
template <class T>
struct First {
    int count;
    Vec<T> load(const T* p) const { return load_first(Tag<T>(), p, static_cast<std::size_t>(count)); }
    void store(Vec<T> v, T* p) const { store_first(v, Tag<T>(), p, static_cast<std::size_t>(count)); }
};

// Calls f(i, lanes) for i = 0, lanes<T>(), … below n, where lanes.load(p + i) and lanes.store(v, p + i) move the elements
// [i, min(i + lanes<T>(), n)). One f serves the middle and the tail.
template <class T, class F>
void for_each_vector(std::int64_t n, const F& f) {
    std::int64_t i = 0;
    for (; i + lanes<T>() <= n; i += lanes<T>()) f(i, Whole<T>{});
    if (i < n) f(i, First<T>{static_cast<int>(n - i)});
}

// y[i] = f(x[i]…) for i in [0, n): f takes and returns vectors. y may be one of the x.
template <class T, class F, class... X>
void map(std::int64_t n, T* y, const F& f, const X*... x) {
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) { lane.store(f(lane.load(x + i)...), y + i); });
}

}    // namespace lull::cpu
