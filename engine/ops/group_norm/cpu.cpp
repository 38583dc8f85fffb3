#include <algorithm>

#include "engine/cpu/buffer.h"
#include "engine/cpu/group_norm.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/ops/group_norm/kernels.h"

namespace lull::cpu {

namespace {

// Image n of x: (N, …, C).
template <class T>
Image<T> image(const Tensor& x, std::int64_t n) {
    const std::int64_t channels = x.size(-1), pixels = x.elements() / (x.size(0) * channels);
    return {.pixels = pixels, .channels = channels, .first = x.data<T>() + n * pixels * channels, .first_channels = channels};
}

// y[p][c] = f(p, c) over an image (pixels, channels).
template <class T, class F>
void write_image(std::int64_t pixels, std::int64_t channels, T* y, const F& f) {
    for_each_vector<T>(channels, [&](std::int64_t c, auto lane) {
        for (std::int64_t p = 0; p < pixels; ++p) lane.store(f(p, c, lane), y + p * channels + c);
    });
}

template <class F>
void with_type_and_activation(DType dtype, Activation activation, const F& f) {
    with_compute_dtype("group_norm", dtype, [&](auto type) {
        if (activation == Activation::silu)
            f(type, std::true_type{});
        else
            f(type, std::false_type{});
    });
}

}    // namespace

void group_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const GroupNormOptions& options, Tensor y,
                        Tensor statistics) {
    if (x.elements() == 0) return;
    with_type_and_activation(x.dtype(), options.activation, [&]<class T, bool kSilu>(T, std::bool_constant<kSilu>) {
        const Groups groups{options.groups, options.eps};
        parallel_for(x.size(0), [&](std::int64_t n) {
            Scratch scratch;
            const Image<T> x_n = image<T>(x, n);
            T* const stats = statistics.data<T>() + n * groups.count * 2;
            group_statistics<T>(x_n, nullptr, groups, stats);
            const Normalise<T> normalise(scratch, x_n.channels, nullptr, groups, stats);
            write_image(x_n.pixels, x_n.channels, y.data<T>() + n * x_n.pixels * x_n.channels,
                        NormaliseAndActivate<T, kSilu>{x_n, normalise, weight.data<T>(), bias.data<T>()});
        });
    });
}

void group_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& statistics,
                         const GroupNormOptions& options, const Tensor& dy, Into dx, Into dweight, Into dbias) {
    with_type_and_activation(x.dtype(), options.activation, [&]<class T, bool kSilu>(T, std::bool_constant<kSilu>) {
        const Groups groups{options.groups, options.eps};
        const std::int64_t images = x.size(0), C = x.size(-1), size = channel_array<T>(C), count = partial_sums(images);
        const Buffer<T> partials(count * 2 * size);    // (count, 2, C): dbias and dweight
        std::fill_n(partials.data(), count * 2 * size, T(0));
        parallel_for(x.elements() == 0 ? 0 : count, [&](std::int64_t i) {
            Scratch scratch;
            T* const partial = partials.data() + i * 2 * size;
            T* const sums = scratch.take<T>(2 * size);
            for (std::int64_t n = images * i / count; n < images * (i + 1) / count; ++n) {
                Scratch inner;
                const Image<T> x_n = image<T>(x, n);
                const std::int64_t elements = x_n.pixels * C;
                const Normalise<T> normalise(inner, C, nullptr, groups, statistics.data<T>() + n * groups.count * 2);
                T* const dz = inner.take<T>(elements);
                std::copy_n(dy.data<T>() + n * elements, elements, dz);
                group_norm_backward_sums<T, kSilu>(x_n, normalise, weight.data<T>(), bias.data<T>(), dz, sums, sums + size,
                                                   [](auto...) {});
                for (std::int64_t j = 0; j < 2 * size; ++j) partial[j] += sums[j];
                if (!dx.tensor.defined()) continue;
                T* const dx_n = dx.tensor.data<T>() + n * elements;
                const GroupNormGradient<T> gradient(inner, x_n, normalise, weight.data<T>(), dz, sums, sums + size, groups);
                write_image(x_n.pixels, C, dx_n, [&](std::int64_t p, std::int64_t c, auto lane) {
                    const Vec<T> value = gradient(p, c, lane);
                    return dx.add ? hn::Add(value, lane.load(dx_n + p * C + c)) : value;
                });
            }
        });
        if (dweight.tensor.defined())
            sum_partials(partials.data() + size, count, 2 * size, C, dweight.tensor.data<T>(), dweight.add);
        if (dbias.tensor.defined()) sum_partials(partials.data(), count, 2 * size, C, dbias.tensor.data<T>(), dbias.add);
    });
}

}    // namespace lull::cpu
