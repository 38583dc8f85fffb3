// Arithmetic and activations, element by element, of one operand or of two that broadcast.
//
// Bytes moved: every operand read once and the output written once (read, too, where gradients add up), the minimum; an operand
// with one element for a whole row is read once per 16 bytes of output, from the cache. Bound by memory: a thread takes 16
// bytes of output, so that a warp's accesses are whole lines, and enough threads are there for the loads in flight. The
// functions are <math.h>'s, accurate to a few units in the last place: they hide behind the loads.
#include "engine/cuda/packs.h"
#include "engine/ops/elementwise/kernels.h"
#include "engine/ops/elementwise/walk.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

// value(x) is f(x); slope(s) is f', told f's output where saves_output says so of f32, else its input. The derivations stand
// in functions.h.
struct Reciprocal {
    LULL_DEVICE static float value(float x) { return 1 / x; }
    LULL_DEVICE static float slope(float y) { return -y * y; }
};
struct Square {
    LULL_DEVICE static float value(float x) { return x * x; }
    LULL_DEVICE static float slope(float x) { return x + x; }
};
struct Sqrt {
    LULL_DEVICE static float value(float x) { return sqrtf(x); }
    LULL_DEVICE static float slope(float y) { return 0.5f / y; }
};
struct Exp {
    LULL_DEVICE static float value(float x) { return expf(x); }
    LULL_DEVICE static float slope(float y) { return y; }
};
struct Log {
    LULL_DEVICE static float value(float x) { return logf(x); }
    LULL_DEVICE static float slope(float x) { return 1 / x; }
};
struct Sin {
    LULL_DEVICE static float value(float x) { return sinf(x); }
    LULL_DEVICE static float slope(float x) { return cosf(x); }
};
struct Cos {
    LULL_DEVICE static float value(float x) { return cosf(x); }
    LULL_DEVICE static float slope(float x) { return -sinf(x); }
};
struct Sigmoid {
    LULL_DEVICE static float value(float x) { return 1 / (1 + expf(-x)); }
    LULL_DEVICE static float slope(float y) { return y * (1 - y); }
};
struct Silu {    // s = sigmoid(x): (x s)' = s (1 + x (1 - s))
    LULL_DEVICE static float value(float x) { return x * Sigmoid::value(x); }
    LULL_DEVICE static float slope(float x) {
        const float s = Sigmoid::value(x);
        return s * (1 + x * (1 - s));
    }
};
struct Tanh {
    LULL_DEVICE static float value(float x) { return tanhf(x); }
    LULL_DEVICE static float slope(float y) { return 1 - y * y; }
};
struct Relu {    // a NaN stays one
    LULL_DEVICE static float value(float x) { return x < 0 ? 0 : x; }
    LULL_DEVICE static float slope(float y) { return y > 0 ? 1 : 0; }
};
struct Gelu {
    static constexpr float kScale = 0.797884560802865f, kCubic = 0.044715f;    // √(2/π)

    LULL_DEVICE static float t(float x) { return tanhf(kScale * x * (1 + kCubic * x * x)); }
    LULL_DEVICE static float value(float x) { return 0.5f * x * (1 + t(x)); }
    LULL_DEVICE static float slope(float x) {
        const float tanh_u = t(x), du = kScale * (1 + 3 * kCubic * x * x);
        return 0.5f * (1 + tanh_u + x * (1 - tanh_u * tanh_u) * du);
    }
};

// Calls f(Function{}) with the function that stands behind kind.
template <class F>
void with_function(Unary kind, const F& f) {
    switch (kind) {
        case Unary::reciprocal:
            return f(Reciprocal());
        case Unary::square:
            return f(Square());
        case Unary::sqrt:
            return f(Sqrt());
        case Unary::exp:
            return f(Exp());
        case Unary::log:
            return f(Log());
        case Unary::sin:
            return f(Sin());
        case Unary::cos:
            return f(Cos());
        case Unary::sigmoid:
            return f(Sigmoid());
        case Unary::silu:
            return f(Silu());
        case Unary::tanh:
            return f(Tanh());
        case Unary::relu:
            return f(Relu());
        case Unary::gelu:
            return f(Gelu());
    }
}

