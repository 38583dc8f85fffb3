#include "engine/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "engine/cuda/runtime.h"
#include "engine/threads.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

using Words = std::array<std::uint32_t, 4>;

std::vector<RandomStream> streams(std::uint64_t first, int count) {
    std::vector<RandomStream> result;
    for (int n = 0; n < count; ++n)
        result.push_back({.seed = 3, .purpose = Purpose::noise, .index = first + static_cast<std::uint64_t>(n)});
    return result;
}

}    // namespace

// From the known-answer tests that come with Random123 (Salmon et al. 2011): philox4x32-10.
TEST_CASE("philox gives the published numbers") {
    constexpr std::uint32_t ones = 0xFFFFFFFF;
    CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
    CHECK(philox({ones, ones, ones, ones}, {ones, ones}) == Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
    CHECK(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}) ==
          Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

TEST_CASE("seed, purpose, index and position all tell numbers apart") {
    const RandomStream base{.seed = 1, .purpose = Purpose::noise, .index = 2};
    std::vector<RandomStream> others(5, base);
    others[1].seed = 2;
    others[2].seed = 1ull + (1ull << 32);
    others[3].purpose = Purpose::dropout;
    others[4].index = 2ull + (1ull << 32);
    std::set<double> seen;
    for (const RandomStream& stream : others) {
        for (std::uint32_t i = 0; i < 8; ++i) seen.insert(stream.uniform(i));
    }
    CHECK(seen.size() == 40);
}

TEST_CASE("filled tensors hold the numbers of their streams, whatever the batch and the number of threads") {
    for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(dtype);
        for (const auto fill : {fill_normal, fill_uniform}) {
            Tensor all = empty({5, 7, 143}, dtype), two = empty({2, 7, 143}, dtype), again = empty_like(all);
            fill(all, streams(10, 5));
            fill(two, streams(12, 2));
            CHECK(same_bits(all.slice(0, 2, 4), two));
            const int before = thread_count();
            set_thread_count(before == 1 ? 2 : 1);
            fill(again, streams(10, 5));
            set_thread_count(before);
            CHECK(same_bits(all, again));
        }
    }
}

TEST_CASE("an image's first numbers do not depend on its size") {
    Tensor small = empty({1, 5}), large = empty({1, 1003});
    fill_normal(small, streams(0, 1));
    fill_normal(large, streams(0, 1));
    CHECK(same_bits(small, large.slice(1, 0, 5)));
}

// The single numbers are computed in f64; 2e-6 is a few roundings of f32 at |x| < 6.
TEST_CASE("single numbers agree with filled tensors") {
    const RandomStream stream{.seed = 9, .purpose = Purpose::start, .index = 4};
    const auto normal = random_normal({1001}, stream).values(), precise = random_normal({1001}, stream, DType::f64).values();
    const auto uniform = random_uniform({1001}, stream).values();
    for (std::uint32_t i = 0; i < 1001; ++i) {
        CHECK(std::abs(normal[i] - stream.normal(i)) <= 2e-6);
        CHECK(std::abs(precise[i] - stream.normal(i)) <= 1e-13);
        CHECK(std::abs(uniform[i] - stream.uniform(i)) <= 1e-7);
    }
}

// Bounds: five standard deviations of the estimate over n numbers (1, 2, 15 and 96 over n are the variances of the first
// four moments' estimates for a normal distribution).
TEST_CASE("normal numbers have a normal distribution's moments") {
    constexpr int n = 1 << 20;
    const auto x = random_normal({n}, {.seed = 1}).values();
    std::array<double, 5> moment{};
    double lagged = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t k = 1; k <= 4; ++k) moment[k] += std::pow(x[i], static_cast<double>(k)) / n;
        lagged += x[i] * x[(i + 1) % x.size()] / n;
    }
    const auto within = [](double value, double wanted, double variance) {
        return std::abs(value - wanted) <= 5 * std::sqrt(variance / n);
    };
    CHECK(within(moment[1], 0, 1));
    CHECK(within(moment[2], 1, 2));
    CHECK(within(moment[3], 0, 15));
    CHECK(within(moment[4], 3, 96));
    CHECK(within(lagged, 0, 1));
    CHECK(std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); }));
    CHECK(*std::max_element(x.begin(), x.end()) > 4);    // the tail is there: P < 1e-14 otherwise
}

TEST_CASE("uniform numbers lie between 0 and 1, and fill it evenly") {
    constexpr int n = 1 << 20, bins = 64;
    const auto x = random_uniform({n}, {.seed = 2}).values();
    std::array<int, bins> count{};
    REQUIRE(std::all_of(x.begin(), x.end(), [](double value) { return 0 <= value && value < 1; }));
    for (const double value : x) ++count[static_cast<std::size_t>(value * bins)];
    double chi_square = 0;
    for (const int c : count) chi_square += std::pow(c - n / bins, 2) / (n / bins);
    CHECK(chi_square < 63 + 5 * std::sqrt(2 * 63.0));    // mean and five standard deviations for 63 degrees of freedom
}

