#include "nn/lr_schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "engine/io/safetensors.h"
#include "nn/ema.h"
#include "tests/support/files.h"

namespace lull {
namespace {

TEST_CASE("one-cycle is PyTorch's, learning rate and momentum") {
    const auto golden = load_safetensors(test::source_dir() / "tests/golden/one_cycle.safetensors").tensors;
    const std::vector<double> lr = golden.at("lr").values(), beta1 = golden.at("beta1").values();
    const OneCycle schedule{.max_lr = 4e-3, .total_steps = static_cast<std::int64_t>(lr.size())};
    for (std::size_t i = 0; i < lr.size(); ++i) {
        const Rate rate = schedule(static_cast<std::int64_t>(i));
        // The same formula in f64, its terms maybe in another order: the floor of the second half is 3e-5 of its start.
        CHECK(std::abs(rate.learning_rate - lr[i]) < 1e-15);
        CHECK(std::abs(rate.beta1.value() - beta1[i]) < 1e-14);
    }
    CHECK(schedule(1000).learning_rate == schedule(49).learning_rate);
}

TEST_CASE("a one-cycle of a few steps has no step that is not a number") {
    for (const std::int64_t steps : {2, 3, 4, 10}) {
        for (std::int64_t step = 0; step < steps; ++step) {
            const Rate rate = OneCycle{.max_lr = 1, .total_steps = steps}(step);
            CHECK((rate.learning_rate > 0 && rate.learning_rate <= 1));
        }
    }
}

TEST_CASE("constant and cosine rates warm up linearly, and the cosine ends at its floor") {
    const Constant constant{.lr = 8, .warmup = 3};
    CHECK(constant(0).learning_rate == 2);
    CHECK(constant(2).learning_rate == 6);
    CHECK(constant(3).learning_rate == 8);
    CHECK(constant(900).learning_rate == 8);
    CHECK_FALSE(constant(0).beta1.has_value());

    const Cosine cosine{.lr = 8, .total_steps = 14, .warmup = 3, .floor = 2};
    CHECK(cosine(0).learning_rate == 2);
    CHECK(cosine(3).learning_rate == 8);
    CHECK(cosine(8).learning_rate == doctest::Approx(5));    // half-way between 3 and 13
    CHECK(cosine(13).learning_rate == doctest::Approx(2));
    CHECK(cosine(99).learning_rate == doctest::Approx(2));
}

TEST_CASE("the EMA's decay rises to its final value") {
    const EmaDecay decay{.decay = 0.999};
    CHECK(decay(0) == 0.1);
    CHECK(decay(90) == 0.91);
    CHECK(decay(100'000) == 0.999);
}

}    // namespace
}    // namespace lull
