#include "engine/ops/dropout/dropout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

// Image n of training step `step`.
std::vector<RandomStream> streams(std::int64_t images, std::uint64_t first = 0) {
    std::vector<RandomStream> result;
    for (std::int64_t n = 0; n < images; ++n)
        result.push_back({.seed = 7, .purpose = Purpose::dropout, .index = first + static_cast<std::uint64_t>(n)});
    return result;
}

}    // namespace

TEST_CASE("dropout and its gradient drop the same elements") {
    run({"dropout",
         [](const Inputs& in) { return dropout(in[0], 0.3, streams(in[0].size(0))); },
         {.shapes = {{{1, 1}}, {{3, 7}}, {{2, 3, 5, 7}}, {{2, 5001}}}}});
}

TEST_CASE("an element is dropped when its uniform number is below p") {
    const auto stream = streams(2);
    const Tensor y = dropout(ones({2, 1001}, DType::f64), 0.25, stream);
    const auto values = y.values();
    for (std::uint32_t i = 0; i < 2002; ++i) {
        const bool kept = stream[i / 1001].uniform(i % 1001) >= 0.25;
        CHECK(values[i] == (kept ? 1 / 0.75 : 0.0));
    }
}

TEST_CASE("an image's mask is its stream's, wherever it stands in the batch") {
    const Tensor x = ones({4, 300});
    const Tensor all = dropout(x, 0.5, streams(4, 10));
    const Tensor last_two = dropout(x.slice(0, 0, 2), 0.5, streams(2, 12));
    CHECK(same_bits(all.slice(0, 2, 4), last_two));
    CHECK(!same_bits(all.slice(0, 0, 1), all.slice(0, 1, 2)));
}

// Of 2^18 elements a share p ± √(p (1 - p)) / 512 is dropped; five such deviations.
TEST_CASE("dropout drops a share of p and keeps the mean") {
    for (const double p : {0.0, 0.1, 0.5, 0.9}) {
        const auto values = dropout(ones({4, 1 << 16}, DType::f64), p, streams(4)).values();
        const double dropped = static_cast<double>(std::count(values.begin(), values.end(), 0.0)) / (1 << 18);
        CHECK(std::abs(dropped - p) <= 5 * std::sqrt(p * (1 - p)) / 512);
        CHECK(*std::max_element(values.begin(), values.end()) == 1 / (1 - p));
    }
}

TEST_CASE("dropout refuses a wrong probability or number of streams") {
    CHECK(error_of([] { dropout(ones({2, 3}), 1, streams(2)); }) == "[dropout] expected a probability in [0, 1), got 1");
    CHECK_THROWS_AS(dropout(ones({2, 3}), -0.1, streams(2)), Error);
    CHECK(error_of([] {
              dropout(ones({2, 3}), 0.5, streams(3));
          }) == "[dropout] expected x (N, …) and N streams, got f32 (2, 3) and 3");
}
