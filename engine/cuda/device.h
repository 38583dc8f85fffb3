// The device vocabulary: all that a kernel may use, besides plain C++ and the C functions of <math.h> (expf, sqrtf, …).
//
// A kernel file, engine/ops/*/cuda.cu, is compiled by nvcc for a GPU (LULL_CUDA=nvcc) or by the C++ compiler for the host
// (LULL_CUDA=host), where every block runs on the CPU, each of its threads a fiber. Hence no __shared__, no <<<>>> and no
// intrinsics: what CUDA calls __syncthreads is sync_block here. threadIdx, blockIdx, blockDim, gridDim, __global__ and
// __launch_bounds__ are as in CUDA. Device functions are marked LULL_DEVICE, in kernel files in an anonymous namespace.
//
//     template <class T>
//     __global__ void scale_kernel(const T* x, T* y, float a, std::int64_t n) {
//         const std::int64_t i = global_thread();
//         if (i < n) y[i] = from_float<T>(a * to_float(x[i]));
//     }
//     …
//     launch<scale_kernel<float>>(one_thread_each(n, 256), x, y, a, n);
#pragma once

#include <math.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/dtype.h"

namespace lull::cuda {

struct Dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// How a kernel is launched. shared_bytes: sizeof of what it asks shared_memory<S>() for.
struct Launch {
    Dim3 grid, block;
    std::size_t shared_bytes = 0;
};

// "softmax_kernel<float, 8>" of a kernel given as template argument.
template <auto kernel>
constexpr std::string_view kernel_name() {
    std::string_view name = __PRETTY_FUNCTION__;    // … [with auto kernel = … lull::cuda::{anonymous}::softmax_kernel<…>; …]
    name.remove_prefix(name.find("kernel = ") + 9);
    name = name.substr(0, name.find("; "));
    if (name.ends_with(']')) name.remove_suffix(1);
    const std::size_t arguments = name.find('<'), scope = name.rfind("::", arguments);
    return scope == name.npos ? name : name.substr(scope + 2);
}

inline constexpr int kWarp = 32;

}    // namespace lull::cuda

#ifdef __CUDACC__
#include "engine/cuda/nvcc/vocabulary.h"
#else
#include "engine/cuda/host/vocabulary.h"
#endif

namespace lull::cuda {

// The number of blocks of `each` that hold n.
inline unsigned blocks_for(std::int64_t n, std::int64_t each) { return static_cast<unsigned>((n + each - 1) / each); }
// A thread for each of n, in blocks of so many.
inline Launch one_thread_each(std::int64_t n, unsigned block) { return {.grid = {blocks_for(n, block)}, .block = {block}}; }

// A thread's number along x, and how many there are.
LULL_DEVICE std::int64_t global_thread() { return blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x; }
LULL_DEVICE std::int64_t global_threads() { return gridDim.x * static_cast<std::int64_t>(blockDim.x); }
LULL_DEVICE int lane_of_thread() { return static_cast<int>(threadIdx.x) % kWarp; }    // of a block along x
LULL_DEVICE int warp_of_thread() { return static_cast<int>(threadIdx.x) / kWarp; }

// Elements are f32 or bf16; arithmetic is f32.
template <class T>
LULL_DEVICE T from_float(float value) {
    if constexpr (std::is_same_v<T, bf16>)
        return to_bf16(value);
    else
        return static_cast<T>(value);
}

// n neighbouring elements, 16 bytes of them if nothing else is said, moved in one access; the address must be a multiple of
// their size.
template <class T, int n = 16 / static_cast<int>(sizeof(T))>
struct alignas(n * sizeof(T)) Pack {
    static constexpr int size = n;
    T at[n];
};
template <int n, class T>
LULL_DEVICE Pack<T, n> load_pack(const T* from) {
    return *reinterpret_cast<const Pack<T, n>*>(aligned<sizeof(Pack<T, n>)>(from));
}
template <class T, int n>
LULL_DEVICE void store_pack(T* to, const Pack<T, n>& pack) {
    *reinterpret_cast<Pack<T, n>*>(aligned<sizeof(Pack<T, n>)>(to)) = pack;
}
template <class T>
LULL_DEVICE Pack<T> load16(const T* from) {
    return load_pack<Pack<T>::size>(from);
}
template <class T>
LULL_DEVICE void store16(T* to, const Pack<T>& pack) {
    store_pack(to, pack);
}

// 1 / (1 + e^-x), and 0 for -∞.
LULL_DEVICE float fast_sigmoid(float x) { return fast_divide(1, 1 + fast_exp(-x)); }

// f(0), …, f(n - 1) one behind the other: an array that is indexed so, and otherwise by constants, stays in registers.
template <int n, class F>
LULL_DEVICE void unrolled(const F& f) {
    [&]<int... i>(std::integer_sequence<int, i...>) { (f(i), ...); }
    (std::make_integer_sequence<int, n>{});
}

// Over the 32 lanes of a warp, all of which must call; every lane gets the result, in an order of additions that is fixed.
LULL_DEVICE float warp_sum(float v) {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) v += shuffle_xor(v, distance);
    return v;
}
LULL_DEVICE float warp_max(float v) {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) v = fmaxf(v, shuffle_xor(v, distance));
    return v;
}

// Over a block along x of whole warps, all of whose threads must call; every thread gets the result. `partial`, one float for
// each warp (at most 32), lies in shared memory; it may be used again at once.
LULL_DEVICE float block_sum(float v, float* partial) {
    const int warps = static_cast<int>(blockDim.x) / kWarp;
    v = warp_sum(v);
    if (lane_of_thread() == 0) partial[warp_of_thread()] = v;
    sync_block();
    float sum = 0;
    for (int warp = 0; warp < warps; ++warp) sum += partial[warp];
    sync_block();
    return sum;
}

}    // namespace lull::cuda
