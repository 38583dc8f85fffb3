#include "engine/cpu/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using namespace lull::cpu;

// The largest error of f over [low, high], in units of the last place of max(|reference|, floor).
template <class T, class F, class Reference>
double worst_ulp(T low, T high, F f, Reference reference, T floor = 0) {
    constexpr int kPoints = 100003;    // not a multiple of the lanes
    std::vector<T> x(kPoints), y(kPoints);
    for (int i = 0; i < kPoints; ++i) x[static_cast<std::size_t>(i)] = low + (high - low) * static_cast<T>(i) / T(kPoints - 1);
    map(kPoints, y.data(), f, x.data());
    long double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const long double exact = reference(static_cast<long double>(x[i]));
        const T size = std::max(static_cast<T>(std::abs(exact)), std::max(floor, std::numeric_limits<T>::min()));
        const long double ulp = static_cast<long double>(std::nextafter(size, std::numeric_limits<T>::infinity())) - size;
        worst = std::max(worst, std::abs(static_cast<long double>(y[i]) - exact) / ulp);
    }
    return static_cast<double>(worst);
}

template <class T, class F>
T at(T x, F f) {
    T y;
    map(1, &y, f, &x);
    return y;
}

const auto exp_ = [](auto x) { return vexp(x); };
const auto exp_at_most_e = [](auto x) { return vexp_at_most_e(x); };
const auto exp2_at_most_2 = [](auto x) { return vexp2_at_most_2(x); };
const auto log_ = [](auto x) { return vlog(x); };
const auto tanh_ = [](auto x) { return vtanh(x); };
const auto sigmoid_ = [](auto x) { return vsigmoid(x); };
const auto sin_ = [](auto x) {
    decltype(x) s, c;
    vsincos(x, s, c);
    return s;
};
const auto cos_ = [](auto x) {
    decltype(x) s, c;
    vsincos(x, s, c);
    return c;
};

}    // namespace

TEST_CASE_TEMPLATE("vector functions are as accurate as their header says", T, float, double) {
    const auto exact_exp = [](long double x) { return std::exp(x); };
    const auto exact_log = [](long double x) { return std::log(x); };
    const auto exact_sigmoid = [](long double x) { return 1 / (1 + std::exp(-x)); };
    const auto exact_silu = [](long double x) { return x / (1 + std::exp(-x)); };
    const auto exact_derivative = [](long double x) {
        const long double s = 1 / (1 + std::exp(-x));
        return s * (1 + x * (1 - s));
    };
    CHECK(worst_ulp(T(-87), T(88), exp_, exact_exp) <= 2);
    CHECK(worst_ulp(T(-1), T(1), exp_, exact_exp) <= 2);
    CHECK(worst_ulp(T(-87), T(1), exp_at_most_e, exact_exp) <= 2);
    CHECK(worst_ulp(T(-126), T(1), exp2_at_most_2, [](long double x) { return std::exp2(x); }) <= 2);
    CHECK(worst_ulp(T(-2), T(1), exp2_at_most_2, [](long double x) { return std::exp2(x); }) <= 2);
    CHECK(worst_ulp(T(0.001), T(3), log_, exact_log) <= 2);
    CHECK(worst_ulp(T(1), T(1e30), log_, exact_log) <= 2);
    CHECK(worst_ulp(T(-30), T(30), sigmoid_, exact_sigmoid) <= 4);
    CHECK(worst_ulp(
              T(-30), T(30), [](auto x) { return vsilu(x); }, exact_silu) <= 4);
    // Two terms cancel where the derivative is 0 (x = -1.28): absolute there.
    CHECK(worst_ulp(
              T(-10), T(30), [](auto x) { return vsilu_derivative(x); }, exact_derivative, T(0.25)) <= 4);
    CHECK(worst_ulp(T(-12), T(12), tanh_, [](long double x) { return std::tanh(x); }) <= 4);
    CHECK(worst_ulp(T(-1e-3), T(1e-3), tanh_, [](long double x) { return std::tanh(x); }) <= 4);
    CHECK(worst_ulp(
              T(-8000), T(8000), sin_, [](long double x) { return std::sin(x); }, T(0.1)) <= 4);
    CHECK(worst_ulp(
              T(-8000), T(8000), cos_, [](long double x) { return std::cos(x); }, T(0.1)) <= 4);
}

