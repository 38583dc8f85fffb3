#include "nn/layers/batch_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"
#include "nn/checkpoint.h"
#include "nn/ema.h"
#include "nn/init.h"
#include "nn/trainer.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using test::error_of;
using test::same_bits;

Tensor sample(std::uint64_t position, const Shape& shape = {8, 4, 4, 2}) {
    return random_normal(shape, {3, Purpose::data, position});
}

TEST_CASE("running statistics take up a tenth of the batch's mean and unbiased variance") {
    BatchNorm norm(2);
    const Tensor x = from_values({1, 10, 2, 20, 6, 60}, {3, 2});    // means 3 and 30, unbiased variances 7 and 700
    norm.train(x);
    CHECK(test::absolute_error(norm.running_mean.tensor, from_values({0.3, 3}, {2})) < 1e-6);
    CHECK(test::absolute_error(norm.running_var.tensor, from_values({0.9 + 0.7, 0.9 + 70}, {2})) < 1e-4);
    norm.train(x);
    CHECK(test::absolute_error(norm.running_mean.tensor, from_values({0.57, 5.7}, {2})) < 1e-5);

    const Tensor before = norm.running_var.tensor.clone();
    norm(x);                      // evaluation moves nothing
    norm.train(zeros({0, 2}));    // nor does a batch of nothing
    CHECK(same_bits(norm.running_var.tensor, before));
}

TEST_CASE("evaluation is what the running statistics say, image by image") {
    BatchNorm norm(2);
    for (std::uint64_t i = 0; i < 5; ++i) norm.train(2. * sample(i) + 3.);
    const Tensor x = sample(9), y = norm(x);
    CHECK(same_bits(norm(x.slice(0, 2, 3).contiguous()), y.slice(0, 2, 3)));
    const double mean = norm.running_mean.tensor.values()[1], variance = norm.running_var.tensor.values()[1];
    CHECK(y.values()[1] == doctest::Approx((x.values()[1] - mean) / std::sqrt(variance + 1e-5)).epsilon(1e-5));
}

// Convolution, normalisation and a number: step k's data are a function of k.
struct Net {
    Conv2d conv{2, 4, 3, {.padding = 1}, false};
    BatchNorm norm{4};
    Linear out{4, 1};

    Tensor train(const Tensor& x) const { return out(silu(norm.train(conv(x)))); }
    Tensor operator()(const Tensor& x) const { return out(silu(norm(conv(x)))); }

    template <class V>
    void visit(V& v) {
        v("conv", conv);
        v("norm", norm);
        v("out", out);
    }
};

struct Run {
    Net net;
    Parameters parameters{(initialise_pytorch(net, 5), net)};
    AdamW optimizer{{.weight_decay = 0.1, .max_norm = 1}};

    Tensor loss(Positions positions) const { return mean(sq(net.train(sample(positions.front())) - 1.)); }
    void train(std::int64_t steps, std::int64_t first = 0) {
        lull::train(parameters, optimizer, [this](Positions p) { return loss(p); },
                    {.steps = steps, .first_step = first, .batch = 8, .schedule = Constant{1e-2}});
    }
};

TEST_CASE("buffers lie behind the parameters: without gradient or step, averaged with the weights") {
    Run run;
    CHECK(run.parameters.count() == 4 * 9 * 2 + 4 + 4 + 4 + 1);
    REQUIRE(run.parameters.buffers().size() == 2);
    const Parameter& mean = run.parameters["norm.running_mean"];
    CHECK(mean.offset == run.parameters.learned());
    CHECK(run.net.norm.running_mean.tensor.storage() == run.parameters.weights.storage());
    CHECK_FALSE(run.net.norm.running_mean.tensor.has_gradient());

    run.train(1);
    const Tensor first = run.net.norm.running_mean.tensor.clone();
    const auto averaged = [&] { return run.parameters.averaged(run.net).norm.running_mean.tensor.clone(); };
    const double decay = EmaDecay{}(0);
    CHECK(test::largest(first) > 0);
    CHECK(test::relative_error(averaged(), (1 - decay) * first) < 1e-6);    // from 0
    const Tensor before = averaged();
    run.train(2, 1);
    const double second = EmaDecay{}(1);
    CHECK(test::relative_error(averaged(), second * before + (1 - second) * run.net.norm.running_mean.tensor) < 1e-6);
    CHECK(test::largest(Parameters::slice(run.parameters.first_moment, mean)) == 0);
}

TEST_CASE("with batch normalisation, too, four steps have the bits of two, a file, and two more") {
    const test::TemporaryFolder folder;
    Run whole, first, second;
    whole.train(4);
    first.train(2);
    save_training_state(folder / "state.safetensors", first.parameters, first.optimizer, {{"step", 2}});
    second.train(1);    // whatever was there is gone
    load_training_state(folder / "state.safetensors", second.parameters, second.optimizer);
    second.train(4, 2);
    CHECK(same_bits(second.parameters.weights, whole.parameters.weights));
    CHECK(same_bits(second.parameters.ema, whole.parameters.ema));
    CHECK(same_bits(second.parameters.second_moment, whole.parameters.second_moment));
    CHECK(same_bits(second.net(sample(50)), whole.net(sample(50))));
    CHECK_FALSE(same_bits(first.net.norm.running_var.tensor, whole.net.norm.running_var.tensor));
}

TEST_CASE("a checkpoint holds running statistics, raw and averaged, under PyTorch's names") {
    const test::TemporaryFolder folder;
    Run run;
    run.train(3);
    save_checkpoint(folder / "model.safetensors", run.parameters, {{"name", "net"}});
    Checkpoint checkpoint = read_checkpoint(folder / "model.safetensors");
    CHECK(checkpoint.tensors.contains("norm.running_var"));
    CHECK(checkpoint.tensors.contains("ema.norm.running_var"));

    Net net;
    load_weights(net, checkpoint, Weights::raw);
    CHECK(same_bits(net(sample(50)), run.net(sample(50))));
    load_weights(net, checkpoint, Weights::ema);
    CHECK(same_bits(net(sample(50)), run.parameters.averaged(run.net)(sample(50))));

    checkpoint.tensors["norm.num_batches_tracked"] = zeros({}, DType::i64);    // PyTorch's has one; it says nothing
    load_weights(net, checkpoint, Weights::raw);
    checkpoint.tensors.erase("norm.running_mean");
    CHECK(error_of([&] { load_weights(net, checkpoint, Weights::raw); }) ==
          "[checkpoint] there is no tensor 'norm.running_mean'");
}

TEST_CASE("passes that are not steps leave no trace in running statistics") {
    Run run;
    run.train(2);
    const Tensor before = run.parameters.weights.clone();
    const auto loss = [&](Positions p) { return run.loss(p); };
    seconds_per_step(run.parameters, loss, {.steps = 1, .batch = 8});
    CHECK(same_bits(run.parameters.weights, before));

    const auto broken = [&](Positions p) { return run.loss(p) * std::numeric_limits<double>::quiet_NaN(); };
    CHECK_THROWS_AS(train(run.parameters, run.optimizer, broken, {.steps = 3, .first_step = 2, .batch = 8}), Error);
    CHECK(same_bits(run.parameters.weights, before));
}

}    // namespace
}    // namespace lull
