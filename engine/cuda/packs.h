// Which accesses a launcher chooses: packs of 16 bytes where every address is a multiple of that, single elements elsewhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "engine/cuda/device.h"
#include "engine/tensor.h"

namespace lull::cuda {

inline bool is_aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }
inline bool is_aligned(const Tensor& x) { return is_aligned(x.raw()); }

// Whether each of some contiguous tensors, undefined ones left out, has whole packs of `size` elements along its last axis, all
// at addresses for accesses of 16 bytes.
inline bool in_packs(int size, std::initializer_list<Tensor> tensors) {
    return std::all_of(tensors.begin(), tensors.end(),
                       [size](const Tensor& t) { return !t.defined() || (t.size(-1) % size == 0 && is_aligned(t)); });
}

// Calls f(T{}, V), T the type of the first tensor's elements: V of them fill 16 bytes where all tensors are in packs of those,
// otherwise it is 1. Throws Error, naming the operation, where kernels do not know the type.
template <class F>
void with_packs(std::string_view where, std::initializer_list<Tensor> tensors, const F& f) {
    with_device_dtype(where, tensors.begin()->dtype(), [&]<class T>(T type) {
        if (in_packs(Pack<T>::size, tensors))
            f(type, std::integral_constant<int, Pack<T>::size>());
        else
            f(type, std::integral_constant<int, 1>());
    });
}

}    // namespace lull::cuda