TEST_CASE_TEMPLATE("vector functions meet infinities, zeros, subnormals and NaN as <cmath> does", T, float, double) {
    using Limits = std::numeric_limits<T>;
    const T infinity = Limits::infinity(), nan = Limits::quiet_NaN();
    CHECK(at(-infinity, exp_) == 0);
    CHECK(at(infinity, exp_) == infinity);
    CHECK(std::isnan(at(nan, exp_)));
    CHECK(at(T(0), exp_) == 1);
    const T deep = T(2) + std::log(Limits::denorm_min());    // e^deep is a few subnormals
    CHECK(at(deep, exp_) == doctest::Approx(std::exp(static_cast<double>(deep))).epsilon(0.2));
    CHECK(at(-infinity, exp_at_most_e) == 0);
    CHECK(at(T(-1e6), exp_at_most_e) == 0);
    CHECK(at(T(0), exp_at_most_e) == 1);
    CHECK(std::isnan(at(nan, exp_at_most_e)));
    CHECK(at(-infinity, exp2_at_most_2) == 0);
    CHECK(at(T(-1e6), exp2_at_most_2) == 0);
    CHECK(at(T(0), exp2_at_most_2) == 1);
    CHECK(std::isnan(at(nan, exp2_at_most_2)));
    CHECK(at(T(0), log_) == -infinity);
    CHECK(at(infinity, log_) == infinity);
    CHECK(std::isnan(at(T(-1), log_)));
    CHECK(std::isnan(at(nan, log_)));
    CHECK(at(Limits::denorm_min(), log_) == doctest::Approx(static_cast<double>(std::log(Limits::denorm_min()))));
    CHECK(at(infinity, tanh_) == 1);
    CHECK(at(-infinity, tanh_) == -1);
    CHECK(std::isnan(at(nan, tanh_)));
    CHECK(at(-infinity, sigmoid_) == 0);
    CHECK(at(infinity, sigmoid_) == 1);
}

TEST_CASE("every NaN stays one, whatever its lower bits") {
    for (const std::uint32_t bits :
         {0x7fc00000u, 0x7fc00001u, 0xffc00123u, 0x7fffffffu, 0xffffffffu}) {    // all bits: unwritten memory
        CAPTURE(bits);
        const auto nan = std::bit_cast<float>(bits);
        CHECK(std::isnan(at(nan, exp_)));
        CHECK(std::isnan(at(nan, exp_at_most_e)));
        CHECK(std::isnan(at(nan, exp2_at_most_2)));
        CHECK(std::isnan(at(nan, log_)));
        CHECK(std::isnan(at(nan, sigmoid_)));
        CHECK(std::isnan(at(nan, tanh_)));
        CHECK(std::isnan(at(nan, sin_)));
        CHECK(std::isnan(at(nan, cos_)));
    }
    CHECK(std::isnan(at(std::bit_cast<double>(~std::uint64_t{0}), exp_at_most_e)));
}

TEST_CASE("an element's bits do not depend on where in the range it lies, and nothing behind the range is written") {
    std::vector<float> x(40), whole(40), part(40, -7.f);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.37f * static_cast<float>(i) - 6;
    map(40, whole.data(), exp_, x.data());
    for (int n = 1; n < 40; ++n) {
        map(n, part.data(), exp_, x.data());
        for (std::size_t i = 0; i < 40; ++i) CHECK(part[i] == (i < static_cast<std::size_t>(n) ? whole[i] : -7.f));
    }
}
