#include <vector>

#include "engine/cpu/fold.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/mse/kernels.h"

namespace lull::cpu {

// One partial sum per image, in f64, added up in the order of the batch.
void mse_forward(const Tensor& prediction, const Tensor& target, const Tensor& weight, Tensor& loss) {
    with_compute_dtype("mse", prediction.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t images = prediction.size(0), size = prediction.elements() / images;
        const T *p = prediction.data<T>(), *t = target.data<T>(), *w = weight.defined() ? weight.data<T>() : nullptr;
        Tensor partials = empty({images}, DType::f64);
        double* partial = partials.data<double>();
        parallel_ranges(images, std::max<std::int64_t>(1, kFoldChunk / size), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const auto square = [](Wide a, Wide b) {
                    const Wide difference = hn::Sub(a, b);
                    return hn::Mul(difference, difference);
                };
                partial[n] = (w ? static_cast<double>(w[n]) : 1.0) * fold(size, Plus(), square, p + n * size, t + n * size);
            }
        });
        double sum = 0;
        for (std::int64_t n = 0; n < images; ++n) sum += partial[n];
        *loss.data<T>() = static_cast<T>(sum / static_cast<double>(prediction.elements()));
    });
}

void mse_backward(const Tensor& prediction, const Tensor& target, const Tensor& weight, const Tensor& dloss, Into dprediction) {
    with_compute_dtype("mse", prediction.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t images = prediction.size(0), size = prediction.elements() / images;
        const T *p = prediction.data<T>(), *t = target.data<T>(), *w = weight.defined() ? weight.data<T>() : nullptr;
        T* dp = dprediction.tensor.data<T>();
        const double scale = 2 * static_cast<double>(*dloss.data<T>()) / static_cast<double>(prediction.elements());
        parallel_ranges(images, std::max<std::int64_t>(1, kFoldChunk / size), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t n = begin; n < end; ++n) {
                const std::int64_t first = n * size;
                const Vec<T> slope = hn::Set(Tag<T>(), static_cast<T>(scale * (w ? static_cast<double>(w[n]) : 1.0)));
                for_each_vector<T>(size, [&](std::int64_t i, auto lane) {
                    const Vec<T> g = hn::Mul(slope, hn::Sub(lane.load(p + first + i), lane.load(t + first + i)));
                    T* to = dp + first + i;
                    lane.store(dprediction.add ? hn::Add(lane.load(to), g) : g, to);
                });
            }
        });
    });
}

}    // namespace lull::cpu
