// Batch normalisation on the CPU. With M elements per channel, r = 1/√(variance + eps) and n = (x - mean) r:
//     y = w n + b          dw = Σ dy n          db = Σ dy
//     dx = w r dy                               where mean and variance were given,
//     dx = w r (dy - db / M - n dw / M)         where they are x's: mean and variance of n stay 0 and 1 however x moves, so
//                                               what dy has along 1 and along n is lost.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/cpu/fold.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/ops/batch_norm/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 14;    // elements worth a thread's while

std::int64_t rows_of(const Tensor& x) { return x.elements() / std::max<std::int64_t>(1, x.size(-1)); }

// sums[k][c] = Σ over rows of the k-th of terms(row·C + c, c, load), k < kSums, in f64: partial sums over neighbouring rows,
// their number fixed by the shape, added up in order. load(p) reads neighbours from p on as doubles.
template <int kSums, class F>
Tensor channel_sums(std::int64_t rows, std::int64_t C, const F& terms) {
    constexpr std::int64_t kLanes = lanes<double>();
    const std::int64_t count = partial_sums(rows);
    const Tensor partials = zeros({count, kSums, C}, DType::f64), sums = empty({kSums, C}, DType::f64);
    double* const partial = Tensor(partials).data<double>();
    parallel_for(count, [&](std::int64_t i) {
        double* const sum = partial + i * kSums * C;
        for (std::int64_t row = rows * i / count; row < rows * (i + 1) / count; ++row) {
            for (std::int64_t c = 0; c < C; c += kLanes) {
                const auto width = static_cast<std::size_t>(std::min(kLanes, C - c));
                const auto load = [&](const auto* p) { return width == kLanes ? load_wide(p) : load_wide(p, width); };
                const std::array<Wide, kSums> term = terms(row * C + c, c, load);
                for (int k = 0; k < kSums; ++k) {
                    double* const at = sum + k * C + c;
                    store_first(hn::Add(load(at), term[static_cast<std::size_t>(k)]), Tag<double>(), at, width);
                }
            }
        }
    });
    sum_partials(partial, count, kSums * C, kSums * C, Tensor(sums).data<double>(), false);
    return sums;
}

// to[c] = scale · from[c]
template <class T>
void write_scaled(const double* from, double scale, Tensor to) {
    T* const target = to.data<T>();
    for (std::int64_t c = 0; c < to.elements(); ++c) target[c] = static_cast<T>(scale * from[c]);
}

template <class T>
void write_sum(const double* from, Into to) {
    if (!to.tensor.defined()) return;
    T* const target = to.tensor.data<T>();
    for (std::int64_t c = 0; c < to.tensor.elements(); ++c)
        target[c] = static_cast<T>((to.add ? double(target[c]) : 0.0) + from[c]);
}

// 1/√(variance + eps), (C) f64.
Tensor reciprocal_deviation(const Tensor& variance, double eps) {
    Tensor r = variance.to(DType::f64).clone();
    double* const at = r.data<double>();
    for (std::int64_t c = 0; c < r.elements(); ++c) at[c] = 1 / std::sqrt(at[c] + eps);
    return r;
}

// y[row][c] = f(row·C + c, c, lane) for all rows.
template <class T, class F>
void for_each_row(std::int64_t rows, std::int64_t C, const F& f) {
    parallel_ranges(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, C)),
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t row = begin; row < end; ++row)
                            for_each_vector<T>(C, [&](std::int64_t c, auto lane) { f(row * C + c, c, lane); });
                    });
}

}    // namespace

