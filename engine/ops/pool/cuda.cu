// Average and maximum pooling, forward and backward. A thread has a few neighbouring channels, 16 bytes where they are whole
// vectors, of one pixel of what is written: y forward, dx backward. Backward gathers from the windows over its pixel, in their
// order, so that nothing is added atomically.
// Bytes moved: x once and y once when windows do not overlap, the minimum; overlapping ones read neighbours from the cache, and
// the maximum's backward looks through the windows of x again to find the first of equal elements.
#include "engine/cuda/packs.h"
#include "engine/ops/pool/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

// x: (N, height, width, vectors), y: (N, out_height, out_width, vectors), vectors of V channels.
struct Sizes {
    int height, width, out_height, out_width, vectors;
    PoolOptions options;
};

// The part of a window that lies in the image along one axis, and its extent with the padding.
struct Span {
    int begin, end, counted;
    LULL_DEVICE Span(int index, int extent, const PoolOptions& o) {
        const int first = index * o.stride - o.padding;
        const int last = first + o.kernel < extent + o.padding ? first + o.kernel : extent + o.padding;
        begin = first > 0 ? first : 0;
        end = last < extent ? last : extent;
        counted = last - first;
    }
};

// The windows [begin, end) over a pixel, along one axis.
struct Windows {
    int begin, end;
    LULL_DEVICE Windows(int pixel, int out_extent, const PoolOptions& o) {
        const int reach = pixel + o.padding - o.kernel;    // the last beginning of a window that ends before the pixel
        begin = reach < 0 ? 0 : reach / o.stride + 1;
        end = (pixel + o.padding) / o.stride + 1;
        if (end > out_extent) end = out_extent;
    }
};

// Vector i of an array (N, rows, columns, vectors).
struct Place {
    std::int64_t image;
    int row, column, vector;
    LULL_DEVICE Place(std::int64_t i, int rows, int columns, int vectors) {
        vector = static_cast<int>(i % vectors);
        column = static_cast<int>(i / vectors % columns);
        row = static_cast<int>(i / vectors / columns % rows);
        image = i / vectors / columns / rows;
    }
};

LULL_DEVICE bool is_nan(float v) { return v != v; }

// The vectors of x and of y that lie at (image, row, column, the thread's vector).
template <class T, int V>
struct Arrays {
    const Sizes& sizes;
    Place place;
    LULL_DEVICE std::int64_t in(int row, int column) const {
        return (((place.image * sizes.height + row) * sizes.width + column) * sizes.vectors + place.vector) * V;
    }
    LULL_DEVICE std::int64_t out(int row, int column) const {
        return (((place.image * sizes.out_height + row) * sizes.out_width + column) * sizes.vectors + place.vector) * V;
    }
};

template <class T, int V, bool kMax>
__global__ void __launch_bounds__(kThreads, 4) pool_kernel(const T* x, T* y, Sizes sizes, std::int64_t count) {
    const std::int64_t i = global_thread();
    if (i >= count) return;
    const Arrays<T, V> at{sizes, Place(i, sizes.out_height, sizes.out_width, sizes.vectors)};
    const Span rows(at.place.row, sizes.height, sizes.options), columns(at.place.column, sizes.width, sizes.options);
    float value[V];
    for (int k = 0; k < V; ++k) value[k] = kMax ? -INFINITY : 0;
    for (int row = rows.begin; row < rows.end; ++row) {
        for (int column = columns.begin; column < columns.end; ++column) {
            const Pack<T, V> pixel = load_pack<V>(x + at.in(row, column));
            for (int k = 0; k < V; ++k) {
                const float v = to_float(pixel.at[k]);
                if (!kMax)
                    value[k] += v;
                else if (v > value[k] || is_nan(v))
                    value[k] = v;
            }
        }
    }
    const float share = kMax ? 1 : 1 / static_cast<float>(rows.counted * columns.counted);
    Pack<T, V> result;
    for (int k = 0; k < V; ++k) result.at[k] = from_float<T>(share * value[k]);
    store_pack(y + i * V, result);
}

