#include "engine/ops/pool/pool.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

const std::vector<std::vector<Shape>> kShapes = {{{2, 4, 6, 3}}, {{1, 7, 5, 19}}, {{3, 3, 3, 16}}, {{5, 9, 10, 1}}};

using Pool = Tensor (*)(const Tensor&, const PoolOptions&);

// golden: a name without options ("avg_pool2d") has one file entry for each kind of window.
void run_pool(const std::string& name, Pool pool) {
    const std::vector<std::pair<const char*, PoolOptions>> windows = {
        {"_k2", {}},
        {"_k3s2p1", {.kernel = 3, .stride = 2, .padding = 1}},
        {"_k2_ceil", {.ceil_mode = true}},
        {"_k3s1p1", {.kernel = 3, .stride = 1, .padding = 1}},
        {"_k3s2p1_ceil", {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true}}};
    for (const auto& [kind, options] : windows) {
        run({name + kind,
             [pool, window = options](const Inputs& in) { return pool(in[0], window); },
             {.shapes = kShapes, .golden = name + kind, .per_image = {0}}});
    }
}

}    // namespace

TEST_CASE("average pooling") { run_pool("avg_pool2d", avg_pool2d); }
TEST_CASE("maximum pooling") { run_pool("max_pool2d", max_pool2d); }

TEST_CASE("global average pooling") {
    run({"global_avg_pool2d",
         [](const Inputs& in) { return global_avg_pool2d(in[0]); },
         {.shapes = kShapes, .golden = "global_avg_pool2d", .per_image = {0}}});
}

// Of whole packs of 16 bytes, each tensor at such an address in turn.
TEST_CASE("maximum pooling on CUDA reads and writes images that begin at any address") {
    if (!cuda::available()) return;
    const Shape shape{2, 5, 4, 16};
    const Tensor values = uniform_values(shape, -1, 1, 1);
    for (const DType dtype : {DType::f32, DType::bf16}) {
        const auto pooled = [&](std::int64_t shift_x, std::int64_t shift_dx) {
            const auto place = [&](std::int64_t shift) {
                const Tensor room = zeros({shape.elements() + 1}, dtype, Device::cuda);
                return room.slice(0, shift, shift + shape.elements()).reshape(shape);
            };
            const Tensor x = place(shift_x), dx = place(shift_dx);
            copy(values, x);
            const Tensor y = max_pool2d(make_leaf(x, dx));
            sum(y).backward();
            return std::pair(y.detach(), dx);
        };
        const auto [y, dx] = pooled(0, 0);
        for (const auto& [shift_x, shift_dx] : {std::pair{1, 0}, std::pair{0, 1}, std::pair{1, 1}}) {
            const auto [other_y, other_dx] = pooled(shift_x, shift_dx);
            CHECK(same_bits(other_y, y));
            CHECK(same_bits(other_dx, dx));
        }
    }
}

TEST_CASE("a maximum's gradient goes to the first of equal elements, and a NaN's to the NaN") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Tensor x = from_values({3, 3, 1, 3, 0, nan, 0, 0}, {2, 2, 2, 1});
    x.requires_grad();
    const Tensor y = max_pool2d(x);
    CHECK(y.values()[0] == 3);
    CHECK(std::isnan(y.values()[1]));
    sum(y.slice(0, 0, 1)).backward();
    CHECK(x.grad().values() == std::vector<double>{1, 0, 0, 0, 0, 0, 0, 0});

    Tensor broken = from_values({1, nan, 2, 3}, {1, 2, 2, 1});
    broken.requires_grad();
    sum(max_pool2d(broken)).backward();
    CHECK(broken.grad().values() == std::vector<double>{0, 1, 0, 0});
}

TEST_CASE("pooling refuses windows that do not fit") {
    CHECK(error_of([] {
              avg_pool2d(zeros({1, 1, 4, 2}));
          }) == "[avg_pool2d] expected a window of 2 that fits the padded image, got f32 (1, 1, 4, 2)");
    CHECK(error_of([] {
              max_pool2d(zeros({1, 4, 4, 2}), {.kernel = 3, .padding = 2});
          }) == "[max_pool2d] expected a padding of 0 to half the kernel 3, got 2");
    CHECK_THROWS_AS(max_pool2d(zeros({1, 4, 4, 2}), {.kernel = 0}), Error);
    CHECK_THROWS_AS(avg_pool2d(zeros({4, 4, 2})), Error);
}
