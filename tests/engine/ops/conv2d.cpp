#include "engine/ops/conv2d/conv2d.h"

#include <doctest/doctest.h>

#include <array>

#include "engine/autograd.h"
#include "engine/cuda/library_conv.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/ops/upsample/upsample.h"
#include "engine/threads.h"
#include "tests/support/op_case.h"

namespace {

using namespace lull;
using namespace lull::test;

// x, weight and bias of a convolution: kernel k, C → O channels.
std::vector<Shape> shapes(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t o, std::int64_t k) {
    return {{n, h, w, c}, {o, k, k, c}, {o}};
}

OpCases conv_cases(const std::string& golden, std::int64_t k, const Conv2dOptions& options) {
    return {golden,
            [options](const Inputs& in) { return conv2d(in[0], in[1], in[2], options); },
            {.shapes = {shapes(2, 7, 6, 1, 5, k), shapes(1, 5, 9, 3, 17, k), shapes(3, 5, 6, 17, 2, k)}, .golden = golden}};
}

// The definition: y[n][i][j][o] = Σ x[n][i·s + a - p][j·s + b - p][c] w[o][a][b][c].
std::vector<double> conv2d_by_loops(const Tensor& x, const Tensor& w, const Conv2dOptions& options, const Shape& y) {
    const auto x_values = x.values(), w_values = w.values();
    const auto element = [](const std::vector<double>& values, const Shape& shape, std::int64_t a, std::int64_t b, std::int64_t c,
                            std::int64_t d) {
        return values[static_cast<std::size_t>(((a * shape[1] + b) * shape[2] + c) * shape[3] + d)];
    };
    std::vector<double> result;
    for (std::int64_t at = 0; at < y.elements(); ++at) {
        const std::int64_t o = at % y[3], j = at / y[3] % y[2], i = at / (y[3] * y[2]) % y[1], n = at / (y[3] * y[2] * y[1]);
        double sum = 0;
        for (std::int64_t tap = 0; tap < w.size(1) * w.size(2); ++tap) {
            const std::int64_t a = tap / w.size(2), b = tap % w.size(2);
            const std::int64_t row = i * options.stride + a - options.padding, column = j * options.stride + b - options.padding;
            if (row < 0 || row >= x.size(1) || column < 0 || column >= x.size(2)) continue;
            for (std::int64_t c = 0; c < x.size(3); ++c) {
                sum += element(x_values, x.shape(), n, row, column, c) * element(w_values, w.shape(), o, a, b, c);
            }
        }
        result.push_back(sum);
    }
    return result;
}

}    // namespace

TEST_CASE("conv2d 3×3") { run(conv_cases("conv2d_k3", 3, {.padding = 1})); }
TEST_CASE("conv2d 3×3, stride 2") { run(conv_cases("conv2d_k3s2", 3, {.stride = 2, .padding = 1})); }
TEST_CASE("conv2d 1×1") { run(conv_cases("conv2d_k1", 1, {})); }

// The linear layer that it is on a CPU: more pixels than one partial sum takes, channels enough to be rounded to bf16 where that
// was asked for, and rows of 4 KiB, which are left to the direct sum.
TEST_CASE("conv2d 1×1 of many pixels and of many channels") {
    for (const auto& of : {shapes(9, 16, 16, 5, 7, 1), shapes(2, 3, 4, 64, 72, 1), shapes(2, 2, 1, 1024, 3, 1)}) {
        run({"conv2d_linear",
             [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {}); },
             {.shapes = {of}, .per_image = {0}}});
    }
}
TEST_CASE("conv2d 5×5") { run(conv_cases("conv2d_k5", 5, {.padding = 2})); }
TEST_CASE("conv2d 3×3 without padding") { run(conv_cases("conv2d_k3p0s1", 3, {})); }
TEST_CASE("conv2d 2×2, stride 2") { run(conv_cases("conv2d_k2s2p0", 2, {.stride = 2})); }

// 3×3 with stride 1 and at least 16 channels on both sides goes by Winograd's tiles. Tiles that hang over the edge, channels
// that fill no vector, every padding it takes; sums that are kept whole, and (64 → 48) images' points that are kept instead,
// in more than one round of groups.
TEST_CASE("conv2d 3×3 by Winograd's tiles") {
    for (const int padding : {0, 1, 2}) {
        CAPTURE(padding);
        run({"conv2d_winograd",
             [&](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.padding = padding}); },
             {.shapes = {shapes(2, 8, 4, 16, 16, 3), shapes(3, 5, 7, 17, 20, 3), shapes(1, 3, 9, 33, 49, 3)}, .per_image = {0}}});
    }
    run({"conv2d_winograd_points",
         [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); },
         {.shapes = {shapes(cuda::available() ? 11 : 37, 4, 3, 64, 48, 3)}, .per_image = {0}}});    // CUDA knows no rounds
}

