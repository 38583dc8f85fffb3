// Copies with conversion, sums and fills, of contiguous tensors and of strided views: of two views only the axes count that do
// not lie behind each other in both, so that a slice of channels is rows of one length, and contiguous tensors are one row.
// Bytes moved: each element read once and written once, the minimum (accumulate reads the target, too), in accesses of 16 bytes,
// of the wider type, where rows are whole ones; otherwise element by element (a strided read of transposed views fetches up to
// eight times what it uses: those are rare and small).
#include "engine/cuda/packs.h"
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

// What becomes of an element `to`.
struct Copy {
    static constexpr bool reads_target = false;
    template <class To, class From>
    LULL_DEVICE static To value(To, From from) {
        return converted<To>(from);
    }
};
struct Add {
    static constexpr bool reads_target = true;
    template <class T>
    LULL_DEVICE static T value(T to, T from) {
        return from_float<T>(to_float(to) + to_float(from));
    }
};

// Two strided views of one shape, and where element i of their common order lies in each. The last axis is the innermost.
struct Views {
    int rank = 0;
    std::int64_t extents[kMaxRank] = {}, from_strides[kMaxRank] = {}, to_strides[kMaxRank] = {};

    Views(const Tensor& from, const Tensor& to) {
        for (int axis = 0; axis < from.rank(); ++axis) {
            if (from.size(axis) != 1) append(from.size(axis), from.strides()[axis], to.strides()[axis]);
        }
        if (rank == 0) append(1, 1, 1);
    }

    // Whether `size` neighbours, from a multiple of size on, are neighbours in both views, at multiples of it.
    bool in_runs_of(int size) const {
        const int last = rank - 1;
        if (from_strides[last] != 1 || to_strides[last] != 1) return false;
        if (rank > 1 && extents[last] % size != 0) return false;
        for (int axis = 0; axis < last; ++axis) {
            if (from_strides[axis] % size != 0 || to_strides[axis] % size != 0) return false;
        }
        return true;
    }

    LULL_DEVICE void offsets(std::int64_t i, std::int64_t& from, std::int64_t& to) const {
        from = to = 0;
        for (int axis = rank - 1; axis > 0; --axis) {
            const std::int64_t rest = i / extents[axis], place = i - rest * extents[axis];
            i = rest;
            from += place * from_strides[axis];
            to += place * to_strides[axis];
        }
        from += i * from_strides[0];
        to += i * to_strides[0];
    }

  private:
    void append(std::int64_t extent, std::int64_t from_stride, std::int64_t to_stride) {
        const int last = rank - 1;
        const bool joins = rank > 0 && from_strides[last] == extent * from_stride && to_strides[last] == extent * to_stride;
        const int axis = joins ? last : rank++;
        extents[axis] = joins ? extents[axis] * extent : extent;
        from_strides[axis] = from_stride;
        to_strides[axis] = to_stride;
    }
};

// to ← Change::value(to, from). A thread has V of the n elements; fewer at the end, where there is only one axis.
template <class Change, class From, class To, int V>
__global__ void __launch_bounds__(kThreads) copy_kernel(const From* from, To* to, Views views, std::int64_t n) {
    const std::int64_t first = V * global_thread();
    if (first >= n) return;
    std::int64_t from_offset, to_offset;
    views.offsets(first, from_offset, to_offset);
    from += from_offset;
    to += to_offset;
    if (first + V <= n) {
        const Pack<From, V> source = load_pack<V>(from);
        Pack<To, V> target = Change::reads_target ? load_pack<V>(to) : Pack<To, V>();
        for (int k = 0; k < V; ++k) target.at[k] = Change::value(target.at[k], source.at[k]);
        store_pack(to, target);
    } else {
        for (int k = 0; k < n - first; ++k) to[k] = Change::value(to[k], from[k]);
    }
}

template <class T>
__global__ void __launch_bounds__(kThreads) fill_kernel(T* to, T value, std::int64_t n, bool aligned) {
    constexpr int V = Pack<T>::size;
    const std::int64_t first = V * global_thread();
    if (aligned && first + V <= n) {
        Pack<T> pack;
        for (int k = 0; k < V; ++k) pack.at[k] = value;
        store16(to + first, pack);
    } else {
        for (std::int64_t i = first; i < n && i < first + V; ++i) to[i] = value;
    }
}

template <class Change, class From, class To>
void change(const Tensor& from, Tensor& to) {
    constexpr int kRun = 16 / static_cast<int>(std::max(sizeof(From), sizeof(To)));
    const std::int64_t n = from.elements();
    const Views views(from, to);
    const auto run = [&]<int V>(std::integral_constant<int, V>) {
        launch<copy_kernel<Change, From, To, V>>(one_thread_each(blocks_for(n, V), kThreads), from.data<From>(), to.data<To>(),
                                                 views, n);
    };
    if (views.in_runs_of(kRun) && is_aligned(from) && is_aligned(to))
        run(std::integral_constant<int, kRun>());
    else
        run(std::integral_constant<int, 1>());
}

}    // namespace

void copy_elements(const Tensor& from, Tensor to) {
    with_dtype(from.dtype(),
               [&]<class From>(From) { with_dtype(to.dtype(), [&]<class To>(To) { change<Copy, From, To>(from, to); }); });
}

void accumulate_elements(const Tensor& from, Tensor to) {
    with_device_dtype("accumulate", from.dtype(), [&]<class T>(T) { change<Add, T, T>(from, to); });
}

void fill_elements(double value, Tensor to) {
    with_dtype(to.dtype(), [&]<class T>(T) {
        T element;
        if constexpr (std::is_same_v<T, bf16>)
            element = bf16(static_cast<float>(value));
        else
            element = static_cast<T>(value);
        const std::int64_t n = to.elements();
        launch<fill_kernel<T>>(one_thread_each(blocks_for(n, Pack<T>::size), kThreads), to.data<T>(), element, n, is_aligned(to));
    });
}

}    // namespace lull::cuda
