#include "engine/ops/noised/noised.h"

#include <doctest/doctest.h>

#include "engine/cuda/runtime.h"
#include "engine/ops/elementwise/elementwise.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

std::vector<RandomStream> streams(std::int64_t images) {
    std::vector<RandomStream> result;
    for (std::int64_t n = 0; n < images; ++n)
        result.push_back({.seed = 5, .purpose = Purpose::noise, .index = 7 + static_cast<std::uint64_t>(n)});
    return result;
}

// The formulas, in operations of whole tensors.
NoisedImages by_definition(const Tensor& y, const Tensor& factors, double mean) {
    Tensor n = empty(y.shape(), DType::f64);
    fill_normal(n, streams(y.size(0)));
    const auto factor = [&](int i) { return factors.to(DType::f64).slice(1, i, i + 1).reshape({-1, 1, 1, 1}); };
    const Tensor centred = y.to(DType::f64) - mean;
    return {factor(0) * centred + factor(1) * n, factor(2) * centred + factor(3) * n};
}

}    // namespace

// 2e-6: a normal number's f32 roundings at |n| < 6, times factors of about 1. bf16: one rounding.
TEST_CASE("input and target are mixtures of image and noise, on every device") {
    for (const Shape shape : {Shape{1, 1, 1, 1}, Shape{3, 5, 7, 1}, Shape{2, 8, 8, 3}, Shape{2, 3, 3, 3}}) {
        CAPTURE(shape);
        const Tensor factors = uniform_values({shape[0], 4}, -1, 1, 2);
        for (const Device device : {Device::cpu, Device::cuda}) {
            if (device == Device::cuda && !cuda::available()) continue;
            for (const DType dtype : {DType::f32, DType::bf16}) {
                CAPTURE(device);
                CAPTURE(dtype);
                const Tensor y = uniform_values(shape, -1, 1, 1, dtype);
                const NoisedImages wanted = by_definition(y, factors, 0.25);
                const arena::Guard guard;
                const NoisedImages got = noised(y.to(device), streams(shape[0]), factors.to(device), 0.25);
                const double tolerance = dtype == DType::f32 ? 2e-6 : 0x1p-8;
                CHECK(got.input.dtype() == dtype);
                CHECK(relative_error(got.input, wanted.input) <= tolerance);
                CHECK(relative_error(got.target, wanted.target) <= tolerance);
                CHECK(guard.overruns() == 0);
            }
        }
    }
}

TEST_CASE("an image is noised alike whatever the batch") {
    for (const Device device : {Device::cpu, Device::cuda}) {
        if (device == Device::cuda && !cuda::available()) continue;
        const Tensor y = uniform_values({3, 4, 4, 1}, -1, 1, 1).to(device), factors = uniform_values({3, 4}, -1, 1, 2).to(device);
        const auto keys = streams(3);
        const NoisedImages all = noised(y, keys, factors);
        const NoisedImages last = noised(y.slice(0, 2, 3), std::span(keys).subspan(2), factors.slice(0, 2, 3));
        CHECK(same_bits(all.input.slice(0, 2, 3), last.input));
        CHECK(same_bits(all.target.slice(0, 2, 3), last.target));
    }
    CHECK(noised(empty({0, 4, 4, 1}), {}, empty({0, 4})).input.elements() == 0);
}

TEST_CASE("noising refuses what does not fit") {
    CHECK(error_of([] {
              noised(ones({2, 3}), streams(3), ones({2, 4}));
          }) == "[noised] expected images (N, …), floating, and N streams, got f32 (2, 3) and 3");
    CHECK(error_of([] {
              noised(ones({2, 3}), streams(2), ones({2, 3}));
          }) == "[noised] expected factors f32 (2, 4), got f32 (2, 3)");
}