// What the kernels compute with: of one element, or of two.
template <class Function>
struct Value {
    LULL_DEVICE float operator()(float x) const { return Function::value(x); }
};
struct Affine {
    float a, b;
    LULL_DEVICE float operator()(float x) const { return fmaf(a, x, b); }
};
struct LeakyRelu {
    float slope, shift;
    LULL_DEVICE float operator()(float x) const { return (x > 0 ? x : slope * x) - shift; }
};
struct Clamp {    // NaN stays NaN: both comparisons are false
    float low, high;
    LULL_DEVICE float operator()(float x) const { return x < low ? low : x > high ? high : x; }
};

// dy f'. kFromInput: the input was saved, though slope wants the output.
template <class Function, bool kFromInput>
struct Slope {
    LULL_DEVICE float operator()(float saved, float dy) const {
        if constexpr (kFromInput) saved = Function::value(saved);
        return dy * Function::slope(saved);
    }
};
struct LeakyReluSlope {
    float slope;
    LULL_DEVICE float operator()(float x, float dy) const { return x > 0 ? dy : slope * dy; }
};
struct ClampSlope {
    float low, high;
    LULL_DEVICE float operator()(float x, float dy) const { return x >= low && x <= high ? dy : 0; }
};
struct Add {
    LULL_DEVICE float operator()(float a, float b) const { return a + b; }
};
struct Subtract {
    LULL_DEVICE float operator()(float a, float b) const { return a - b; }
};
struct Multiply {
    LULL_DEVICE float operator()(float a, float b) const { return a * b; }
};
struct Divide {
    LULL_DEVICE float operator()(float a, float b) const { return a / b; }
};

template <class T>
LULL_DEVICE void put(T* y, float value, bool add) {
    *y = from_float<T>(add ? to_float(*y) + value : value);
}

// y[i] ← f(x[i]), or y[i] + f(x[i]). A thread: 16 bytes, or fewer at the end; one by one where x or y is not aligned.
template <class T, class F>
__global__ void map_kernel(const T* x, T* y, F f, bool add, std::int64_t n, bool aligned) {
    constexpr int kSize = Pack<T>::size;
    const std::int64_t first = kSize * global_thread();
    if (aligned && first + kSize <= n) {
        const Pack<T> in = load16(x + first);
        Pack<T> out = add ? load16(y + first) : Pack<T>();
        for (int k = 0; k < kSize; ++k) put(out.at + k, f(to_float(in.at[k])), add);
        store16(y + first, out);
    } else {
        for (std::int64_t i = first; i < n && i < first + kSize; ++i) put(y + i, f(to_float(x[i])), add);
    }
}

// kSize elements side by side, or one of them repeated.
template <class T, int kSize>
LULL_DEVICE Pack<T, kSize> load_operand(const T* from, bool runs) {
    if (runs) return load_pack<kSize>(from);
    Pack<T, kSize> pack;
    for (int k = 0; k < kSize; ++k) pack.at[k] = *from;
    return pack;
}

// y ← f(a, b) along the rows of walk. A thread: kSize elements of a row, `per_row` of which make a row.
template <class T, int kSize, class F>
__global__ void combine_kernel(const T* a, const T* b, T* y, F f, bool add, Walk walk, bool a_runs, bool b_runs, unsigned per_row,
                               unsigned threads) {
    const auto thread = static_cast<unsigned>(global_thread());
    if (thread >= threads) return;
    unsigned row = 0;
    if (walk.rank > 1) {
        row = thread / per_row;
        for (int axis = walk.rank - 2, r = static_cast<int>(row); axis >= 0; --axis) {
            const int extent = static_cast<int>(walk.extent[axis]);
            a += r % extent * walk.a_stride[axis];
            b += r % extent * walk.b_stride[axis];
            r /= extent;
        }
    }
    const std::int64_t column = static_cast<std::int64_t>(thread - row * per_row) * kSize, length = walk.extent[walk.rank - 1];
    y += row * length + column;
    if (a_runs) a += column;
    if (b_runs) b += column;
    if (column + kSize <= length) {
        const auto left = load_operand<T, kSize>(a, a_runs), right = load_operand<T, kSize>(b, b_runs);
        auto out = add ? load_pack<kSize>(y) : Pack<T, kSize>();
        for (int k = 0; k < kSize; ++k) put(out.at + k, f(to_float(left.at[k]), to_float(right.at[k])), add);
        store_pack(y, out);
    } else {    // the end of the only row
        for (std::int64_t k = 0; k < length - column; ++k)
            put(y + k, f(to_float(a[a_runs ? k : 0]), to_float(b[b_runs ? k : 0])), add);
    }
}

