// Sums and extremes over the middle axis of (outer, n, inner), in f32, and the gradient of extremes.
//
// A block's 256 threads form a box of outputs o × lanes along n × neighbouring columns j, so that a warp reads consecutive
// memory whatever is reduced: over the last axis (inner = 1) lanes are neighbours, otherwise columns are. Each thread folds
// every lanes-th element, then the lanes fold by halves. Where the outputs are too few to fill a GPU, n is cut into chunks whose
// number the shape decides, and a second launch folds those.
// Bytes moved: x once and y once, the minimum; extremes' backward reads x twice, the second time mostly from the cache.
#include <algorithm>
#include <limits>

#include "engine/cuda/device.h"
#include "engine/ops/reduce/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

struct Plus {
    LULL_DEVICE float operator()(float a, float b) const { return a + b; }
};
// A NaN is the extreme, wherever it stands.
struct Larger {
    LULL_DEVICE float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};
struct Smaller {
    LULL_DEVICE float operator()(float a, float b) const { return a < b || a != a ? a : b; }
};

// How a block's threads are laid out. All powers of two; rows · lanes · columns = kThreads.
struct Box {
    int rows, lanes, columns;    // of outputs o, along n, of neighbouring j
    std::int64_t column_blocks, chunks;
};

// Of one thread.
struct Seat {
    std::int64_t o, j, begin, end;    // its output, and the chunk of n
    int lane;
    bool used;
};
LULL_DEVICE Seat seat_of_thread(const Box& box, std::int64_t outer, std::int64_t n, std::int64_t inner) {
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t block = blockIdx.x, chunk = block / box.column_blocks % box.chunks;
    Seat seat{};
    seat.j = block % box.column_blocks * box.columns + thread % box.columns;
    seat.lane = thread / box.columns % box.lanes;
    seat.o = block / box.column_blocks / box.chunks * box.rows + thread / box.columns / box.lanes;
    seat.begin = n * chunk / box.chunks;
    seat.end = n * (chunk + 1) / box.chunks;
    seat.used = seat.o < outer && seat.j < inner;
    return seat;
}

template <class V>
struct Shared {
    V at[kThreads];
};

// v of all lanes, folded; right where lane = 0. For the whole block.
template <class V, class Combine>
LULL_DEVICE V fold_lanes(const Box& box, int lane, V v, const Combine& combine) {
    V* const at = shared_memory<Shared<V>>().at + threadIdx.x;
    *at = v;
    for (int half = box.lanes / 2; half > 0; half /= 2) {
        sync_block();
        if (lane < half) *at = combine(*at, at[half * box.columns]);
    }
    return *at;
}

// x: (outer, n, inner) → y: (outer, chunks, inner), times scale.
template <class T, class Out, class Combine>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(const T* x, Out* y, Box box, std::int64_t outer, std::int64_t n, std::int64_t inner, float start, float scale) {
    const Seat seat = seat_of_thread(box, outer, n, inner);
    const Combine combine;
    float value = start;
    if (seat.used) {
        const T* const from = x + seat.o * n * inner + seat.j;
        for (std::int64_t i = seat.begin + seat.lane; i < seat.end; i += box.lanes)
            value = combine(value, to_float(from[i * inner]));
    }
    value = fold_lanes(box, seat.lane, value, combine);
    const std::int64_t chunk = blockIdx.x / box.column_blocks % box.chunks;
    if (seat.used && seat.lane == 0) y[(seat.o * box.chunks + chunk) * inner + seat.j] = from_float<Out>(scale * value);
}

