#include "engine/autograd.h"

#include <doctest/doctest.h>

#include "engine/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

using Values = std::vector<double>;

Tensor leaf(std::initializer_list<double> values) {
    Tensor x = from_values(values, {static_cast<std::int64_t>(values.size())}, DType::f64);
    return x.requires_grad();
}

// Counts the nodes of its kind that exist.
struct Counted {
    static inline int alive = 0;
    Counted() { ++alive; }
    Counted(const Counted&) { ++alive; }
    ~Counted() { --alive; }
};
struct CountedBackward {
    Counted counted;
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, dy); }
};
Tensor counted(const Tensor& x) {
    const Tensor y = x.clone().detach();
    return recording(x) ? record<CountedBackward>(y, {x}, Counted()) : y;
}

}    // namespace

TEST_CASE("the gradient of a diamond is the sum over its paths") {
    const Tensor x = leaf({2, 3});
    const Tensor a = x * x, b = a * 3, c = exp(x * 0) * a;    // y = 3x² + x²
    sum(b + c).backward();
    const auto grad = x.grad().values();
    CHECK(grad[0] == doctest::Approx(8 * 2));
    CHECK(grad[1] == doctest::Approx(8 * 3));
}

// 2^20 paths, 20 nodes: each node runs once, when all its consumers have.
TEST_CASE("a ladder of diamonds visits every node once") {
    const Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < 20; ++i) y = y + y;
    sum(y).backward();
    CHECK(x.grad().item() == 0x1p20);
}

TEST_CASE("long and short paths meet in the right order") {
    const Tensor x = leaf({1.5});
    const Tensor early = x * 2;
    Tensor late = early;
    for (int i = 0; i < 10; ++i) late = late + 1;
    (sum(late * early) + sum(early)).backward();    // (2x + 10) 2x + 2x
    CHECK(x.grad().item() == doctest::Approx(8 * 1.5 + 20 + 2));
}

TEST_CASE("gradients of several backwards add up, begin_step starts afresh") {
    const Tensor x = leaf({1, 2});
    sum(x * 3).backward();
    sum(x * 4).backward();
    CHECK(x.grad().values() == Values{7, 7});
    begin_step(x);
    CHECK(!gradient_written(x));
    CHECK(!x.grad().defined());
    sum(x * 5).backward();
    CHECK(x.grad().values() == Values{5, 5});
}

TEST_CASE("a gradient that was read does not change when another is added") {
    const Tensor x = leaf({1, 2});
    sum(x * 3).backward();
    const Tensor before = x.grad();
    sum(x * 4).backward();
    CHECK(before.values() == Values{3, 3});
    CHECK(x.grad().values() == Values{7, 7});
}

// The sum hands one gradient to both leaves; sq writes into the one it is given.
TEST_CASE("a new step leaves alone what others hold of the last one") {
    const Tensor x = leaf({1, 2}), y = leaf({3, 4});
    sum((x + y) * 3).backward();
    const Tensor before = x.grad();
    begin_step(x);
    sum(sq(x)).backward();
    CHECK(x.grad().values() == Values{2, 4});
    CHECK(before.values() == Values{3, 3});
    CHECK(y.grad().values() == Values{3, 3});
    CHECK(error_of([] { begin_step(ones({2})); }) == "[begin_step] expected a leaf: call requires_grad() or make_leaf() first");
    CHECK_THROWS_AS(gradient_written(x * 2), Error);
}

TEST_CASE("a leaf over a buffer writes its slice, first over and then onto what is there") {
    const Tensor buffer = full({8}, 99, DType::f64), data = ones({3}, DType::f64);
    const Tensor x = make_leaf(data, buffer.slice(0, 2, 5));
    begin_step(x);
    for (const double wanted : {2.0, 4.0}) {
        sum(x * 2).backward();
        CHECK(buffer.values() == Values{99, 99, wanted, wanted, wanted, 99, 99, 99});
    }
    begin_step(x);
    sum(x.reshape({3, 1})).backward();    // a gradient that is handed over, not written in place
    CHECK(buffer.values() == Values{99, 99, 1, 1, 1, 99, 99, 99});
    CHECK(error_of([&] { make_leaf(data, buffer); }) == "[make_leaf] expected a gradient like f64 (3,), got f64 (8,)");
}