template <class F>
void map(const Tensor& x, Into y, F f) {
    const std::int64_t n = x.elements();
    with_device_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<map_kernel<T, F>>(one_thread_each(blocks_for(n, Pack<T>::size), kThreads), x.data<T>(), y.tensor.data<T>(), f,
                                 y.add, n, is_aligned(x) && is_aligned(y.tensor));
    });
}

// Whether every row of an operand, if it runs, begins at a multiple of 16 bytes.
bool rows_aligned(const Tensor& x, const Walk& walk, const std::int64_t (&stride)[kMaxRank], int size) {
    if (stride[walk.rank - 1] == 0) return true;
    return is_aligned(x) && std::all_of(stride, stride + walk.rank - 1, [size](std::int64_t s) { return s % size == 0; });
}

template <class F>
void combine(const Tensor& a, const Tensor& b, Into y, F f) {
    const Walk walk(a, b);
    const std::int64_t n = y.tensor.elements(), length = walk.row_length();
    check(n < std::int64_t{1} << 31, "elementwise", "expected fewer than 2³¹ elements on CUDA, got ", y.tensor);
    with_device_dtype("elementwise", a.dtype(), [&](auto type) {
        using T = decltype(type);
        const auto run = [&](auto size) {
            constexpr int kSize = decltype(size)::value;
            const unsigned per_row = blocks_for(length, kSize), threads = n > 0 ? static_cast<unsigned>(n / length) * per_row : 0;
            launch<combine_kernel<T, kSize, F>>(one_thread_each(threads, kThreads), a.data<T>(), b.data<T>(), y.tensor.data<T>(),
                                                f, y.add, walk, walk.a_runs(), walk.b_runs(), per_row, threads);
        };
        constexpr int kPack = Pack<T>::size;
        const bool whole_rows = walk.rank == 1 || length % kPack == 0;
        if (whole_rows && is_aligned(y.tensor) && rows_aligned(a, walk, walk.a_stride, kPack) &&
            rows_aligned(b, walk, walk.b_stride, kPack))
            run(std::integral_constant<int, kPack>());
        else
            run(std::integral_constant<int, 1>());
    });
}

float f32(double value) { return static_cast<float>(value); }

}    // namespace

void unary_forward(Unary kind, const Tensor& x, Tensor& y) {
    with_function(kind, [&]<class F>(F) { map(x, {y, false}, Value<F>()); });
}

void unary_backward(Unary kind, const Tensor& saved, const Tensor& dy, Into dx) {
    const bool from_input = saves_output(kind, DType::f32) && !saves_output(kind, saved.dtype());
    with_function(kind, [&]<class F>(F) {
        if (from_input)
            combine(saved, dy, dx, Slope<F, true>());
        else
            combine(saved, dy, dx, Slope<F, false>());
    });
}

void affine_forward(const Tensor& x, double a, double b, Into y) { map(x, y, Affine{f32(a), f32(b)}); }

void leaky_relu_forward(const Tensor& x, double slope, double shift, Tensor& y) {
    map(x, {y, false}, LeakyRelu{f32(slope), f32(shift)});
}
void leaky_relu_backward(const Tensor& x, double slope, const Tensor& dy, Into dx) {
    combine(x, dy, dx, LeakyReluSlope{f32(slope)});
}

void clamp_forward(const Tensor& x, double low, double high, Tensor& y) { map(x, {y, false}, Clamp{f32(low), f32(high)}); }
void clamp_backward(const Tensor& x, double low, double high, const Tensor& dy, Into dx) {
    combine(x, dy, dx, ClampSlope{f32(low), f32(high)});
}

void binary_forward(Binary kind, const Tensor& a, const Tensor& b, Into y) {
    switch (kind) {
        case Binary::add:
            return combine(a, b, y, Add());
        case Binary::subtract:
            return combine(a, b, y, Subtract());
        case Binary::multiply:
            return combine(a, b, y, Multiply());
        case Binary::divide:
            return combine(a, b, y, Divide());
    }
}

}    // namespace lull::cuda