// Two passes: E[x²] - mean² would lose the variance of what lies far from 0.
void batch_norm_statistics(const Tensor& x, Tensor mean, Tensor variance) {
    with_compute_dtype("batch_norm", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(x), C = x.size(-1);
        const double share = 1 / static_cast<double>(std::max<std::int64_t>(1, rows));
        const T* const from = x.data<T>();
        Tensor centre =
            channel_sums<1>(rows, C, [&](std::int64_t i, std::int64_t, const auto& load) { return std::array{load(from + i)}; });
        double* const centres = centre.data<double>();
        for (std::int64_t c = 0; c < C; ++c) centres[c] *= share;
        const Tensor squares = channel_sums<1>(rows, C, [&](std::int64_t i, std::int64_t c, const auto& load) {
            const Wide distance = hn::Sub(load(from + i), load(centres + c));
            return std::array{hn::Mul(distance, distance)};
        });
        write_scaled<T>(centres, 1, mean);
        write_scaled<T>(squares.data<double>(), share, variance);
    });
}

void batch_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& variance,
                        double eps, Tensor y) {
    with_compute_dtype("batch_norm", x.dtype(), [&](auto type) {
        using T = decltype(type);
        Tensor scale = reciprocal_deviation(variance, eps).to(x.dtype());
        const T *const x_data = x.data<T>(), *const m = mean.data<T>(), *const b = bias.data<T>();
        T *const y_data = y.data<T>(), *const s = scale.data<T>();
        map(
            x.size(-1), s, [](Vec<T> r, Vec<T> w) { return hn::Mul(r, w); }, static_cast<const T*>(s), weight.data<T>());
        for_each_row<T>(rows_of(x), x.size(-1), [&](std::int64_t i, std::int64_t c, auto lane) {
            const Vec<T> distance = hn::Sub(lane.load(x_data + i), lane.load(m + c));
            lane.store(hn::MulAdd(distance, lane.load(s + c), lane.load(b + c)), y_data + i);
        });
    });
}

void batch_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& variance, double eps,
                         bool of_batch, const Tensor& dy, Into dx, Into dweight, Into dbias) {
    with_compute_dtype("batch_norm", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(x), C = x.size(-1);
        const T *const x_data = x.data<T>(), *const dy_data = dy.data<T>(), *const m = mean.data<T>();
        const Tensor deviation = reciprocal_deviation(variance, eps);
        const double* const r = deviation.data<double>();
        Tensor sums = channel_sums<2>(rows, C, [&](std::int64_t i, std::int64_t c, const auto& load) {
            const Wide g = load(dy_data + i), n = hn::Mul(hn::Sub(load(x_data + i), load(m + c)), load(r + c));
            return std::array{g, hn::Mul(g, n)};
        });
        double *const sum_dy = sums.data<double>(), *const sum_dy_n = sum_dy + C;
        write_sum<T>(sum_dy_n, dweight);    // in the order in which they were asked for: both may be one place
        write_sum<T>(sum_dy, dbias);
        if (!dx.tensor.defined()) return;

        // dx = a dy - k (x - mean) - o, with a = w r, k = w r² dw / M, o = w r db / M per channel.
        Tensor factors = zeros({3, C}, x.dtype());
        T *const a = factors.data<T>(), *const k = a + C, *const o = k + C, *const dx_data = dx.tensor.data<T>();
        const T* const w = weight.data<T>();
        for (std::int64_t c = 0; c < C; ++c) {
            const double slope = static_cast<double>(w[c]) * r[c];
            a[c] = static_cast<T>(slope);
            if (!of_batch || rows == 0) continue;
            k[c] = static_cast<T>(slope * r[c] * sum_dy_n[c] / static_cast<double>(rows));
            o[c] = static_cast<T>(slope * sum_dy[c] / static_cast<double>(rows));
        }
        for_each_row<T>(rows, C, [&](std::int64_t i, std::int64_t c, auto lane) {
            const Vec<T> lost = hn::MulAdd(hn::Sub(lane.load(x_data + i), lane.load(m + c)), lane.load(k + c), lane.load(o + c));
            const Vec<T> value = hn::MulSub(lane.load(a + c), lane.load(dy_data + i), lost);
            lane.store(dx.add ? hn::Add(lane.load(dx_data + i), value) : value, dx_data + i);
        });
    });
}

}    // namespace lull::cpu