TEST_CASE("conv2d by Winograd's tiles stays accurate with many channels") {
    struct Width {
        std::int64_t channels, size;
        double error;    // the transforms' rounding grows with the channels: 1.6e-5 and 2.1e-5 were seen
    };
    for (const auto& [channels, size, error] : {Width{64, 16, 2e-5}, Width{256, 4, 4e-5}, Width{512, 4, 4e-5}}) {
        CAPTURE(channels);
        const auto evaluate = [&, channels = channels, size = size](DType dtype) {
            Tensor x = uniform_values({2, size, size, channels}, -2, 2, 1, DType::f32).to(dtype);
            Tensor w = uniform_values({64, 3, 3, channels}, -2, 2, 2, DType::f32).to(dtype);
            x.requires_grad();
            w.requires_grad();
            const Tensor y = conv2d(x, w, {}, {.padding = 1});
            sum(y * uniform_values(y.shape(), -1, 1, 3, DType::f32).to(dtype)).backward();
            return std::array{y.detach(), x.grad(), w.grad()};
        };
        const auto f32 = evaluate(DType::f32), f64 = evaluate(DType::f64);
        for (std::size_t i = 0; i < f32.size(); ++i) CHECK(relative_error(f32[i].to(DType::f64), f64[i]) <= error);
    }
}

TEST_CASE("conv2d by Winograd's tiles is what its definition says") {
    for (const int padding : {0, 1, 2}) {
        CAPTURE(padding);
        const Conv2dOptions options{.padding = padding};
        const Tensor x = uniform_values({2, 7, 10, 18}, -1, 1, 1, DType::f64);
        const Tensor w = uniform_values({21, 3, 3, 18}, -1, 1, 2, DType::f64);
        const Tensor y = conv2d(x, w, {}, options);
        // 162 products, through transforms that add and subtract up to ten times the sum.
        CHECK(relative_error(y, from_values(conv2d_by_loops(x, w, options, y.shape()), y.shape(), DType::f64)) <= 1e-13);
    }
}

TEST_CASE("conv2d reads through upsampling") {
    for (const int channels : {2, 16}) {    // the direct sum, and Winograd's tiles
        const Conv2dOptions options{.padding = 1, .upsample = 2};
        run({"conv2d_upsample",
             [&](const Inputs& in) { return conv2d(in[0], in[1], in[2], options); },
             {.shapes = {shapes(2, 3, 4, channels, channels + 1, 3)},
              .per_image = {0},
              .bf16_tolerance = cuda::available() ? 0x1.8p-8 : 0x1p-8}});    // there backward rounds sums of weights, too
        const Tensor x = uniform_values({2, 3, 5, channels}, -1, 1, 1, DType::f32);
        const Tensor w = uniform_values({17, 3, 3, channels}, -1, 1, 2, DType::f32);
        CHECK(same_bits(conv2d(x, w, {}, options), conv2d(upsample_nearest(x), w, {}, {.padding = 1})));
        CHECK(same_bits(conv2d(x, w, {}, {.stride = 2, .upsample = 3}), conv2d(upsample_nearest(x, 3), w, {}, {.stride = 2})));
        const Tensor pixel = uniform_values({17, 1, 1, channels}, -1, 1, 3, DType::f32);
        CHECK(relative_error(conv2d(x, pixel, {}, {.upsample = 2}), conv2d(upsample_nearest(x), pixel, {}, {})) < 1e-6);
    }
}

TEST_CASE("conv2d with a stride beyond its filter, and with a filter that is not square") {
    run({"conv2d_k2s3",
         [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.stride = 3, .padding = 1}); },
         {.shapes = {shapes(2, 7, 8, 3, 4, 2)}}});
    run({"conv2d_k2x5",
         [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.stride = 2, .padding = 2}); },
         {.shapes = {{{2, 6, 9, 3}, {4, 2, 5, 3}}}}});
}

// CUDA's tiles: 128 pixels, 32 or 64 channels, 32 (bf16) or 16 (f32) elements of filters, in packs of neighbouring channels. More
// than one and a part of each; the filters' gradient as a sum of several shares of the pixels; packs and taps with gaps.
TEST_CASE("conv2d with whole and partial tiles of pixels and channels") {
    const auto cases = [](const Conv2dOptions& options, const std::vector<Shape>& of) {
        run({"conv2d_tiles",
             [&](const Inputs& in) { return conv2d(in[0], in[1], in[2], options); },
             {.shapes = {of}, .per_image = {0}}});
    };
    cases({.padding = 1}, shapes(1, 9, 15, 24, 72, 3));
    cases({.stride = 2, .padding = 1}, shapes(2, 17, 16, 8, 40, 3));
    cases({.stride = 2, .padding = 2}, shapes(1, 6, 7, 8, 16, 5));
    cases({}, shapes(1, 23, 24, 8, 8, 1));
}

