#include "engine/cpu/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/cpu/bf16_pairs.h"
#include "engine/dtype.h"
#include "engine/threads.h"

namespace {

using namespace lull;
using cpu::GemmEpilogue;
using cpu::MatrixView;

// Numbers in [-1, 1) that look random.
template <class T>
std::vector<T> noise(std::size_t count, std::uint32_t seed) {
    std::vector<T> values(count);
    for (T& value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = static_cast<T>(seed >> 8) / T(1 << 23) - T(1);
    }
    return values;
}

struct Case {
    std::int64_t m, n, k;
    bool a_transposed = false, b_transposed = false, bias = false, add = false;
};

template <class T>
void check_against_loops(const Case& test) {
    const auto [m, n, k, a_transposed, b_transposed, with_bias, add] = test;
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    const std::int64_t a_stride = (a_transposed ? m : k) + 3, b_stride = (b_transposed ? k : n) + 1, c_stride = n + 2;
    const auto a = noise<T>(static_cast<std::size_t>((a_transposed ? k : m) * a_stride), 1);
    const auto b = noise<T>(static_cast<std::size_t>((b_transposed ? n : k) * b_stride), 2);
    const auto bias = noise<T>(static_cast<std::size_t>(n), 3);
    const auto before = noise<T>(static_cast<std::size_t>(m * c_stride), 4);
    auto c = before, parallel = before;
    const MatrixView<T> A{a.data(), a_stride, a_transposed}, B{b.data(), b_stride, b_transposed};
    const GemmEpilogue<T> epilogue{with_bias ? bias.data() : nullptr, add};
    cpu::gemm(m, n, k, A, B, c.data(), c_stride, epilogue);
    cpu::parallel_gemm(m, n, k, A, B, parallel.data(), c_stride, epilogue);
    CHECK(c == parallel);

    const auto element = [](const MatrixView<T>& x, std::int64_t i, std::int64_t j) {
        return static_cast<long double>(x.transposed ? x.data[j * x.stride + i] : x.data[i * x.stride + j]);
    };
    // A chain of k multiply-adds of numbers below 1 errs by k units of a sum below k, far less on average.
    const double tolerance = static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(k + 2);
    double worst = 0;
    for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < c_stride; ++j) {
            const auto at = static_cast<std::size_t>(i * c_stride + j);
            long double sum = before[at];
            if (j < n) {
                if (!add) sum = 0;
                if (with_bias) sum += bias[static_cast<std::size_t>(j)];
                for (std::int64_t p = 0; p < k; ++p) sum += element(A, i, p) * element(B, p, j);
            }
            worst = std::max(worst, static_cast<double>(std::abs(sum - c[at])));
        }
    }
    CHECK(worst <= tolerance);
}

}    // namespace

TEST_CASE_TEMPLATE("gemm multiplies as three loops do", T, float, double) {
    for (const bool a_transposed : {false, true}) {
        for (const bool b_transposed : {false, true}) {
            check_against_loops<T>({1, 1, 1, a_transposed, b_transposed, false, false});
            check_against_loops<T>({5, 33, 17, a_transposed, b_transposed, true, false});
            check_against_loops<T>({29, 64, 300, a_transposed, b_transposed, false, true});
            check_against_loops<T>({130, 270, 40, a_transposed, b_transposed, true, true});
        }
    }
    check_against_loops<T>({500, 20, 30});
    check_against_loops<T>({3, 4, 0, false, false, true, true});
    check_against_loops<T>({0, 4, 5});
    check_against_loops<T>({4, 0, 5});
}

TEST_CASE_TEMPLATE("gemm multiplies with tiles of every height and width, whole and partly filled", T, float, double) {
    for (std::int64_t m = 1; m <= 30; ++m) {
        for (const bool a_transposed : {false, true}) {
            for (const std::int64_t n : {1, 4, 7, 8, 15, 16, 17, 24, 31, 32, 33, 47, 48})
                check_against_loops<T>({m, n, 70 + m % 4, a_transposed, m % 3 == 0, m % 2 == 0, n % 2 == 0});
        }
    }
}

TEST_CASE("gemm multiplies matrices that need blocks of every dimension") {
    for (const bool a_transposed : {false, true}) {
        for (const bool b_transposed : {false, true}) {
            check_against_loops<float>({300, 288, 257, a_transposed, b_transposed, true, true});
            check_against_loops<float>({281, 530, 65, a_transposed, b_transposed, true, false});
            check_against_loops<float>({16, 48, 1030, a_transposed, b_transposed, false, true});
        }
    }
    check_against_loops<double>({290, 300, 300, false, true, true, true});
}

