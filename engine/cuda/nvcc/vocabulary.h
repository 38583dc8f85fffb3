// The device vocabulary in CUDA (engine/cuda/device.h).
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "engine/cuda/nvcc/runtime.h"

#define LULL_DEVICE __device__ __forceinline__

namespace lull::cuda {

LULL_DEVICE float to_float(float value) { return value; }
LULL_DEVICE float to_float(bf16 value) { return __uint_as_float(static_cast<unsigned>(value.bits) << 16); }
LULL_DEVICE bf16 to_bf16(float value) {
    bf16 result;
    result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return result;
}

// In a few instructions, where expf and a division take dozens: relative errors of about (2 + |x|) 2^-23, and of 2^-22 for
// |b| < 2^126; beyond, the quotient is 0.
LULL_DEVICE float fast_exp(float x) { return __expf(x); }
LULL_DEVICE float fast_exp2(float x) {    // 2^-22, and 0 below 2^-126
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}
LULL_DEVICE float fast_divide(float a, float b) { return __fdividef(a, b); }

// The block's shared memory, of the type that the kernel gives it. Uninitialised.
template <class S>
LULL_DEVICE S& shared_memory() {
    extern __shared__ __align__(128) unsigned char lull_shared_memory[];
    return *reinterpret_cast<S*>(lull_shared_memory);
}

// An address that is a multiple of so many bytes. Executed on the CPU, it is an error if it is not; on a GPU, the access that
// follows is.
template <int bytes, class T>
LULL_DEVICE T* aligned(T* address) {
    return address;
}

LULL_DEVICE void sync_block() { __syncthreads(); }
LULL_DEVICE void sync_warp() { __syncwarp(); }

// v of another lane of the warp; every lane takes part. shuffle: of that lane; shuffle_xor: of the lane ^ mask.
template <class T>
LULL_DEVICE T shuffle(T v, int lane) {
    return __shfl_sync(0xffffffffu, v, lane);
}
template <class T>
LULL_DEVICE T shuffle_xor(T v, int mask) {
    return __shfl_xor_sync(0xffffffffu, v, mask);
}

// The integer that comes back is the one from before. Sums of floats would depend on the order of arrival.
LULL_DEVICE unsigned atomic_add(unsigned* to, unsigned value) { return atomicAdd(to, value); }

// 16 bytes from global to shared memory, while the thread goes on. What is copied is there after copy_wait<N> has waited for
// all but the last N groups, for this thread; after a barrier, for the others. Both addresses are multiples of 16.
LULL_DEVICE void copy16_async(void* to_shared, const void* from_global) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to_shared))),
                 "l"(from_global));
}
LULL_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;"); }
template <int N>
LULL_DEVICE void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Four 8×8 matrices of bf16 from shared memory: lane 8 m + r names row r of matrix m (16 bytes), and gets, of matrix m, row
// lane / 4 and columns 2 (lane % 4), 2 (lane % 4) + 1 in r[m]. transposed: of the transposed matrices.
LULL_DEVICE void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
                 : "memory");
}
LULL_DEVICE void ldmatrix_x4_transposed(std::uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
                 : "memory");
}

// C += A B on tensor cores, one warp: A 16×16, B 16×8 of bf16, C 16×8 of f32. With g = lane / 4 and t = lane % 4, a lane holds
// (PTX ISA, mma.m16n8k16): a[i] = A(g + 8 (i % 2), 2 t + 8 (i / 2)) and its right neighbour; b[i] = B(2 t + 8 i, g) and the one
// below; c[i] = C(g + 8 (i / 2), 2 t + i % 2).
LULL_DEVICE void mma_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

namespace detail {
template <auto kernel, class... Parameters>
void launch_as(const Launch& how, void (*)(Parameters...), std::type_identity_t<Parameters>... arguments) {
    if (how.grid.x == 0 || how.grid.y == 0 || how.grid.z == 0) return;    // nothing to do
    static std::size_t allowed = 48 << 10;                                // of this kernel, until more is asked for
    if (how.shared_bytes > allowed) {
        check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(how.shared_bytes)),
                   kernel_name<kernel>());
        allowed = how.shared_bytes;
    }
    cudaLaunchConfig_t config{};
    config.gridDim = {how.grid.x, how.grid.y, how.grid.z};
    config.blockDim = {how.block.x, how.block.y, how.block.z};
    config.dynamicSmemBytes = how.shared_bytes;
    config.stream = stream();
    check_cuda(cudaLaunchKernelEx(&config, kernel, arguments...), kernel_name<kernel>());
}
}    // namespace detail

// Throws Error, naming the kernel, when the launch fails; what fails while it runs shows at the next synchronize.
template <auto kernel, class... Arguments>
void launch(const Launch& how, Arguments... arguments) {
    detail::launch_as<kernel>(how, kernel, arguments...);
}

}    // namespace lull::cuda
