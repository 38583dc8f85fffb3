#include "nn/parameters.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/files.h"

namespace lull {
namespace {

struct Toy {
    Tensor bias = from_values({1, 2, 3}, {3});
    Tensor matrix = from_values({1, 2, 3, 4, 5, 6}, {2, 3});
    Tensor unused = from_values({7}, {1});

    template <class V>
    void visit(V& v) {
        v("bias", bias);
        v("matrix", matrix);
        v("unused", unused);
    }
};

TEST_CASE("parameters move into flat buffers: decayed ones first, each at a multiple of 64 elements, zeros between") {
    Toy toy;
    const Parameters parameters(toy);
    CHECK(parameters.count() == 10);
    CHECK(parameters.decayed() == 64);
    CHECK(parameters.list()[0].name == "matrix");
    CHECK(parameters["matrix"].offset == 0);
    CHECK(parameters["bias"].offset == 64);
    CHECK(parameters["unused"].offset == 128);

    const std::vector<double> flat = parameters.weights.values();
    REQUIRE(flat.size() == 192);
    CHECK(flat[5] == 6);
    CHECK(flat[6] == 0);
    CHECK(flat[64] == 1);
    CHECK(flat[128] == 7);
    CHECK(parameters.ema.values() == flat);
    CHECK(toy.matrix.storage() == parameters.weights.storage());
    CHECK(toy.matrix.values() == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(test::error_of([&] { (void)parameters["Bias"]; }) == "[parameters] there is no parameter 'Bias'");
}

TEST_CASE("gradients land in the flat buffer: the first of a step overwrites, later ones add up") {
    Toy toy;
    Parameters parameters(toy);
    const auto backward = [&](double factor) { sum(toy.bias * factor).backward(); };
    const auto gradient = [&](const char* name) { return Parameters::slice(parameters.gradients, parameters[name]).values(); };
    parameters.begin_step();
    backward(2);
    backward(3);
    sum(toy.matrix * toy.matrix).backward();
    parameters.finish_step();
    CHECK(gradient("bias") == std::vector<double>{5, 5, 5});
    CHECK(gradient("matrix") == std::vector<double>{2, 4, 6, 8, 10, 12});

    parameters.begin_step();
    backward(4);
    parameters.finish_step();
    CHECK(gradient("bias") == std::vector<double>{4, 4, 4});
    CHECK(gradient("matrix") == std::vector<double>(6, 0));    // no pass has reached it in this step
    CHECK(gradient("unused") == std::vector<double>{0});
}

TEST_CASE("the averaged copy computes with the EMA weights as they are, outside autograd") {
    Toy toy;
    Parameters parameters(toy);
    const Toy average = parameters.averaged(toy);
    CHECK_FALSE(average.bias.has_gradient());
    CHECK(toy.bias.has_gradient());
    parameters.ema.data<float>()[parameters["bias"].offset] = 11;
    CHECK(average.bias.values() == std::vector<double>{11, 2, 3});
    CHECK(toy.bias.values() == std::vector<double>{1, 2, 3});
}

TEST_CASE("only f32 parameters are taken") {
    Toy toy;
    toy.bias = toy.bias.to(DType::f64);
    CHECK(test::error_of([&] { Parameters parameters(toy); }) == "[parameters] expected bias in f32, got f64 (3,)");
}

}    // namespace
}    // namespace lull