// Whether x at (row, column) is the first element of a window that is the window's maximum `top`, per channel.
template <class T, int V>
LULL_DEVICE void first_of(const Arrays<T, V>& at, const T* x, const Span& rows, const Span& columns, int row, int column,
                          const Pack<T, V>& top, bool (&takes)[V]) {
    const auto is_top = [&](const Pack<T, V>& pixel, int k) {
        const float v = to_float(pixel.at[k]), t = to_float(top.at[k]);
        return v == t || (is_nan(v) && is_nan(t));
    };
    const Pack<T, V> own = load_pack<V>(x + at.in(row, column));
    for (int k = 0; k < V; ++k) takes[k] = is_top(own, k);
    for (int r = rows.begin; r <= row; ++r) {
        for (int c = columns.begin; c < (r < row ? columns.end : column); ++c) {
            const Pack<T, V> before = load_pack<V>(x + at.in(r, c));
            for (int k = 0; k < V; ++k) takes[k] = takes[k] && !is_top(before, k);
        }
    }
}

// x and y are null for the average, which needs neither.
template <class T, int V, bool kMax>
__global__ void __launch_bounds__(kThreads, 3)
    pool_backward_kernel(const T* x, const T* y, const T* dy, T* dx, bool add, Sizes sizes, std::int64_t count) {
    const std::int64_t i = global_thread();
    if (i >= count) return;
    const Arrays<T, V> at{sizes, Place(i, sizes.height, sizes.width, sizes.vectors)};
    const Windows down(at.place.row, sizes.out_height, sizes.options), across(at.place.column, sizes.out_width, sizes.options);
    float sum[V] = {};
    for (int a = down.begin; a < down.end; ++a) {
        for (int b = across.begin; b < across.end; ++b) {
            const Span rows(a, sizes.height, sizes.options), columns(b, sizes.width, sizes.options);
            const Pack<T, V> part = load_pack<V>(dy + at.out(a, b));
            if constexpr (kMax) {
                bool takes[V];
                first_of(at, x, rows, columns, at.place.row, at.place.column, load_pack<V>(y + at.out(a, b)), takes);
                for (int k = 0; k < V; ++k) sum[k] += takes[k] ? to_float(part.at[k]) : 0;
            } else {
                const float share = 1 / static_cast<float>(rows.counted * columns.counted);
                for (int k = 0; k < V; ++k) sum[k] += share * to_float(part.at[k]);
            }
        }
    }
    Pack<T, V> value = add ? load_pack<V>(dx + i * V) : Pack<T, V>{};
    for (int k = 0; k < V; ++k) value.at[k] = from_float<T>(add ? to_float(value.at[k]) + sum[k] : sum[k]);
    store_pack(dx + i * V, value);
}

// x: (N, H, W, C) and its pooled y, in vectors of V channels.
Sizes sizes_of(const Tensor& x, const Tensor& y, int V, const PoolOptions& options) {
    const auto extent = [](const Tensor& t, int axis) { return static_cast<int>(t.size(axis)); };
    return {extent(x, 1), extent(x, 2), extent(y, 1), extent(y, 2), extent(x, 3) / V, options};
}

template <bool kMax>
void forward(const Tensor& x, const PoolOptions& options, Tensor y) {
    with_packs("pool", {x, y}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        const std::int64_t count = y.elements() / V;
        launch<pool_kernel<T, V, kMax>>(one_thread_each(count, kThreads), x.data<T>(), y.data<T>(), sizes_of(x, y, V, options),
                                        count);
    });
}

// x and y are undefined for the average.
template <bool kMax>
void backward(const Tensor& x, const Tensor& y, const Tensor& dy, const PoolOptions& options, Into dx) {
    with_packs("pool", {dx.tensor, dy, x, y}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        const std::int64_t count = dx.tensor.elements() / V;
        launch<pool_backward_kernel<T, V, kMax>>(one_thread_each(count, kThreads), kMax ? x.data<T>() : nullptr,
                                                 kMax ? y.data<T>() : nullptr, dy.data<T>(), dx.tensor.data<T>(), dx.add,
                                                 sizes_of(dx.tensor, dy, V, options), count);
    });
}

}    // namespace

void avg_pool_forward(const Tensor& x, const PoolOptions& options, Tensor y) { forward<false>(x, options, y); }
void max_pool_forward(const Tensor& x, const PoolOptions& options, Tensor y) { forward<true>(x, options, y); }
void avg_pool_backward(const Tensor& dy, const PoolOptions& options, Into dx) { backward<false>({}, {}, dy, options, dx); }
void max_pool_backward(const Tensor& x, const Tensor& y, const Tensor& dy, const PoolOptions& options, Into dx) {
    backward<true>(x, y, dy, options, dx);
}

}    // namespace lull::cuda
