#include "engine/ops/elementwise/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

// Shapes of a unary operation: a scalar, fewer elements than a vector, a tail, and more than one thread's share.
const std::vector<std::vector<Shape>> kShapes = {{{}}, {{1}}, {{7}}, {{3, 5, 2, 17}}, {{2, 16411}}};

// Pairs for a binary one: equal, per image, per channel, scalars, both operands broadcast, odd rows, extents of 1, and
// rows that are cut between threads.
const std::vector<std::vector<Shape>> kPairs = {
    {{3, 5}, {3, 5}},
    {{2, 3, 4, 5}, {2, 1, 1, 1}},
    {{2, 3, 4, 5}, {1, 1, 1, 5}},
    {{2, 3, 4, 5}, {}},
    {{}, {2, 3, 4, 5}},
    {{}, {}},
    {{2, 1, 4, 1}, {1, 3, 1, 5}},
    {{2, 3, 4, 5}, {2, 1, 4, 1}},
    {{1, 1, 1, 1}, {1, 1, 1, 1}},
    {{4, 33}, {4, 1}},
    {{2, 1, 1, 33}, {2, 3, 1, 33}},
    {{3, 8, 8, 96}, {3, 1, 1, 96}},
    {{2, 40, 40, 11}, {2, 1, 1, 1}},
};

void run_unary(const char* name, Tensor (*f)(const Tensor&), double low, double high, const char* golden = "",
               double tolerance = 1e-5) {
    run({name,
         [f](const Inputs& in) { return f(in[0]); },
         {.shapes = kShapes, .golden = golden, .low = low, .high = high, .tolerance = tolerance}});
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}    // namespace

TEST_CASE("leaky_relu with a shift") {
    run({"leaky_relu",
         [](const Inputs& in) { return leaky_relu(in[0], 0.1, 0.4); },
         {.shapes = kShapes, .golden = "leaky_relu", .gradient_check = false}});    // a kink at 0
    Tensor x = from_values({-2, 0, 3}, {3}, DType::f64);
    x.requires_grad();
    const Tensor y = leaky_relu(x, 0.25, 0.5);
    CHECK(y.values() == std::vector<double>{-1, -0.5, 2.5});
    sum(y).backward();
    CHECK(x.grad().values() == std::vector<double>{0.25, 0.25, 1});
    CHECK(std::isnan(leaky_relu(scalar(std::nan(""))).item()));
}

TEST_CASE("addition broadcasts, and sums its gradients back") {
    run({"add", [](const Inputs& in) { return in[0] + in[1]; }, {.shapes = kPairs, .golden = "add"}});
}

TEST_CASE("subtraction broadcasts, and sums its gradients back") {
    run({"sub", [](const Inputs& in) { return in[0] - in[1]; }, {.shapes = kPairs, .golden = "sub"}});
}

TEST_CASE("multiplication broadcasts, and sums its gradients back") {
    run({"mul", [](const Inputs& in) { return in[0] * in[1]; }, {.shapes = kPairs, .golden = "mul"}});
}

TEST_CASE("division broadcasts, and sums its gradients back") {
    run({"div", [](const Inputs& in) { return in[0] / in[1]; }, {.shapes = kPairs, .golden = "div", .low = 0.5, .high = 2}});
}

TEST_CASE("a per-image factor gives each image what it gives alone") {
    run({"mul", [](const Inputs& in) { return in[0] * in[1]; }, {.shapes = {{{3, 5, 7}, {3, 1, 1}}}, .per_image = {0, 1}}});
}

TEST_CASE("gradients of only one operand") {
    for (const int data : {0, 1}) {
        run({"add", [](const Inputs& in) { return in[0] + in[1]; }, {.shapes = {{{3, 5}, {3, 1}}}, .no_gradient = {data}}});
        run({"sub", [](const Inputs& in) { return in[0] - in[1]; }, {.shapes = {{{3, 5}, {3, 1}}}, .no_gradient = {data}}});
        run({"mul", [](const Inputs& in) { return in[0] * in[1]; }, {.shapes = {{{3, 5}, {3, 1}}}, .no_gradient = {data}}});
        run({"div",
             [](const Inputs& in) { return in[0] / in[1]; },
             {.shapes = {{{3, 5}, {3, 1}}}, .low = 0.5, .no_gradient = {data}}});
    }
}

TEST_CASE("numbers mix with tensors") {
    run({"affine", [](const Inputs& in) { return affine(in[0], -1.5, 0.25); }, {.shapes = kShapes}});
    const Tensor x = from_values({1, 2, -4}, {3}, DType::f64);
    CHECK((x + 1).values() == std::vector<double>{2, 3, -3});
    CHECK((1 + x).values() == std::vector<double>{2, 3, -3});
    CHECK((x - 1).values() == std::vector<double>{0, 1, -5});
    CHECK((1 - x).values() == std::vector<double>{0, -1, 5});
    CHECK((x * 3).values() == std::vector<double>{3, 6, -12});
    CHECK((3 * x).values() == std::vector<double>{3, 6, -12});
    CHECK((x / 2).values() == std::vector<double>{0.5, 1, -2});
    CHECK((2 / x).values() == std::vector<double>{2, 1, -0.5});
    CHECK((-x).values() == std::vector<double>{-1, -2, 4});
}

TEST_CASE("algebraic functions") {
    run_unary("reciprocal", reciprocal, 0.5, 3);
    run_unary("sq", sq, -3, 3, "square");
    run_unary("sqrt", sqrt, 0.5, 4, "sqrt");
}

