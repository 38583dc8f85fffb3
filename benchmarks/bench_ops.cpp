// How near the heavy operations of S16 come to the machine's peak, in GFLOP/s of direct convolution.
//
//     bench_ops [threads] [batch]
//
// Times are the best of many runs, so that other work on the machine disturbs little. The peak is measured between them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "engine/autograd.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/simd.h"
#include "engine/ops/batch_norm/batch_norm.h"
#include "engine/ops/conv2d/conv2d.h"
#include "engine/ops/conv2d/kernels.h"
#include "engine/ops/group_norm/group_norm.h"
#include "engine/ops/resnet_block/kernels.h"
#include "engine/ops/resnet_block/resnet_block.h"
#include "engine/random.h"
#include "engine/threads.h"

namespace {

using namespace lull;

// Seconds of the quickest run of f within about a third of a second.
template <class F>
double best_time(const F& f) {
    using Clock = std::chrono::steady_clock;
    f();
    double best = 1e30, total = 0;
    for (int runs = 0; runs < 5 || total < 0.3; ++runs) {
        const auto begin = Clock::now();
        f();
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        best = std::min(best, seconds);
        total += seconds;
    }
    return best;
}

// Multiply-adds that depend on nothing but registers, on all threads.
double peak_gflops() {
    constexpr int kChains = 16;
    constexpr std::int64_t kSteps = 100'000;
    const double seconds = best_time([] {
        cpu::parallel_for(thread_count(), [](std::int64_t) {
            const cpu::Tag<float> d;
            cpu::Vec<float> sum[kChains];
            for (int i = 0; i < kChains; ++i) sum[i] = cpu::hn::Set(d, static_cast<float>(i));
            const auto a = cpu::hn::Set(d, 0.999f), b = cpu::hn::Set(d, 1e-3f);
            for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
                for (int i = 0; i < kChains; ++i) sum[i] = cpu::hn::MulAdd(sum[i], a, b);
            }
            for (int i = 1; i < kChains; ++i) sum[0] = cpu::hn::Add(sum[0], sum[i]);
            if (cpu::hn::GetLane(sum[0]) < 0) std::abort();    // never: but the compiler must not know
        });
    });
    return 2. * kChains * kSteps * cpu::lanes<float>() * thread_count() / seconds * 1e-9;
}

Tensor noise(const Shape& shape, std::uint64_t index) {
    return random_normal(shape, {.seed = 1, .purpose = Purpose::data, .index = index});
}

void bench_conv(std::int64_t N, std::int64_t size, std::int64_t C, std::int64_t O, int stride) {
    const Conv2dOptions options{.stride = stride, .padding = 1};
    const Tensor x = noise({N, size, size, C}, 0), w = noise({O, 3, 3, C}, 1);
    const Tensor y = empty({N, size / stride, size / stride, O}), dy = noise(y.shape(), 2);
    const Into dx{empty_like(x)}, dw{empty_like(w)};
    const double gflop = 2e-9 * static_cast<double>(y.elements() * 9 * C);
    const double forward = best_time([&] { cpu::conv2d_forward(x, w, {}, options, y); });
    const double data = best_time([&] { cpu::conv2d_backward_data(w, dy, options, dx); });
    const double weights = best_time([&] { cpu::conv2d_backward_weights(x, w, dy, options, dw, {}); });
    std::printf("conv 3x3%s %2d^2 %3d->%3d    forward %6.1f   backward-data %6.1f   backward-weights %6.1f GFLOP/s\n",
                stride == 2 ? "/2" : "  ", static_cast<int>(size), static_cast<int>(C), static_cast<int>(O), gflop / forward,
                gflop / data, gflop / weights);
}

