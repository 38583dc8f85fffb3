// Copies with conversion, sums and fills, of contiguous tensors in accesses of 16 bytes and of strided views element by element.
// Bytes moved: each element read once and written once, the minimum (accumulate reads the target, too; a strided read of
// transposed views fetches up to eight times what it uses: those are rare and small).
#include "engine/cuda/device.h"
#include "engine/ops/copy/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

// Integers and f64 pass as they are; bf16 through f32.
template <class To, class From>
LULL_DEVICE To converted(From value) {
    if constexpr (std::is_same_v<To, From>)
        return value;
    else if constexpr (std::is_same_v<From, bf16>)
        return converted<To>(to_float(value));
    else if constexpr (std::is_same_v<To, bf16>)
        return to_bf16(static_cast<float>(value));
    else
        return static_cast<To>(value);
}

// Two strided views of one shape, and where element i of their common order lies in each.
struct Views {
    int rank;
    std::int64_t extents[kMaxRank], from_strides[kMaxRank], to_strides[kMaxRank];

    LULL_DEVICE void offsets(std::int64_t i, std::int64_t& from, std::int64_t& to) const {
        from = to = 0;
        for (int axis = rank - 1; axis >= 0; --axis) {
            const std::int64_t place = i % extents[axis];
            i /= extents[axis];
            from += place * from_strides[axis];
            to += place * to_strides[axis];
        }
    }
};

Views views_of(const Tensor& from, const Tensor& to) {
    Views views{.rank = from.rank(), .extents = {}, .from_strides = {}, .to_strides = {}};
    for (int axis = 0; axis < from.rank(); ++axis) {
        views.extents[axis] = from.size(axis);
        views.from_strides[axis] = from.strides()[axis];
        views.to_strides[axis] = to.strides()[axis];
    }
    return views;
}

template <class From, class To>
__global__ void copy_strided_kernel(const From* from, To* to, Views views, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    std::int64_t from_offset, to_offset;
    views.offsets(i, from_offset, to_offset);
    to[to_offset] = converted<To>(from[from_offset]);
}

// A thread converts 8 elements, in accesses of 16 bytes (of 8 for bytes) when both sides are aligned.
constexpr int kRun = 8;
template <class T>
struct alignas(sizeof(T) == 1 ? 8 : 16) Run {
    T at[kRun];
};
template <class From, class To>
__global__ void copy_contiguous_kernel(const From* from, To* to, std::int64_t n, bool aligned) {
    const std::int64_t first = kRun * global_thread();
    if (aligned && first + kRun <= n) {
        const Run<From> source = *reinterpret_cast<const Run<From>*>(from + first);
        Run<To> target;
        for (int k = 0; k < kRun; ++k) target.at[k] = converted<To>(source.at[k]);
        *reinterpret_cast<Run<To>*>(to + first) = target;
    } else {
        for (std::int64_t i = first; i < n && i < first + kRun; ++i) to[i] = converted<To>(from[i]);
    }
}

template <class T>
__global__ void accumulate_kernel(const T* from, T* to, Views views, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    std::int64_t from_offset, to_offset;
    views.offsets(i, from_offset, to_offset);
    to[to_offset] = from_float<T>(to_float(to[to_offset]) + to_float(from[from_offset]));
}

template <class T>
__global__ void fill_kernel(T* to, T value, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i < n) to[i] = value;
}

bool is_aligned(const Tensor& x) { return reinterpret_cast<std::uintptr_t>(x.raw()) % 16 == 0; }

}    // namespace

void copy_elements(const Tensor& from, Tensor to) {
    const std::int64_t n = from.elements();
    with_dtype(from.dtype(), [&](auto from_type) {
        with_dtype(to.dtype(), [&](auto to_type) {
            using From = decltype(from_type);
            using To = decltype(to_type);
            const From* const source = from.data<From>();
            To* const target = to.data<To>();
            if (from.is_contiguous() && to.is_contiguous()) {
                const bool aligned = is_aligned(from) && is_aligned(to);
                launch<copy_contiguous_kernel<From, To>>({.grid = {blocks_for(n, kRun * kThreads)}, .block = {kThreads}}, source,
                                                         target, n, aligned);
            } else {
                launch<copy_strided_kernel<From, To>>({.grid = {blocks_for(n, kThreads)}, .block = {kThreads}}, source, target,
                                                      views_of(from, to), n);
            }
        });
    });
}

void accumulate_elements(const Tensor& from, Tensor to) {
    const std::int64_t n = from.elements();
    with_device_dtype("accumulate", from.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<accumulate_kernel<T>>({.grid = {blocks_for(n, kThreads)}, .block = {kThreads}}, from.data<T>(), to.data<T>(),
                                     views_of(from, to), n);
    });
}

void fill_elements(double value, Tensor to) {
    with_dtype(to.dtype(), [&](auto type) {
        using T = decltype(type);
        T element;
        if constexpr (std::is_same_v<T, bf16>)
            element = bf16(static_cast<float>(value));
        else
            element = static_cast<T>(value);
        launch<fill_kernel<T>>({.grid = {blocks_for(to.elements(), kThreads)}, .block = {kThreads}}, to.data<T>(), element,
                               to.elements());
    });
}

}    // namespace lull::cuda
