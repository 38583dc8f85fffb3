#include "engine/cpu/fold.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/reduce/kernels.h"

namespace lull::cpu {

namespace {

// Folds each column of x: (rows, inner), neighbours a vector at a time, into partial: (inner).
template <class T, class Combine>
void fold_columns(const T* x, std::int64_t rows, std::int64_t inner, double* partial, const Combine& combine) {
    constexpr int kLanes = lanes<double>();
    for (std::int64_t j = 0; j < inner; j += kLanes) {
        const auto count = static_cast<std::size_t>(std::min<std::int64_t>(kLanes, inner - j));
        Wide sum = hn::Set(Tag<double>(), Combine::kStart);
        if (count == kLanes)
            for (std::int64_t r = 0; r < rows; ++r) sum = combine(sum, load_wide(x + r * inner + j));
        else
            for (std::int64_t r = 0; r < rows; ++r) sum = combine(sum, load_wide(x + r * inner + j, count));
        store_first(sum, Tag<double>(), partial + j, count);
    }
}

// Each output is folded from partials of about kFoldChunk elements; how many there are depends on (n, inner) alone.
template <class T, class Combine>
void reduce(const Tensor& x, Tensor& y, double scale, const Combine& combine) {
    const std::int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
    const std::int64_t rows = std::max<std::int64_t>(1, kFoldChunk / std::max<std::int64_t>(1, inner));
    const std::int64_t chunks = std::max<std::int64_t>(1, (n + rows - 1) / rows);
    Tensor partials = empty({outer, chunks, inner}, DType::f64);
    const T* source = x.data<T>();
    double* partial = partials.data<double>();
    T* target = y.data<T>();

    const std::int64_t work = std::max<std::int64_t>(1, std::min(rows, n) * inner);    // elements behind one partial
    parallel_ranges(outer * chunks, std::max<std::int64_t>(1, kFoldChunk / work), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t first = i % chunks * rows, count = std::min(rows, n - first);
            const T* from = source + (i / chunks * n + first) * inner;
            if (inner == 1)
                partial[i] = fold(
                    count, combine, [](Wide v) { return v; }, from);
            else
                fold_columns(from, count, inner, partial + i * inner, combine);
        }
    });
    parallel_ranges(outer, std::max<std::int64_t>(1, kFoldChunk / std::max<std::int64_t>(1, chunks * inner)),
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t o = begin; o < end; ++o) {
                            for (std::int64_t j = 0; j < inner; ++j) {
                                const double* from = partial + o * chunks * inner + j;
                                double total = from[0];
                                for (std::int64_t c = 1; c < chunks; ++c) total = combine(total, from[c * inner]);
                                target[o * inner + j] = static_cast<T>(scale * total);
                            }
                        }
                    });
}

}    // namespace

void reduce_forward(Reduction kind, double scale, const Tensor& x, Tensor& y) {
    with_compute_dtype("reduce", x.dtype(), [&](auto type) {
        using T = decltype(type);
        switch (kind) {
            case Reduction::sum:
                return reduce<T>(x, y, scale, Plus());
            case Reduction::max:
                return reduce<T>(x, y, scale, Larger());
            case Reduction::min:
                return reduce<T>(x, y, scale, Smaller());
        }
    });
}

void extreme_backward(const Tensor& x, const Tensor& y, const Tensor& dy, Into dx) {
    with_compute_dtype("reduce", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t n = x.size(1), inner = x.size(2);
        const T *x_ = x.data<T>(), *y_ = y.data<T>(), *dy_ = dy.data<T>();
        T* dx_ = dx.tensor.data<T>();
        parallel_for(x.size(0), [&](std::int64_t o) {
            for (std::int64_t j = 0; j < inner; ++j) {
                const std::int64_t at = o * n * inner + j, end = at + n * inner;
                const T extreme = y_[o * inner + j];
                std::int64_t equal = 0;
                for (std::int64_t i = at; i < end; i += inner) equal += x_[i] == extreme;
                const T share = dy_[o * inner + j] / static_cast<T>(std::max<std::int64_t>(1, equal));
                for (std::int64_t i = at; i < end; i += inner)
                    dx_[i] = (dx.add ? dx_[i] : T(0)) + (x_[i] == extreme ? share : T(0));
            }
        });
    });
}

}    // namespace lull::cpu