TEST_CASE("permuted is a bijection for every size") {
    for (const std::uint64_t size : {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097, 60000}) {
        CAPTURE(size);
        std::vector<bool> seen(size);
        for (std::uint64_t i = 0; i < size; ++i) seen[permuted(i, size, 11, 3)] = true;
        CHECK(std::count(seen.begin(), seen.end(), true) == static_cast<std::ptrdiff_t>(size));
    }
    CHECK(permuted(0, 1ull << 40, 1, 1) < 1ull << 40);
    CHECK_THROWS_AS(permuted(5, 5, 0, 0), Error);
    CHECK_THROWS_AS(permuted(0, 0, 0, 0), Error);
}

TEST_CASE("another seed or epoch is another order, the same is the same") {
    const auto order = [](std::uint64_t seed, std::uint64_t epoch) {
        std::vector<std::uint64_t> result(1000);
        for (std::uint64_t i = 0; i < 1000; ++i) result[i] = permuted(i, 1000, seed, epoch);
        return result;
    };
    CHECK(order(1, 0) == order(1, 0));
    // Two independent orders agree in about one place: in more than ten with probability 1e-8.
    const auto agreeing = [](const auto& a, const auto& b) {
        int same = 0;
        for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
        return same;
    };
    CHECK(agreeing(order(1, 0), order(1, 1)) <= 10);
    CHECK(agreeing(order(1, 0), order(2, 0)) <= 10);
    std::vector<std::uint64_t> identity(1000);
    std::iota(identity.begin(), identity.end(), 0);
    CHECK(agreeing(order(1, 0), identity) <= 10);
}

// Over many epochs every value comes at every position, and every pair of values at the first two, equally often:
// χ² with its mean plus five standard deviations.
TEST_CASE("permuted is uniform over epochs") {
    constexpr std::uint64_t size = 7, epochs = 21000;
    std::array<std::array<int, size>, size> at{}, pair{};
    for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
        std::array<std::uint64_t, size> order;
        for (std::uint64_t i = 0; i < size; ++i) ++at[i][order[i] = permuted(i, size, 5, epoch)];
        ++pair[order[0]][order[1]];
    }
    const auto chi_square = [](const auto& table, double expected, bool diagonal) {
        double result = 0;
        for (std::size_t i = 0; i < size; ++i) {
            for (std::size_t j = 0; j < size; ++j) {
                if (i != j || diagonal) result += std::pow(table[i][j] - expected, 2) / expected;
            }
        }
        return result;
    };
    CHECK(chi_square(at, epochs / 7.0, true) < 36 + 5 * std::sqrt(72.0));
    CHECK(chi_square(pair, epochs / 42.0, false) < 41 + 5 * std::sqrt(82.0));
}

TEST_CASE("filling refuses a wrong number of streams or a view") {
    Tensor x = empty({2, 3});
    CHECK(error_of([&] { fill_normal(x, streams(0, 3)); }) ==
          "[fill_normal] expected a contiguous tensor (N, …) and N streams, got f32 (2, 3) and 3");
    Tensor turned = empty({3, 2}).transpose(0, 1);
    CHECK_THROWS_AS(fill_uniform(turned, streams(0, 2)), Error);
}

// The same integers; logarithm, root, sine and cosine of each side are within a few roundings of f32, at |x| < 6.
TEST_CASE("CUDA draws the CPU's numbers") {
    if (!cuda::available()) return;
    for (const Shape shape : {Shape{3, 5}, Shape{2, 4, 8}, Shape{1, 1003}, Shape{0, 4}}) {
        CAPTURE(shape);
        for (const bool normal : {true, false}) {
            CAPTURE(normal);
            const auto fill = normal ? fill_normal : fill_uniform;
            Tensor here = empty(shape), there = empty(shape, DType::f32, Device::cuda), rounded = there.to(DType::bf16);
            const auto keys = streams(1ull << 40, static_cast<int>(shape[0]));
            fill(here, keys);
            fill(there, keys);
            fill(rounded, keys);
            const auto a = here.values(), b = there.values();
            for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= (normal ? 2e-6 : 0));
            CHECK(same_bits(rounded, there.to(DType::bf16)));
        }
    }
    Tensor view = empty({11}, DType::f32, Device::cuda).slice(0, 1, 9).reshape({1, 8}), whole = empty_like(view);
    fill_normal(view, streams(0, 1));    // not at a multiple of 16 bytes
    fill_normal(whole, streams(0, 1));
    CHECK(same_bits(view, whole));
}
