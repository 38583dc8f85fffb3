#include <algorithm>

#include "engine/cpu/buffer.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/cross_entropy/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 12;    // elements that are worth a thread's while

std::int64_t rows_per_range(std::int64_t classes) { return std::max<std::int64_t>(1, kGrain / classes); }

template <class T>
T largest(const T* x, std::int64_t n) {
    return *std::max_element(x, x + n);
}

// Σ e^{x - top}: no exponential overflows, and the sum is at least 1.
template <class T>
T sum_of_exponentials(const T* x, std::int64_t n, T top) {
    const Tag<T> d;
    Vec<T> sum = hn::Zero(d);
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) {
        const Vec<T> e = vexp_at_most_e(hn::Sub(lane.load(x + i), hn::Set(d, top)));
        const auto left = static_cast<std::size_t>(n - i);
        sum = hn::Add(sum, left >= static_cast<std::size_t>(lanes<T>()) ? e : hn::IfThenElseZero(hn::FirstN(d, left), e));
    });
    return hn::GetLane(hn::SumOfLanes(d, sum));
}

double log_of(double x) { return hn::GetLane(vlog(hn::Set(Tag<double>(), x))); }

}    // namespace

void cross_entropy_forward(const Tensor& logits, const Tensor& labels, Tensor sums, Tensor loss) {
    with_compute_dtype("cross_entropy", logits.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = logits.size(0), classes = logits.size(1);
        const T* const x = logits.data<T>();
        const std::int64_t* const label = labels.data<std::int64_t>();
        for (std::int64_t n = 0; n < rows; ++n) {
            check(label[n] >= 0 && label[n] < classes, "cross_entropy", "expected labels in [0, ", classes, "), got ", label[n],
                  " for row ", n);
        }
        const Buffer<double> losses(rows);
        T* const denominators = sums.data<T>();
        parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const T* const row = x + n * classes;
                const T top = largest(row, classes);
                denominators[n] = sum_of_exponentials(row, classes, top);
                losses.data()[n] = log_of(denominators[n]) + (static_cast<double>(top) - static_cast<double>(row[label[n]]));
            }
        });
        double sum = 0;
        for (std::int64_t n = 0; n < rows; ++n) sum += losses.data()[n];
        *loss.data<T>() = static_cast<T>(sum / static_cast<double>(rows));
    });
}

void cross_entropy_backward(const Tensor& logits, const Tensor& labels, const Tensor& sums, const Tensor& dloss, Into dlogits) {
    with_compute_dtype("cross_entropy", logits.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = logits.size(0), classes = logits.size(1);
        const T *const x = logits.data<T>(), *const denominators = sums.data<T>();
        const std::int64_t* const label = labels.data<std::int64_t>();
        T* const dx = dlogits.tensor.data<T>();
        const T share = *dloss.data<T>() / static_cast<T>(rows);
        parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const T* const from = x + n * classes;
                T* const to = dx + n * classes;
                const Vec<T> top = hn::Set(Tag<T>(), largest(from, classes)), scale = hn::Set(Tag<T>(), share / denominators[n]);
                for_each_vector<T>(classes, [&](std::int64_t k, auto lane) {
                    const Vec<T> e = vexp_at_most_e(hn::Sub(lane.load(from + k), top));
                    lane.store(dlogits.add ? hn::MulAdd(scale, e, lane.load(to + k)) : hn::Mul(scale, e), to + k);
                });
                to[label[n]] -= share;
            }
        });
    });
}

}    // namespace lull::cpu
