// Nearest upsampling: pixels are copied in accesses of 16 bytes along the channels, where those are whole vectors. A thread has
// a vector of x: forward it reads it once and writes its factor² copies, backward it adds up their gradients.
// Bytes moved: (1 + factor²) N H W C elements in either direction, the minimum.
#include "engine/cuda/packs.h"
#include "engine/ops/upsample/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

// Vector i of x: (N·H, W, vectors), and where in y: (N·H·factor, W·factor, vectors) its first copy lies.
struct Place {
    std::int64_t first, row;    // in y: that vector, and from one row of y to the next
    LULL_DEVICE Place(std::int64_t i, std::int64_t width, std::int64_t vectors, int factor) {
        const std::int64_t c = i % vectors, w = i / vectors % width, line = i / vectors / width;
        row = width * factor * vectors;
        first = line * factor * row + w * factor * vectors + c;
    }
};

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    upsample_kernel(const T* x, T* y, std::int64_t count, std::int64_t width, std::int64_t vectors, int factor) {
    const std::int64_t i = global_thread();
    if (i >= count) return;
    const Place at(i, width, vectors, factor);
    const Pack<T, V> value = load_pack<V>(x + i * V);
    for (int a = 0; a < factor; ++a)
        for (int b = 0; b < factor; ++b) store_pack(y + (at.first + a * at.row + b * vectors) * V, value);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads) upsample_backward_kernel(const T* dy, T* dx, bool add, std::int64_t count,
                                                                     std::int64_t width, std::int64_t vectors, int factor) {
    const std::int64_t i = global_thread();
    if (i >= count) return;
    const Place at(i, width, vectors, factor);
    float sum[V] = {};
    for (int a = 0; a < factor; ++a) {
        for (int b = 0; b < factor; ++b) {
            const Pack<T, V> part = load_pack<V>(dy + (at.first + a * at.row + b * vectors) * V);
            for (int k = 0; k < V; ++k) sum[k] += to_float(part.at[k]);
        }
    }
    Pack<T, V> value = add ? load_pack<V>(dx + i * V) : Pack<T, V>{};
    for (int k = 0; k < V; ++k) value.at[k] = from_float<T>(add ? to_float(value.at[k]) + sum[k] : sum[k]);
    store_pack(dx + i * V, value);
}

}    // namespace

void upsample_forward(const Tensor& x, int factor, Tensor& y) {
    with_packs("upsample_nearest", {x, y}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        const std::int64_t count = x.elements() / V;
        launch<upsample_kernel<T, V>>(one_thread_each(count, kThreads), x.data<T>(), y.data<T>(), count, x.size(2), x.size(3) / V,
                                      factor);
    });
}

void upsample_backward(const Tensor& dy, int factor, Into dx) {
    with_packs("upsample_nearest", {dx.tensor, dy}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        const std::int64_t count = dx.tensor.elements() / V;
        launch<upsample_backward_kernel<T, V>>(one_thread_each(count, kThreads), dy.data<T>(), dx.tensor.data<T>(), dx.add, count,
                                               dx.tensor.size(2), dx.tensor.size(3) / V, factor);
    });
}

}    // namespace lull::cuda