TEST_CASE("gemm of bf16 multiplies rounded matrices") {
    const auto rounded = [](std::vector<float> x) {
        for (float& value : x) value = static_cast<float>(bf16(value));
        return x;
    };
    for (const bool a_transposed : {false, true}) {
        for (const bool b_transposed : {false, true}) {
            for (const Case& size : {Case{1, 1, 1}, {3, 16, 2}, {29, 33, 75}, {130, 64, 64}, {40, 50, 1100}}) {
                const auto [m, n, k] = std::array{size.m, size.n, size.k};
                CAPTURE(m);
                CAPTURE(a_transposed);
                CAPTURE(b_transposed);
                const std::int64_t a_stride = (a_transposed ? m : k) + 1, b_stride = (b_transposed ? k : n) + 2, c_stride = n + 3;
                const auto a = noise<float>(static_cast<std::size_t>((a_transposed ? k : m) * a_stride), 1);
                const auto b = noise<float>(static_cast<std::size_t>((b_transposed ? n : k) * b_stride), 2);
                const auto bias = noise<float>(static_cast<std::size_t>(n), 3);
                const auto before = noise<float>(static_cast<std::size_t>(m * c_stride), 4);
                auto exact = before, c = before;
                const auto a_rounded = rounded(a), b_rounded = rounded(b);
                cpu::gemm<float>(m, n, k, {a_rounded.data(), a_stride, a_transposed}, {b_rounded.data(), b_stride, b_transposed},
                                 exact.data(), c_stride, {bias.data(), true});
                cpu::parallel_gemm_bf16(m, n, k, {a.data(), a_stride, a_transposed}, {b.data(), b_stride, b_transposed}, c.data(),
                                        c_stride, {bias.data(), true});
                float worst = 0;
                for (std::size_t i = 0; i < c.size(); ++i) worst = std::max(worst, std::abs(c[i] - exact[i]));
                // Products of bf16 are exact in f32: sums of k + 2 numbers below 1, in two orders.
                CHECK(worst <= 2 * std::numeric_limits<float>::epsilon() * static_cast<float>(k + 2));
                for (std::int64_t i = 0; i < m; ++i)
                    for (std::int64_t j = n; j < c_stride; ++j)
                        CHECK(c[static_cast<std::size_t>(i * c_stride + j)] ==
                              before[static_cast<std::size_t>(i * c_stride + j)]);
            }
        }
    }
}

TEST_CASE("bf16 pairs are rounded to nearest even and keep infinities and NaN") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> x{1.f, 1.00390625f, 1.01171875f, -3.14159f, 1e-30f, kInfinity, 3.4e38f, -0.f, 0.1f};
    std::vector<cpu::Bf16Pair> pairs(5), columns(9);
    cpu::pairs_of_neighbours(x.data(), 9, pairs.data());
    cpu::pairs_of_rows(x.data(), nullptr, 9, columns.data());
    for (std::size_t i = 0; i < 9; ++i) {
        CAPTURE(i);
        const auto expected = static_cast<std::uint32_t>(std::bit_cast<std::uint32_t>(static_cast<float>(bf16(x[i]))) >> 16);
        CHECK(((pairs[i / 2] >> (i % 2 * 16)) & 0xffffu) == expected);
        CHECK(columns[i] == expected);
    }
    CHECK((pairs[4] >> 16) == 0);
    for (const std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu}) {    // rounding alone would make these numbers
        const auto nan = std::bit_cast<float>(bits);
        cpu::pairs_of_rows(&nan, nullptr, 1, columns.data());
        CHECK(std::isnan(std::bit_cast<float>(columns[0] << 16)));
    }
}

TEST_CASE("a row of the product has the same bits whatever the other rows, and whatever the number of threads") {
    const std::int64_t m = 600, n = 50, k = 700;
    const auto a = noise<float>(static_cast<std::size_t>(m * k), 1), b = noise<float>(static_cast<std::size_t>(k * n), 2);
    std::vector<float> whole(static_cast<std::size_t>(m * n)), row(static_cast<std::size_t>(n));
    const int threads = thread_count();
    set_thread_count(2);
    cpu::parallel_gemm<float>(m, n, k, {a.data(), k}, {b.data(), n}, whole.data(), n);
    set_thread_count(threads);
    for (const std::int64_t i : {0, 13, 14, 111, 455, 599}) {
        cpu::gemm<float>(1, n, k, {a.data() + i * k, k}, {b.data(), n}, row.data(), n);
        for (std::int64_t j = 0; j < n; ++j) {
            CHECK(row[static_cast<std::size_t>(j)] == whole[static_cast<std::size_t>(i * n + j)]);
        }
    }
}