TEST_CASE("conv2d on CUDA reads images that begin at any address") {
    if (!cuda::available()) return;
    const Shape shape{2, 5, 4, 16};
    const Tensor values = uniform_values({shape.elements()}, -1, 1, 1);
    for (const DType dtype : {DType::f32, DType::bf16}) {
        const Tensor w = uniform_values({8, 3, 3, 16}, -1, 1, 2).to(dtype).to(Device::cuda);
        const Tensor aligned = values.reshape(shape).to(dtype).to(Device::cuda);
        const Tensor room = zeros({shape.elements() + 1}, dtype, Device::cuda), shifted = room.slice(0, 1, shape.elements() + 1);
        copy(values, shifted);    // element by element instead of 16 bytes, but in the same order
        CHECK(same_bits(conv2d(shifted.reshape(shape), w, {}, {.padding = 1}), conv2d(aligned, w, {}, {.padding = 1})));
    }
}

TEST_CASE("conv2d on CUDA of no images, and of no channels") {
    if (!cuda::available()) return;
    for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{2, 4, 4, 0}}) {
        CAPTURE(shape);
        Tensor x = zeros(shape, DType::f32, Device::cuda), w = ones({5, 3, 3, shape[3]}, DType::f32, Device::cuda);
        Tensor bias = full({5}, 3, DType::f32, Device::cuda);
        for (Tensor* t : {&x, &w, &bias}) t->requires_grad();
        const Tensor y = conv2d(x, w, bias, {.padding = 1});
        CHECK(y.values() == std::vector<double>(static_cast<std::size_t>(shape[0] * 4 * 4 * 5), 3));
        sum(y).backward();
        CHECK(w.grad().values() == std::vector<double>(static_cast<std::size_t>(5 * 3 * 3 * shape[3]), 0));
        CHECK(bias.grad().values() == std::vector<double>(5, static_cast<double>(shape[0] * 4 * 4)));
    }
}

#ifdef LULL_WITH_CUDA
TEST_CASE("conv2d on CUDA by our kernels and by the library") {
    if (!cuda::available()) return;
    for (const cuda::ConvPath path : {cuda::ConvPath::kernels, cuda::ConvPath::library}) {
        if (path == cuda::ConvPath::library && !cuda::has_library_conv()) continue;
        cuda::set_conv_path(path);
        run({"conv2d_library",
             [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.padding = 1}); },
             {.shapes = {{{2, 5, 6, 64}, {72, 3, 3, 64}}, {{2, 6, 5, 8}, {16, 3, 3, 8}}}}});
        run({"conv2d_library_stride",
             [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.stride = 2, .padding = 1}); },
             {.shapes = {shapes(1, 7, 8, 16, 8, 3)}}});
    }
    cuda::set_conv_path(cuda::ConvPath::by_table);
}
#endif

TEST_CASE("conv2d of any filter, stride and padding is what its definition says") {
    struct Filter {
        std::int64_t height, width;
        int stride, padding;
    };
    for (const Filter& f : std::initializer_list<Filter>{{1, 1, 2, 0},
                                                         {1, 1, 3, 0},
                                                         {1, 1, 1, 2},
                                                         {1, 1, 2, 1},
                                                         {4, 4, 1, 1},
                                                         {4, 4, 2, 1},
                                                         {3, 3, 1, 3},
                                                         {2, 2, 1, 5},
                                                         {3, 3, 3, 1},
                                                         {5, 5, 3, 2},
                                                         {7, 7, 2, 3},
                                                         {1, 3, 1, 1},
                                                         {4, 1, 2, 2},
                                                         {2, 3, 9, 0},
                                                         {7, 6, 1, 0}}) {
        CAPTURE(f.height);
        CAPTURE(f.width);
        CAPTURE(f.stride);
        CAPTURE(f.padding);
        const Conv2dOptions options{.stride = f.stride, .padding = f.padding};
        run({"conv2d",
             [&](const Inputs& in) { return conv2d(in[0], in[1], {}, options); },
             {.shapes = {{{2, 7, 6, 3}, {5, f.height, f.width, 3}}}, .per_image = {0}}});
        const Tensor x = uniform_values({2, 7, 6, 3}, -1, 1, 1, DType::f64);
        const Tensor w = uniform_values({5, f.height, f.width, 3}, -1, 1, 2, DType::f64);
        const Tensor y = conv2d(x, w, {}, options);
        // Sums of up to 147 products, in another order.
        CHECK(relative_error(y, from_values(conv2d_by_loops(x, w, options, y.shape()), y.shape(), DType::f64)) <= 1e-14);
    }
}

