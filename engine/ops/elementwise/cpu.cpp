#include "engine/cpu/parallel.h"
#include "engine/ops/elementwise/functions.h"
#include "engine/ops/elementwise/kernels.h"
#include "engine/ops/elementwise/walk.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 14;    // elements worth a thread's while

// An operand along a row: elements side by side, or one for the whole row.
template <class T>
struct Run {
    const T* at;
    Vec<T> load(std::int64_t i, auto lane) const { return lane.load(at + i); }
};
template <class T>
struct Same {
    T value;
    Vec<T> load(std::int64_t, auto) const { return hn::Set(Tag<T>(), value); }
};

// y[i] ← f(x[i]…), or y[i] + f(x[i]…), for i in [0, n).
template <class T, class F, class... Operands>
void map_row(std::int64_t n, T* y, bool add, const F& f, const Operands&... x) {
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) {
        const Vec<T> value = f(x.load(i, lane)...);
        lane.store(add ? hn::Add(lane.load(y + i), value) : value, y + i);
    });
}

// The same for whole contiguous tensors of one shape, in parallel.
template <class T, class F, class... Tensors>
void map_all(Into y, const F& f, const Tensors&... x) {
    T* target = y.tensor.data<T>();
    parallel_ranges(y.tensor.elements(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        map_row(end - begin, target + begin, y.add, f, Run<T>{x.template data<T>() + begin}...);
    });
}

template <class T, class F>
void map_broadcast(const Tensor& a, const Tensor& b, Into y, const F& f) {
    const Walk walk(a, b);
    const bool a_runs = walk.a_runs(), b_runs = walk.b_runs();
    const std::int64_t length = walk.row_length();
    const T *a_ = a.data<T>(), *b_ = b.data<T>();
    T* y_ = y.tensor.data<T>();
    parallel_ranges(y.tensor.elements(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t at = begin; at < end;) {
            const std::int64_t row = at / length, i = at % length, n = std::min(end - at, length - i);
            const T* left = a_ + walk.row(row, walk.a_stride) + (a_runs ? i : 0);
            const T* right = b_ + walk.row(row, walk.b_stride) + (b_runs ? i : 0);
            if (a_runs && b_runs)
                map_row(n, y_ + at, y.add, f, Run<T>{left}, Run<T>{right});
            else if (a_runs)
                map_row(n, y_ + at, y.add, f, Run<T>{left}, Same<T>{*right});
            else
                map_row(n, y_ + at, y.add, f, Same<T>{*left}, Run<T>{right});
            at += n;
        }
    });
}

// NaN stays NaN: both comparisons are false.
template <class V>
V clamped(V x, V low, V high) {
    return hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, high), high, x));
}

// Above 0 the slope is 1; at 0 it is the lower one, as PyTorch's.
template <class V>
V leaky_slope(V x, V slope) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(hn::DFromV<V>())), constant<V>(1), slope);
}

}    // namespace

void unary_forward(Unary kind, const Tensor& x, Tensor& y) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        with_function(kind, [&](auto f) {
            map_all<T>(
                {y, false}, [](Vec<T> v) { return decltype(f)::value(v); }, x);
        });
    });
}

void unary_backward(Unary kind, const Tensor& saved, const Tensor& dy, Into dx) {
    with_compute_dtype("elementwise", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        with_function(kind, [&](auto f) {
            map_all<T>(
                dx, [](Vec<T> s, Vec<T> g) { return hn::Mul(g, decltype(f)::slope(s)); }, saved, dy);
        });
    });
}

void affine_forward(const Tensor& x, double a, double b, Into y) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Vec<T> slope = constant<Vec<T>>(a), shift = constant<Vec<T>>(b);
        map_all<T>(
            y, [&](Vec<T> v) { return hn::MulAdd(v, slope, shift); }, x);
    });
}

void leaky_relu_forward(const Tensor& x, double slope, double shift, Tensor& y) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Vec<T> below = constant<Vec<T>>(slope), lift = constant<Vec<T>>(-shift);
        map_all<T>(
            {y, false}, [&](Vec<T> v) { return hn::MulAdd(v, leaky_slope(v, below), lift); }, x);
    });
}

void leaky_relu_backward(const Tensor& x, double slope, const Tensor& dy, Into dx) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Vec<T> below = constant<Vec<T>>(slope);
        map_all<T>(
            dx, [&](Vec<T> v, Vec<T> g) { return hn::Mul(leaky_slope(v, below), g); }, x, dy);
    });
}

void clamp_forward(const Tensor& x, double low, double high, Tensor& y) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Vec<T> least = constant<Vec<T>>(low), most = constant<Vec<T>>(high);
        map_all<T>(
            {y, false}, [&](Vec<T> v) { return clamped(v, least, most); }, x);
    });
}

void clamp_backward(const Tensor& x, double low, double high, const Tensor& dy, Into dx) {
    with_compute_dtype("elementwise", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Vec<T> least = constant<Vec<T>>(low), most = constant<Vec<T>>(high);
        map_all<T>(
            dx, [&](Vec<T> v, Vec<T> g) { return hn::IfThenElseZero(hn::And(hn::Ge(v, least), hn::Le(v, most)), g); }, x, dy);
    });
}

void binary_forward(Binary kind, const Tensor& a, const Tensor& b, Into y) {
    with_compute_dtype("elementwise", a.dtype(), [&](auto type) {
        using T = decltype(type);
        using V = Vec<T>;
        switch (kind) {
            case Binary::add:
                return map_broadcast<T>(a, b, y, [](V p, V q) { return hn::Add(p, q); });
            case Binary::subtract:
                return map_broadcast<T>(a, b, y, [](V p, V q) { return hn::Sub(p, q); });
            case Binary::multiply:
                return map_broadcast<T>(a, b, y, [](V p, V q) { return hn::Mul(p, q); });
            case Binary::divide:
                return map_broadcast<T>(a, b, y, [](V p, V q) { return hn::Div(p, q); });
        }
    });
}

}    // namespace lull::cpu
