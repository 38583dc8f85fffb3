#include "engine/ops/cross_entropy/cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/cuda/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

// Some class for each row.
Tensor labels_for(const Tensor& logits) {
    std::vector<double> labels;
    for (std::int64_t n = 0; n < logits.size(0); ++n) labels.push_back(static_cast<double>((7 * n + 3) % logits.size(1)));
    return from_values(labels, {logits.size(0)}, DType::i32).to(logits.device());
}

}    // namespace

TEST_CASE("cross_entropy") {
    run({"cross_entropy",
         [](const Inputs& in) { return cross_entropy(in[0], labels_for(in[0])); },
         {.shapes = {{{1, 1}}, {{3, 7}}, {{20, 256}}, {{5, 10}}, {{2000, 10}}}, .low = -5, .high = 5}});
}

TEST_CASE("cross_entropy is PyTorch's") {
    for (const Golden& known : golden("cross_entropy")) {
        Tensor logits = known.inputs[0];
        logits.requires_grad();
        const Tensor loss = cross_entropy(logits, known.inputs[1]);
        CHECK(relative_error(loss, known.out) < 1e-12);
        loss.backward();
        Tensor wanted = known.grads.at(0).clone();
        for (std::int64_t i = 0; i < wanted.elements(); ++i) wanted.data<double>()[i] /= known.grad_out.item();
        CHECK(relative_error(logits.grad(), wanted) < 1e-12);
    }
}

TEST_CASE("cross_entropy of equal logits is ln K, and of large ones neither overflows nor loses what is small") {
    CHECK(cross_entropy(full({3, 10}, 700), from_values({0, 5, 9}, {3}, DType::i32)).item() ==
          doctest::Approx(std::log(10.)).epsilon(1e-6));
    CHECK(cross_entropy(from_values({1e30, 0, -1e30, 0}, {2, 2}), from_values({0, 1}, {2}, DType::i32)).item() == 0);
    CHECK(cross_entropy(from_values({-1e4, 1e4}, {1, 2}), from_values({0}, {1}, DType::i64)).item() == 2e4);
}

TEST_CASE("an offset that all logits share changes no gradient") {
    const auto gradient = [](double offset) {
        Tensor logits = from_values({offset, offset + 1, offset + 2}, {1, 3});
        logits.requires_grad();
        cross_entropy(logits, from_values({0}, {1}, DType::i32)).backward();
        return logits.grad().values();
    };
    const auto wanted = gradient(0);
    CHECK(wanted[0] == doctest::Approx(1 / (1 + std::exp(1.) + std::exp(2.)) - 1).epsilon(1e-6));
    for (const double offset : {-1e6, 1e3, 1e6}) CHECK(gradient(offset) == wanted);    // the logits are exact in f32
}

TEST_CASE("on CUDA, a label out of range makes the loss NaN, and an error where a value is read") {
    if (!cuda::available()) return;
    const Tensor logits = zeros({3, 4}, DType::f32, Device::cuda),
                 good = from_values({0, 3, 1}, {3}, DType::i32).to(Device::cuda);
    const Tensor loss = cross_entropy(logits, from_values({0, 4, -1}, {3}, DType::i32).to(Device::cuda));
    CHECK(error_of([&] { cuda::synchronize(); }) == "[cross_entropy] expected labels in [0, 4), got 4 for row 1");
    CHECK(std::isnan(loss.item()));    // the error has been told
    CHECK(cross_entropy(logits, good).item() == doctest::Approx(std::log(4.)).epsilon(1e-6));
}

TEST_CASE("cross_entropy refuses labels out of range, and what is no batch of logits") {
    const Tensor logits = zeros({3, 4});
    CHECK(error_of([&] {
              cross_entropy(logits, from_values({0, 4, -1}, {3}, DType::i32));
          }) == "[cross_entropy] expected labels in [0, 4), got 4 for row 1");
    CHECK(error_of([&] {
              cross_entropy(logits, from_values({0, 1}, {2}, DType::i32));
          }) == "[cross_entropy] expected labels (3,) of i32 or i64, got i32 (2,)");
    CHECK_THROWS_AS(cross_entropy(logits, zeros({3})), Error);
    CHECK_THROWS_AS(cross_entropy(zeros({0, 4}), zeros({0}, DType::i32)), Error);
    CHECK_THROWS_AS(cross_entropy(zeros({3, 4, 1}), zeros({3}, DType::i32)), Error);
}
