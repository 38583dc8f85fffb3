// From an operation to the kernel of its tensor's device.
#pragma once

#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/tensor.h"

namespace lull {

// Stands for a CUDA kernel in a build without CUDA: it can be called, and says so.
struct NoCuda {
    std::string_view name;
    template <class... Arguments>
    void operator()(Arguments&&...) const {
        fail(name, "this build has no CUDA");
    }
};

// One line of an operation's kernels.h: void cpu::name parameters and void cuda::name parameters.
// LULL_KERNEL(softmax_forward, (const Tensor& x, Tensor& y));
#ifdef LULL_WITH_CUDA
#define LULL_KERNEL(name, parameters) \
    namespace cpu {                   \
    void name parameters;             \
    }                                 \
    namespace cuda {                  \
    void name parameters;             \
    }                                 \
    static_assert(true)
#else
#define LULL_KERNEL(name, parameters)    \
    namespace cpu {                      \
    void name parameters;                \
    }                                    \
    namespace cuda {                     \
    inline constexpr NoCuda name{#name}; \
    }                                    \
    static_assert(true)
#endif

// Throws Error when an argument is a tensor on another device.
template <class T>
void check_device(Device device, const T& argument) {
    if constexpr (std::is_same_v<T, Tensor>) {
        if (argument.defined() && argument.device() != device)
            fail("device", "expected all tensors on ", device, ", got ", argument, " on ", argument.device());
    } else if constexpr (std::is_same_v<T, Into>) {
        check_device(device, argument.tensor);
    }
}

// dispatch(x, cpu::f, cuda::f)(arguments…) calls the one for the device that x lies on.
template <class Cpu, class Cuda>
auto dispatch(const Tensor& x, Cpu cpu_kernel, Cuda cuda_kernel) {
    return [device = x.device(), cpu_kernel, cuda_kernel]<class... Arguments>(Arguments&&... arguments) {
        (check_device(device, arguments), ...);
        if (device == Device::cpu)
            cpu_kernel(std::forward<Arguments>(arguments)...);
        else
            cuda_kernel(std::forward<Arguments>(arguments)...);
    };
}

}    // namespace lull
