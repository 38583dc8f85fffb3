#include <algorithm>

#include "engine/cpu/buffer.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/cross_entropy/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 12;    // elements that are worth a thread's while

std::int64_t rows_per_range(std::int64_t classes) { return std::max<std::int64_t>(1, kGrain / classes); }

// ln Σ e^x = top + ln Σ e^{x - top}: no exponential overflows, and the sum is at least 1.
template <class T>
double log_sum_exp(const T* x, std::int64_t n) {
    const Tag<T> d;
    const T top = *std::max_element(x, x + n);
    Vec<T> sum = hn::Zero(d);
    for_each_vector<T>(n, [&](std::int64_t i, auto lane) {
        const Vec<T> e = vexp_at_most_e(hn::Sub(lane.load(x + i), hn::Set(d, top)));
        const auto left = static_cast<std::size_t>(n - i);
        sum = hn::Add(sum, left >= static_cast<std::size_t>(lanes<T>()) ? e : hn::IfThenElseZero(hn::FirstN(d, left), e));
    });
    const auto total = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
    return static_cast<double>(top) + hn::GetLane(vlog(hn::Set(Tag<double>(), total)));
}

}    // namespace

void cross_entropy_forward(const Tensor& logits, const Tensor& labels, Tensor lse, Tensor loss) {
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
        T* const denominators = lse.data<T>();
        parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const double denominator = log_sum_exp(x + n * classes, classes);
                denominators[n] = static_cast<T>(denominator);
                losses.data()[n] = denominator - static_cast<double>(x[n * classes + label[n]]);
            }
        });
        double sum = 0;
        for (std::int64_t n = 0; n < rows; ++n) sum += losses.data()[n];
        *loss.data<T>() = static_cast<T>(sum / static_cast<double>(rows));
    });
}

void cross_entropy_backward(const Tensor& logits, const Tensor& labels, const Tensor& lse, const Tensor& dloss, Into dlogits) {
    with_compute_dtype("cross_entropy", logits.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = logits.size(0), classes = logits.size(1);
        const T *const x = logits.data<T>(), *const denominators = lse.data<T>();
        const std::int64_t* const label = labels.data<std::int64_t>();
        T* const dx = dlogits.tensor.data<T>();
        const T share = *dloss.data<T>() / static_cast<T>(rows);
        const Vec<T> scale = hn::Set(Tag<T>(), share);
        parallel_ranges(rows, rows_per_range(classes), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const T* const from = x + n * classes;
                T* const to = dx + n * classes;
                const Vec<T> denominator = hn::Set(Tag<T>(), denominators[n]);
                for_each_vector<T>(classes, [&](std::int64_t k, auto lane) {
                    const Vec<T> p = vexp_at_most_e(hn::Sub(lane.load(from + k), denominator));
                    lane.store(dlogits.add ? hn::MulAdd(scale, p, lane.load(to + k)) : hn::Mul(scale, p), to + k);
                });
                to[label[n]] -= share;
            }
        });
    });
}

}    // namespace lull::cpu
