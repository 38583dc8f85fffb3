// Kernels with a fault each: executing them on the CPU finds it, and says where. Each is run right, too, and then passes.
// (Accesses out of bounds end the program under AddressSanitizer, races under ThreadSanitizer: see crashes.cpp.)
#ifdef LULL_CUDA_HOST
#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

#include "engine/cuda/device.h"
#include "engine/cuda/host/block.h"
#include "engine/tensor.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 64;

struct Shared {
    float value[kThreads];
};

// The block's values, in reverse. Faulty: thread 0 does not come to the barrier.
template <bool faulty>
__global__ void reverse_kernel(const float* x, float* y) {
    auto& shared = shared_memory<Shared>();
    const unsigned i = threadIdx.x;
    shared.value[i] = x[i];
    if (faulty && i == 0) return;
    sync_block();
    y[i] = shared.value[kThreads - 1 - i];
}

// Faulty: half of the block waits at another barrier.
template <bool faulty>
__global__ void two_barriers_kernel(float* y) {
    if (!faulty || threadIdx.x < kThreads / 2)
        sync_block();
    else
        sync_block();
    y[threadIdx.x] = 1;
}

// The sum over a warp. Faulty: only half of the lanes take part, as with a mask of 0xffff.
template <bool faulty>
__global__ void warp_sum_kernel(const float* x, float* y) {
    float v = x[threadIdx.x];
    if (!faulty || lane_of_thread() < kWarp / 2) v = warp_sum(v);
    y[threadIdx.x] = v;
}

// Faulty: the element that nobody wrote is read.
template <bool faulty>
__global__ void shift_kernel(const float* x, float* y) {
    auto& shared = shared_memory<Shared>();
    const unsigned i = threadIdx.x;
    if (!faulty || i > 0) shared.value[i] = x[i];
    sync_block();
    y[i] = shared.value[i];
}

// 16 bytes to shared memory, asynchronously. Faulty: nobody waits for them.
template <bool faulty>
__global__ void async_kernel(const float* x, float* y) {
    struct alignas(16) Tile {
        float value[4 * kThreads];
    };
    auto& tile = shared_memory<Tile>();
    copy16_async(tile.value + 4 * threadIdx.x, x + 4 * threadIdx.x);
    copy_commit();
    if (!faulty) copy_wait<0>();
    sync_block();
    for (int k = 0; k < 4; ++k) y[4 * threadIdx.x + k] = tile.value[4 * threadIdx.x + k];
}

// Faulty: asks for more shared memory than it was launched with.
__global__ void greedy_kernel(float* y) { y[0] = shared_memory<Shared>().value[0]; }

// 16 bytes for each thread, read at once, written at once, copied asynchronously and read as rows of matrices. Faulty: they begin
// one element too late.
struct alignas(16) Tile {
    float value[4 * kThreads + 4];
};
template <bool faulty>
__global__ void load_kernel(const float* x, float* y) {
    const Pack<float> four = load16(x + 4 * threadIdx.x + (faulty ? 1 : 0));
    y[threadIdx.x] = four.at[0];
}
template <bool faulty>
__global__ void store_kernel(const float* x, float* y) {
    float* const to = shared_memory<Tile>().value + 4 * threadIdx.x + (faulty ? 1 : 0);
    store16(to, load16(x + 4 * threadIdx.x));
    y[threadIdx.x] = *to;
}
template <bool faulty>
__global__ void fetch_kernel(const float* x, float* y) {
    float* const to = shared_memory<Tile>().value + 4 * threadIdx.x;
    copy16_async(to, x + 4 * threadIdx.x + (faulty ? 1 : 0));
    copy_commit();
    copy_wait<0>();
    y[threadIdx.x] = *to;
}
template <bool faulty>
__global__ void matrix_kernel(const float* x, float* y) {
    float* const row = shared_memory<Tile>().value + 4 * threadIdx.x + (faulty ? 1 : 0);
    for (int k = 0; k < 4; ++k) row[k] = x[4 * threadIdx.x + k];
    sync_warp();
    std::uint32_t fragments[4];
    ldmatrix_x4(fragments, row);
    y[threadIdx.x] = row[0];
}

constexpr Launch one_block{.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Shared)};

Tensor counting(std::int64_t n) {
    std::vector<double> values(static_cast<std::size_t>(n));
    std::iota(values.begin(), values.end(), 0);
    return from_values(values, {n}).to(Device::cuda);
}

template <auto kernel>
std::vector<double> run(const Launch& how = one_block, std::int64_t n = kThreads) {
    const Tensor x = counting(n);
    Tensor y = zeros({n}, DType::f32, Device::cuda);
    launch<kernel>(how, x.data<float>(), y.data<float>());
    return y.values();
}

}    // namespace