// dx (+)= dy / k for the k elements of x that equal y, and 0 for the others.
template <class T>
__global__ void __launch_bounds__(kThreads) extreme_backward_kernel(const T* x, const T* y, const T* dy, T* dx, bool add, Box box,
                                                                    std::int64_t outer, std::int64_t n, std::int64_t inner) {
    const Seat seat = seat_of_thread(box, outer, n, inner);
    const std::int64_t first = seat.o * n * inner + seat.j, out = seat.o * inner + seat.j;
    const float extreme = seat.used ? to_float(y[out]) : 0;
    int equal = 0;
    if (seat.used)
        for (std::int64_t i = seat.lane; i < n; i += box.lanes) equal += to_float(x[first + i * inner]) == extreme;
    fold_lanes(box, seat.lane, equal, [](int a, int b) { return a + b; });
    sync_block();
    if (!seat.used) return;
    equal = shared_memory<Shared<int>>().at[static_cast<int>(threadIdx.x) - seat.lane * box.columns];    // lane 0's: the sum
    const float share = to_float(dy[out]) / static_cast<float>(equal > 1 ? equal : 1);
    for (std::int64_t i = seat.lane; i < n; i += box.lanes) {
        const std::int64_t at = first + i * inner;
        const float before = add ? to_float(dx[at]) : 0;
        dx[at] = from_float<T>(before + (to_float(x[at]) == extreme ? share : 0));
    }
}

int power_of_two_for(std::int64_t n, int most) {
    int power = 1;
    while (power < most && power < n) power *= 2;
    return power;
}

Box box_for(std::int64_t n, std::int64_t inner) {
    const int columns = power_of_two_for(inner, kWarp), lanes = power_of_two_for(n, kThreads / columns);
    return {.rows = kThreads / columns / lanes,
            .lanes = lanes,
            .columns = columns,
            .column_blocks = (inner + columns - 1) / columns,
            .chunks = 1};
}

Launch how(const Box& box, std::int64_t outer) {
    const std::int64_t rows = (outer + box.rows - 1) / box.rows;
    return {.grid = {blocks_for(rows * box.chunks * box.column_blocks, 1)},
            .block = {kThreads},
            .shared_bytes = sizeof(Shared<float>)};
}

template <class Combine>
void reduce(const Tensor& x, Tensor y, double start, double scale) {
    constexpr std::int64_t kEnough = 512, kFoldedByThread = 16, kMostChunks = 256;    // blocks, elements, partial results
    const std::int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
    const auto start_f = static_cast<float>(start), scale_f = static_cast<float>(scale);
    Box box = box_for(n, inner);
    if (how(box, outer).grid.x < kEnough)
        box.chunks = std::clamp<std::int64_t>(n / (box.lanes * kFoldedByThread), 1, kMostChunks);
    with_device_dtype("reduce", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const from = x.data<T>();
        if (box.chunks == 1) {
            return launch<reduce_kernel<T, T, Combine>>(how(box, outer), from, y.data<T>(), box, outer, n, inner, start_f,
                                                        scale_f);
        }
        Tensor partials = empty({outer, box.chunks, inner}, DType::f32, x.device());
        float* const partial = partials.data<float>();
        launch<reduce_kernel<T, float, Combine>>(how(box, outer), from, partial, box, outer, n, inner, start_f, 1.f);
        const Box last = box_for(box.chunks, inner);
        launch<reduce_kernel<float, T, Combine>>(how(last, outer), static_cast<const float*>(partial), y.data<T>(), last, outer,
                                                 box.chunks, inner, start_f, scale_f);
    });
}

}    // namespace

void reduce_forward(Reduction kind, double scale, const Tensor& x, Tensor& y) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (y.elements() == 0) return;
    switch (kind) {
        case Reduction::sum:
            return reduce<Plus>(x, y, 0, scale);
        case Reduction::max:
            return reduce<Larger>(x, y, -kInfinity, scale);
        case Reduction::min:
            return reduce<Smaller>(x, y, kInfinity, scale);
    }
}

void extreme_backward(const Tensor& x, const Tensor& y, const Tensor& dy, Into dx) {
    if (x.elements() == 0) return;
    const std::int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
    const Box box = box_for(n, inner);
    with_device_dtype("reduce", x.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<extreme_backward_kernel<T>>(how(box, outer), x.data<T>(), y.data<T>(), dy.data<T>(), dx.tensor.data<T>(), dx.add,
                                           box, outer, n, inner);
    });
}

}    // namespace lull::cuda
