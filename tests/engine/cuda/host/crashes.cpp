// Kernels whose faults end the program: under AddressSanitizer those that go out of bounds, under ThreadSanitizer those that
// race. Each case is a test of its own in tests/CMakeLists.txt, which expects the sanitizer's report; run directly, they are
// skipped.
#ifdef LULL_CUDA_HOST
#include <doctest/doctest.h>

#include "engine/cuda/device.h"
#include "engine/tensor.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 64;

struct Shared {
    float value[kThreads];
};

constexpr Launch one_block{.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Shared)};

// Each thread writes to its right neighbour's place: the last one beyond the end.
__global__ void shared_overrun_kernel(float* y) {
    auto& shared = shared_memory<Shared>();
    float* const right = shared.value + threadIdx.x + 1;
    *right = 1;
    sync_block();
    y[threadIdx.x] = shared.value[threadIdx.x];
}

// i <= n where i < n is meant.
__global__ void off_by_one_kernel(float* y, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i <= n) y[i] = 1;
}

// No barrier between writing and reading. With one, it is the reversal of the block.
template <bool barrier>
__global__ void missing_barrier_kernel(float* y) {
    auto& shared = shared_memory<Shared>();
    shared.value[threadIdx.x] = static_cast<float>(threadIdx.x);
    if (barrier) sync_block();
    y[threadIdx.x] = shared.value[kThreads - 1 - threadIdx.x];
}

// Every block adds to one sum. In turn, only the first one does.
template <bool all>
__global__ void blocks_race_kernel(float* y) {
    if (threadIdx.x == blockIdx.x && (all || blockIdx.x == 0)) *y += 1;
}

}    // namespace

TEST_CASE("crash: beyond the end of shared memory" * doctest::skip()) {
    Tensor y = zeros({kThreads}, DType::f32, Device::cuda);
    launch<shared_overrun_kernel>(one_block, y.data<float>());
}

TEST_CASE("crash: beyond the end of global memory" * doctest::skip()) {
    Tensor y = zeros({kThreads - 1}, DType::f32, Device::cuda);
    launch<off_by_one_kernel>(one_block, y.data<float>(), kThreads - 1);
}

TEST_CASE("crash: the CPU in device memory" * doctest::skip()) {
    Tensor y = zeros({kThreads}, DType::f32, Device::cuda);
    y.data<float>()[0] = 1;
}

TEST_CASE("crash: a race within a block" * doctest::skip()) {
    Tensor y = zeros({kThreads}, DType::f32, Device::cuda);
    launch<missing_barrier_kernel<false>>(one_block, y.data<float>());
}

TEST_CASE("crash: a race between blocks" * doctest::skip()) {
    Tensor y = zeros({1}, DType::f32, Device::cuda);
    launch<blocks_race_kernel<true>>({.grid = {4}, .block = {kThreads}}, y.data<float>());
}

TEST_CASE("what barriers and the order of launches separate is no race") {
    Tensor y = zeros({kThreads}, DType::f32, Device::cuda);
    for (int i = 0; i < 3; ++i) {
        launch<missing_barrier_kernel<true>>({.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Shared)}, y.data<float>());
        launch<blocks_race_kernel<false>>({.grid = {4}, .block = {kThreads}}, y.data<float>());
    }
    CHECK(y.values()[1] == kThreads - 2);
}

}    // namespace lull::cuda
#endif