TEST_CASE("a thread that leaves before a barrier is found") {
    const auto y = run<reverse_kernel<false>>();
    for (int i = 0; i < kThreads; ++i) CHECK(y[static_cast<std::size_t>(i)] == kThreads - 1 - i);
    const std::string error = test::error_of([] { run<reverse_kernel<true>>(); });
    CHECK(error.starts_with("[reverse_kernel<true>] block (0, 0, 0): thread (1, 0, 0) waits at "));
    CHECK(error.ends_with(" for a barrier, but thread (0, 0, 0) has left the kernel"));
    run<reverse_kernel<false>>();    // what was found leaves nothing behind
}

TEST_CASE("threads that wait at different barriers are found") {
    const auto launch_it = []<bool faulty>(std::bool_constant<faulty>) {
        Tensor y = zeros({kThreads}, DType::f32, Device::cuda);
        launch<two_barriers_kernel<faulty>>(one_block, y.data<float>());
    };
    launch_it(std::false_type{});
    const std::string error = test::error_of([&] { launch_it(std::true_type{}); });
    CHECK(error.find("[two_barriers_kernel<true>] block (0, 0, 0): thread (0, 0, 0) waits at ") == 0);
    CHECK(error.find(" for a barrier, but thread (32, 0, 0) waits at ") != error.npos);
}

TEST_CASE("lanes that miss an operation of their warp are found") {
    CHECK(run<warp_sum_kernel<false>>()[3] == 31 * 32 / 2);
    const std::string error = test::error_of([] { run<warp_sum_kernel<true>>(); });
    CHECK(error.find(" for an operation of the warp, but thread (16, 0, 0) has left the kernel") != error.npos);
}

TEST_CASE("a read of shared memory that nobody wrote shows as another result with another pattern") {
    const auto with = [](int pattern, auto kernel_run) {
        host::set_shared_fill(pattern);
        const auto y = kernel_run();
        host::set_shared_fill(0x7F);
        return y;
    };
    CHECK(with(0x7F, [] { return run<shift_kernel<false>>(); }) == with(0x00, [] { return run<shift_kernel<false>>(); }));
    CHECK(with(0x7F, [] { return run<shift_kernel<true>>(); }) != with(0x00, [] { return run<shift_kernel<true>>(); }));
}

TEST_CASE("asynchronous copies land when they are waited for, and not before") {
    const Launch how{.grid = {1}, .block = {kThreads}, .shared_bytes = 16 * kThreads};
    CHECK(run<async_kernel<false>>(how, 4 * kThreads) == counting(4 * kThreads).values());
    for (const double y : run<async_kernel<true>>(how, 4 * kThreads)) CHECK(y > 1e38);    // the pattern
}

TEST_CASE("an access of 16 bytes at an address that is no multiple of 16 is found") {
    const Launch how{.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Tile)};
    const auto check_both = [&]<auto right, auto faulty>(const std::string& name) {
        CHECK(run<right>(how, 5 * kThreads)[3] == 12);
        CHECK(test::error_of([&] { run<faulty>(how, 5 * kThreads); }) ==
              '[' + name +
                  "] block (0, 0, 0): thread (0, 0, 0) accesses 16 bytes at an address that is 4 bytes beyond a multiple of 16");
    };
    check_both.operator()<load_kernel<false>, load_kernel<true>>("load_kernel<true>");
    check_both.operator()<store_kernel<false>, store_kernel<true>>("store_kernel<true>");
    check_both.operator()<fetch_kernel<false>, fetch_kernel<true>>("fetch_kernel<true>");
    check_both.operator()<matrix_kernel<false>, matrix_kernel<true>>("matrix_kernel<true>");
}

TEST_CASE("a use of more shared memory than there is, is found") {
    Tensor y = zeros({1}, DType::f32, Device::cuda);
    CHECK_THROWS_WITH(
        launch<greedy_kernel>({.grid = {1}, .block = {1}, .shared_bytes = 16}, y.data<float>()),
        "[greedy_kernel] expected at most the 16 bytes of shared memory that it was launched with, got a use of 256");
}

TEST_CASE("a launch with more shared memory than any GPU may be counted on to have is refused") {
    Tensor y = zeros({1}, DType::f32, Device::cuda);
    CHECK_THROWS_WITH(launch<greedy_kernel>({.grid = {1}, .block = {1}, .shared_bytes = 120000}, y.data<float>()),
                      "[greedy_kernel] expected at most 101376 bytes of shared memory, got 120000");
}

}    // namespace lull::cuda
#endif