void bench_block(std::int64_t N, std::int64_t size, std::int64_t C1, std::int64_t C2, std::int64_t O) {
    const std::int64_t C = C1 + C2;
    const Tensor x = noise({N, size, size, C1}, 0), skip = C2 ? noise({N, size, size, C2}, 1) : Tensor(), emb = noise({N, O}, 2);
    ResnetBlockWeights w{ones({C}), zeros({C}), noise({O, 3, 3, C}, 3), zeros({O}),
                         ones({O}), zeros({O}), noise({O, 3, 3, O}, 4), zeros({O}),
                         {},        {}};
    if (C != O) {
        w.shortcut_weight = noise({O, 1, 1, C}, 5);
        w.shortcut_bias = zeros({O});
    }
    const ResnetBlockOptions options{};
    const Tensor y = empty({N, size, size, O}), h = empty_like(y), dy = noise(y.shape(), 6);
    const Tensor statistics1 = empty({N, options.groups, 2}), statistics2 = empty_like(statistics1);
    const auto into = [](const Tensor& t) { return t.defined() ? Into{empty_like(t)} : Into{}; };
    const ResnetBlockGradients gradients{into(x),
                                         into(skip),
                                         into(emb),
                                         into(w.norm1_weight),
                                         into(w.norm1_bias),
                                         into(w.conv1_weight),
                                         into(w.conv1_bias),
                                         into(w.norm2_weight),
                                         into(w.norm2_bias),
                                         into(w.conv2_weight),
                                         into(w.conv2_bias),
                                         into(w.shortcut_weight),
                                         into(w.shortcut_bias)};
    const double gflop = 2e-9 * static_cast<double>(N * size * size * O * (9 * C + 9 * O + (C == O ? 0 : C)));
    const double forward =
        best_time([&] { cpu::resnet_block_forward(x, skip, emb, w, options, y, h, statistics1, statistics2); });
    const double backward =
        best_time([&] { cpu::resnet_block_backward(x, skip, emb, w, options, h, statistics1, statistics2, dy, gradients); });
    std::printf("resnet_block %2d^2 %2d+%2d->%2d    forward %6.1f (%5.2f ms)   backward %6.1f (%5.2f ms) GFLOP/s\n",
                static_cast<int>(size), static_cast<int>(C1), static_cast<int>(C2), static_cast<int>(O), gflop / forward,
                1e3 * forward, 2 * gflop / backward, 1e3 * backward);
}

void bench_group_norm(std::int64_t N, std::int64_t size, std::int64_t C) {
    const Tensor x = noise({N, size, size, C}, 0);
    const double forward = best_time([&] {
        const NoGrad none;
        group_norm(x, ones({C}), zeros({C}), {.activation = Activation::silu});
    });
    std::printf("group_norm + SiLU %2d^2 %2d    forward %.2f ns per element\n", static_cast<int>(size), static_cast<int>(C),
                1e9 * forward / static_cast<double>(x.elements()));
}

void bench_batch_norm(std::int64_t N, std::int64_t size, std::int64_t C) {
    const Tensor x = noise({N, size, size, C}, 0);
    const double forward = best_time([&] {
        const NoGrad none;
        batch_norm_train(x, ones({C}), zeros({C}));
    });
    std::printf("batch_norm, training %2d^2 %2d    forward %.2f ns per element\n", static_cast<int>(size), static_cast<int>(C),
                1e9 * forward / static_cast<double>(x.elements()));
}

void print_peak() { std::printf("peak %.1f GFLOP/s, %d threads\n", peak_gflops(), thread_count()); }

}    // namespace

int main(int argc, char** argv) {
    if (argc > 1) set_thread_count(std::atoi(argv[1]));
    const std::int64_t N = argc > 2 ? std::atoi(argv[2]) : 32;
    print_peak();
    bench_conv(N, 32, 1, 16, 1);
    bench_conv(N, 32, 16, 16, 1);
    bench_conv(N, 32, 48, 16, 1);
    bench_conv(N, 32, 16, 1, 1);
    bench_conv(N, 32, 16, 16, 2);
    bench_conv(N, 16, 32, 32, 1);
    bench_conv(N, 16, 32, 32, 2);
    bench_conv(N, 8, 64, 64, 1);
    bench_conv(N, 8, 128, 64, 1);
    print_peak();
    bench_block(N, 32, 16, 0, 16);
    bench_block(N, 32, 32, 16, 16);
    bench_block(N, 32, 16, 16, 16);
    bench_block(N, 16, 16, 0, 32);
    bench_block(N, 16, 32, 0, 32);
    bench_block(N, 16, 32, 32, 32);
    bench_block(N, 16, 64, 32, 32);
    bench_block(N, 8, 32, 0, 64);
    bench_block(N, 8, 64, 0, 64);
    bench_block(N, 8, 64, 64, 64);
    bench_group_norm(N, 32, 16);
    bench_batch_norm(N, 32, 16);
    print_peak();
}