TEST_CASE("a leaf that the loss does not depend on has no gradient") {
    const Tensor x = leaf({1}), other = leaf({1});
    sum(x * 1).backward();
    CHECK(!other.grad().defined());
}

TEST_CASE("the loss itself may be a leaf") {
    Tensor x = scalar(3, DType::f64);
    x.requires_grad();
    x.backward();
    x.backward();
    CHECK(x.grad().item() == 2);
}

TEST_CASE("nothing is recorded without gradients, and nothing while NoGrad lives") {
    CHECK(!(ones({2}) * 2).has_gradient());
    const Tensor x = leaf({1, 2});
    {
        const NoGrad outer;
        CHECK(!recording());
        { const NoGrad inner; }
        CHECK(!recording());
        CHECK(!(x * 2).has_gradient());
        CHECK(!x.reshape({2, 1}).has_gradient());
        CHECK(!x.clone().has_gradient());
    }
    CHECK(recording());
    CHECK((x * 2).has_gradient());
    CHECK(!x.detach().has_gradient());
}

TEST_CASE("NoGrad ends when an exception passes") {
    const auto throws = [] {
        const NoGrad no_grad;
        fail("test", "thrown");
    };
    CHECK_THROWS_AS(throws(), Error);
    CHECK(recording());
}

TEST_CASE("a detached value is a constant") {
    const Tensor x = leaf({3});
    sum(x * x.detach()).backward();
    CHECK(x.grad().item() == 3);
}

TEST_CASE("backward asks for a scalar that depends on something, once") {
    const Tensor x = leaf({1, 2});
    CHECK(error_of([&] { (x * 2).backward(); }) == "[backward] expected a scalar loss, got f64 (2,)");
    CHECK_THROWS_AS(sum(ones({2})).backward(), Error);
    CHECK_THROWS_AS((x * 2).grad(), Error);
    CHECK_THROWS_AS(ones({2}, DType::i64).requires_grad(), Error);

    const std::string again = "[backward] a second backward through the same computation: its saved tensors are gone";
    const Tensor loss = sum(x * x);
    loss.backward();
    CHECK(error_of([&] { loss.backward(); }) == again);

    const Tensor shared = x * x, first = sum(shared), second = sum(shared * 2);
    first.backward();
    CHECK(error_of([&] { second.backward(); }) == again);
}

TEST_CASE("nodes are freed as the walk passes them, and with their tensors otherwise") {
    const Tensor x = leaf({1, 2});
    {
        Tensor y = x;
        for (int i = 0; i < 5; ++i) y = counted(y);
        const Tensor loss = sum(y);
        y = Tensor();
        CHECK(Counted::alive == 5);
        loss.backward();
        CHECK(Counted::alive == 0);
    }
    {
        const Tensor y = counted(counted(x));
        CHECK(Counted::alive == 2);
    }
    CHECK(Counted::alive == 0);
}

// Taken apart by recursion, either would overflow the stack.
TEST_CASE("a chain of 100,000 nodes is walked, and dropped") {
    const Tensor x = leaf({1});
    const auto chain = [&] {
        Tensor y = x;
        for (int i = 0; i < 100000; ++i) y = counted(y);
        return y;
    };
    chain();
    CHECK(Counted::alive == 0);
    chain().reshape({}).backward();
    CHECK(Counted::alive == 0);
    CHECK(x.grad().item() == 1);
}

TEST_CASE("a gradient of the wrong shape is an error") {
    struct WrongBackward {
        void backward(const Tensor&, Gradients& grad) { grad.give(0, ones({3}, DType::f64)); }
    };
    struct UnaskedBackward {
        void backward(const Tensor& dy, Gradients& grad) { grad.give(1, dy); }
    };
    const Tensor x = leaf({1, 2}), data = ones({2}, DType::f64);
    CHECK(error_of([&] { record<WrongBackward>(scalar(0, DType::f64), {x}).backward(); }) ==
          "[autograd] expected a gradient of f64 (2,), got f64 (3,)");
    CHECK_THROWS_AS(record<UnaskedBackward>(scalar(0, DType::f64), {x, data}).backward(), Error);
}