TEST_CASE("exponential and logarithm") {
    run_unary("exp", exp, -3, 3, "exp");
    run_unary("log", log, 0.5, 8, "log");
}

TEST_CASE("sine and cosine") {
    run_unary("sin", sin, -10, 10, "sin");
    run_unary("cos", cos, -10, 10, "cos");
}

TEST_CASE("activations") {
    run_unary("sigmoid", sigmoid, -6, 6, "sigmoid");
    run_unary("silu", silu, -6, 6, "silu");
    // 1 - y² cancels where tanh is flat: 1.2e-7 of absolute error, beside golden gradients of 0.007.
    run_unary("tanh", tanh, -2, 2, "tanh", 3e-5);
    run_unary("gelu", gelu, -4, 4, "gelu_tanh");
}

// Central differences make no sense at a kink, which some of the random values are nearer to than a step: each side of it
// is checked by itself.
TEST_CASE("piecewise linear functions, on either side of their kinks") {
    run_unary("relu", relu, 0.1, 3, "relu");
    run_unary("relu", relu, -3, -0.1);
    const auto run_clamp = [](double low, double high) {
        run({"clamp", [](const Inputs& in) { return clamp(in[0], -1, 1.5); }, {.shapes = kShapes, .low = low, .high = high}});
    };
    run_clamp(-0.9, 1.4);
    run_clamp(-3, -1.1);
    run_clamp(1.6, 3);
}

TEST_CASE("clamp passes gradients inside and at its bounds") {
    Tensor x = from_values({-3, -1, 0, 1.5, 4}, {5}, DType::f64);
    x.requires_grad();
    const Tensor y = clamp(x, -1, 1.5);
    CHECK(y.values() == std::vector<double>{-1, -1, 0, 1.5, 1.5});
    (y.slice(0, 0, 1) + y.slice(0, 1, 2) + y.slice(0, 2, 3) + y.slice(0, 3, 4) + y.slice(0, 4, 5)).reshape({}).backward();
    CHECK(x.grad().values() == std::vector<double>{0, 1, 1, 1, 0});
}

TEST_CASE("special values behave as in <cmath>") {
    for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(dtype);
        const Tensor x = from_values({kInfinity, -kInfinity, 0, std::nan("")}, {4}, dtype);
        const auto at = [](const Tensor& y, std::size_t i) { return y.values()[i]; };
        for (Tensor (*f)(const Tensor&) : {exp, log, sqrt, sigmoid, silu, tanh, relu, gelu, sq, reciprocal})
            CHECK(std::isnan(at(f(x), 3)));
        CHECK(std::isnan(at(clamp(x, -1, 1), 3)));
        CHECK(at(exp(x), 0) == kInfinity);
        CHECK(at(exp(x), 1) == 0);
        CHECK(at(log(x), 0) == kInfinity);
        CHECK(at(log(x), 2) == -kInfinity);
        CHECK(std::isnan(at(log(x), 1)));
        CHECK(std::isnan(at(sqrt(x), 1)));
        CHECK(at(sigmoid(x), 0) == 1);
        CHECK(at(sigmoid(x), 1) == 0);
        CHECK(at(tanh(x), 0) == 1);
        CHECK(at(tanh(x), 1) == -1);
        CHECK(at(relu(x), 1) == 0);
        CHECK(at(reciprocal(x), 2) == kInfinity);
        CHECK(at(clamp(x, -1, 1), 0) == 1);
    }
}

TEST_CASE("tensors without elements are operands like others") {
    const Tensor none = empty({0, 3});
    CHECK((none + none).shape() == Shape{0, 3});
    CHECK((none * ones({1, 3})).shape() == Shape{0, 3});
    CHECK(exp(none).elements() == 0);
}

TEST_CASE("a vector against images is an error, never a match with the channels") {
    const Tensor images = ones({4, 2, 2, 4}), per_image = ones({4});
    CHECK(
        error_of([&] { images* per_image; }) ==
        "[multiply] expected equal ranks and extents that are equal or 1 (a per-image value is (N, 1, 1, 1)), got f32 (4, 2, 2, "
        "4) and f32 (4,)");
    CHECK_THROWS_AS(per_image + images, Error);
    CHECK_THROWS_AS(ones({4, 1}) - ones({4}), Error);
    CHECK_THROWS_AS(ones({4, 3}) / ones({4, 2}), Error);
    CHECK((images * per_image.reshape({4, 1, 1, 1})).shape() == images.shape());
}

TEST_CASE("types must agree and be f32 or f64") {
    CHECK(error_of([] { ones({2}) + ones({2}, DType::f64); }) ==
          "[add] expected operands of one type, got f32 (2,) and f64 (2,)");
    CHECK(error_of([] { exp(ones({2}, DType::i32)); }) == "[exp] expected a floating tensor, got i32 (2,)");
    CHECK_THROWS_AS(ones({2}, DType::i64) * ones({2}, DType::i64), Error);
    CHECK(error_of([] { clamp(ones({2}), 1, 0); }) == "[clamp] expected low ≤ high, got 1 and 0");
}

TEST_CASE("two operands may share one gradient without disturbing each other") {
    Tensor a = ones({3}, DType::f64), b = ones({3}, DType::f64);
    a.requires_grad();
    b.requires_grad();
    const Tensor both = a + b;    // hands the same tensor to both
    Tensor total = both * both + a * 10;
    (total.slice(0, 0, 1) + total.slice(0, 1, 2) + total.slice(0, 2, 3)).reshape({}).backward();
    CHECK(a.grad().values() == std::vector<double>{14, 14, 14});
    CHECK(b.grad().values() == std::vector<double>{4, 4, 4});
}