TEST_CASE("conv2d gives an image the same bits in every batch, with whole and partial register tiles") {
    const Tensor x = uniform_values({3, 11, 27, 20}, -1, 1, 1, DType::f32);
    const Tensor w = uniform_values({52, 3, 3, 20}, -1, 1, 2, DType::f32);
    const Tensor all = conv2d(x, w, {}, {.padding = 1});
    for (std::int64_t n = 0; n < 3; ++n) {
        CHECK(same_bits(conv2d(x.slice(0, n, n + 1), w, {}, {.padding = 1}), all.slice(0, n, n + 1)));
    }
    CHECK(conv2d(x.slice(0, 0, 0), w, {}, {.padding = 1}).shape() == Shape{0, 11, 27, 52});
}

TEST_CASE("conv2d gives one image the same bits on one thread and on four, which share its rows and tiles") {
    const Tensor x = uniform_values({1, 41, 40, 24}, -1, 1, 1, DType::f32);
    const int before = thread_count();
    for (const std::int64_t kernel : {1, 3}) {
        for (const int stride : {1, 2}) {
            CAPTURE(kernel);
            CAPTURE(stride);
            const Tensor w = uniform_values({20, kernel, kernel, 24}, -1, 1, 2, DType::f32);
            const auto by = [&](int threads) {
                set_thread_count(threads);
                return conv2d(x, w, {}, {.stride = stride, .padding = static_cast<int>(kernel) / 2});
            };
            const Tensor alone = by(1);
            for (int i = 0; i < 20; ++i) CHECK(same_bits(by(4), alone));
        }
    }
    set_thread_count(before);
}

TEST_CASE("conv2d without gradients keeps what it made of the weights until they change") {
    const NoGrad none;
    const Tensor x = uniform_values({1, 6, 5, 18}, -1, 1, 1, DType::f32), other_x = uniform_values({2, 9, 4, 18}, -1, 1, 3);
    Tensor w = uniform_values({17, 3, 3, 18}, -1, 1, 2, DType::f32);
    const Tensor first = conv2d(x, w, {}, {.padding = 1});
    CHECK(same_bits(conv2d(x, w, {}, {.padding = 1}), first));
    CHECK(same_bits(conv2d(other_x, w, {}, {.padding = 1}), conv2d(other_x, w.clone(), {}, {.padding = 1})));
    CHECK(same_bits(conv2d(x, w, {}, {.padding = 0}), conv2d(x, w.clone(), {}, {.padding = 0})));
    const Tensor part = w.slice(0, 1, 17);    // the same storage, from another place on
    CHECK(same_bits(conv2d(x, part, {}, {.padding = 1}), conv2d(x, part.clone(), {}, {.padding = 1})));
    const Tensor in_bf16 = conv2d(x.to(DType::bf16), w.to(DType::bf16), {}, {.padding = 1});
    for (Tensor weight : {w, w.to(DType::bf16)}) {
        const bool is_bf16 = weight.dtype() == DType::bf16;
        const Tensor image = x.to(weight.dtype()), before = conv2d(image, weight, {}, {.padding = 1});
        CHECK(same_bits(before, is_bf16 ? in_bf16 : first));
        for (std::int64_t i = 0; i < weight.elements(); ++i) {
            if (is_bf16)
                weight.data<bf16>()[i] = bf16(2 * static_cast<float>(weight.data<bf16>()[i]));
            else
                weight.data<float>()[i] *= 2;
        }
        weight.storage()->changed();
        CHECK(same_bits(conv2d(image, weight, {}, {.padding = 1}), conv2d(image, weight.clone(), {}, {.padding = 1})));
        CHECK_FALSE(same_bits(conv2d(image, weight, {}, {.padding = 1}), before));
    }
}

TEST_CASE("conv2d says which weight it expected") {
    CHECK_THROWS_WITH(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 5}), {}),
                      "[conv2d] expected weight (O, kh, kw, 2) for x f32 (1, 4, 4, 2), got f32 (3, 3, 3, 5)");
    CHECK_THROWS_AS(conv2d(zeros({1, 2, 2, 2}), zeros({3, 3, 3, 2}), {}), Error);
    CHECK_THROWS_AS(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 2}), zeros({2})), Error);
    CHECK_THROWS_AS(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 2}), {}, {.stride = 0}), Error);
}
