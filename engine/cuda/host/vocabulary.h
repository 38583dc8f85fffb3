// The device vocabulary on the CPU (engine/cuda/device.h; what each function does stands in nvcc/vocabulary.h).
#pragma once

#include <bit>
#include <cstring>

#include "engine/cuda/host/block.h"

#define LULL_DEVICE inline
#define __global__
#define __launch_bounds__(...)
#define threadIdx (::lull::cuda::host::thread_index())
#define blockIdx (::lull::cuda::host::block_index())
#define blockDim (::lull::cuda::host::block_size())
#define gridDim (::lull::cuda::host::grid_size())

namespace lull::cuda {

LULL_DEVICE float to_float(float value) { return value; }
LULL_DEVICE float to_float(bf16 value) { return static_cast<float>(value); }
LULL_DEVICE bf16 to_bf16(float value) { return bf16(value); }

LULL_DEVICE float fast_exp(float x) { return expf(x); }
LULL_DEVICE float fast_exp2(float x) { return exp2f(x); }
LULL_DEVICE float fast_divide(float a, float b) { return a / b; }

template <class S>
S& shared_memory() {
    return *reinterpret_cast<S*>(host::shared_memory(sizeof(S)));
}

template <int bytes, class T>
T* aligned(T* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) host::fail_misaligned(address, bytes);
    return address;
}

inline void sync_block(host::Place place = host::Place::current()) { host::wait_for_block(place); }
inline void sync_warp(host::Place place = host::Place::current()) { host::wait_for_warp(place); }

template <class T>
T shuffle(T v, int lane, host::Place place = host::Place::current()) {
    static_assert(sizeof(T) % 4 == 0 && sizeof(T) <= 64);
    host::show(&v, sizeof(T), place);
    T other;
    std::memcpy(&other, host::shown_by(lane % 32), sizeof(T));
    host::shown(place);
    return other;
}
template <class T>
T shuffle_xor(T v, int mask, host::Place place = host::Place::current()) {
    return shuffle(v, host::lane() ^ mask, place);
}

inline unsigned atomic_add(unsigned* to, unsigned value) { return __atomic_fetch_add(to, value, __ATOMIC_RELAXED); }

inline void copy16_async(void* to_shared, const void* from_global) {
    host::begin_copy(aligned<16>(to_shared), aligned<16>(from_global));
}
inline void copy_commit() { host::commit_copies(); }
template <int N>
void copy_wait() {
    host::AsyncCopy copy{};
    while (host::next_copy(N, copy)) std::memcpy(copy.to, copy.from, 16);
}

inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, host::Place place = host::Place::current()) {
    std::uint32_t mine[4];
    std::memcpy(mine, aligned<16>(row), 16);
    host::show(mine, 16, place);
    for (int m = 0; m < 4; ++m) r[m] = host::shown_by(8 * m + host::lane() / 4)[host::lane() % 4];
    host::shown(place);
}
inline void ldmatrix_x4_transposed(std::uint32_t (&r)[4], const void* row, host::Place place = host::Place::current()) {
    std::uint32_t mine[4];
    std::memcpy(mine, aligned<16>(row), 16);
    host::show(mine, 16, place);
    const int column = host::lane() / 4, first = 2 * (host::lane() % 4);
    for (int m = 0; m < 4; ++m) {
        const auto element = [&](int i) { return host::shown_by(8 * m + i)[column / 2] >> (16 * (column % 2)) & 0xffffu; };
        r[m] = element(first) | element(first + 1) << 16;
    }
    host::shown(place);
}

inline void mma_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                        host::Place place = host::Place::current()) {
    const std::uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    host::show(mine, sizeof mine, place);
    const auto half = [](std::uint32_t pair, int odd) { return std::bit_cast<float>(odd ? pair & 0xffff0000u : pair << 16); };
    const int g = host::lane() / 4, t = host::lane() % 4;
    for (int i = 0; i < 4; ++i) {
        const int column = 2 * t + i % 2;
        for (int k = 0; k < 16; ++k) {
            const std::uint32_t pair_a = host::shown_by(g * 4 + k % 8 / 2)[i / 2 + 2 * (k / 8)];
            const std::uint32_t pair_b = host::shown_by(column * 4 + k % 8 / 2)[4 + k / 8];
            c[i] += half(pair_a, k % 2) * half(pair_b, k % 2);
        }
    }
    host::shown(place);
}

template <auto kernel, class... Arguments>
void launch(const Launch& how, Arguments... arguments) {
    [&]<class... Parameters>(void (*)(Parameters...)) {
        host::run(how, kernel_name<kernel>(), [&] { kernel(static_cast<Parameters>(arguments)...); });
    }(kernel);
}

}    // namespace lull::cuda
