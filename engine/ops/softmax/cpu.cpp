#include <algorithm>
#include <limits>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/softmax/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 12;    // elements that are worth a thread's while

// Calls f(first element of the row) for all rows of x. A row belongs to one thread.
template <class F>
void for_each_row(const Tensor& x, const F& f) {
    const std::int64_t n = x.size(-1);
    if (n == 0) return;
    parallel_ranges(x.elements() / n, std::max<std::int64_t>(1, kGrain / n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) f(row * n);
    });
}

// y = e^{x - max x} / Σ e^{x - max x}: no exponential overflows, and the largest is 1.
template <class T>
void softmax_row(const T* x, T* y, std::int64_t n) {
    const Tag<T> d;
    const Vec<T> top = hn::Set(d, *std::max_element(x, x + n));
    Vec<T> sum = hn::Zero(d);
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) { lane.store(vexp_at_most_e(hn::Sub(lane.load(x + i), top)), y + i); });
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) { sum = hn::Add(sum, lane.load(y + i)); });    // zeros behind the tail
    const Vec<T> scale = hn::Div(hn::Set(d, T(1)), hn::SumOfLanes(d, sum));
    map(
        n, y, [&](Vec<T> e) { return hn::Mul(e, scale); }, static_cast<const T*>(y));
}

template <class T>
void softmax_backward_row(const T* y, const T* dy, T* dx, bool add, std::int64_t n) {
    const Tag<T> d;
    Vec<T> sum = hn::Zero(d);
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) { sum = hn::MulAdd(lane.load(dy + i), lane.load(y + i), sum); });
    const Vec<T> dot = hn::SumOfLanes(d, sum);
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) {
        const Vec<T> value = hn::Mul(lane.load(y + i), hn::Sub(lane.load(dy + i), dot));
        lane.store(add ? hn::Add(lane.load(dx + i), value) : value, dx + i);
    });
}

}    // namespace

void softmax_forward(const Tensor& x, Tensor y) {
    with_compute_dtype("softmax", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const from = x.data<T>();
        T* const to = y.data<T>();
        for_each_row(x, [&](std::int64_t row) { softmax_row(from + row, to + row, x.size(-1)); });
    });
}

void softmax_backward(const Tensor& y, const Tensor& dy, Into dx) {
    with_compute_dtype("softmax", y.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const y_data = y.data<T>();
        const T* const dy_data = dy.data<T>();
        T* const dx_data = dx.tensor.data<T>();
        for_each_row(
            y, [&](std::int64_t row) { softmax_backward_row(y_data + row, dy_data + row, dx_data + row, dx.add, y.size(-1)); });
    });
}

}    // namespace lull::cpu
