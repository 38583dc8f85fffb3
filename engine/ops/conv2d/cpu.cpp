// Groups of images through the building blocks of engine/cpu/conv.h, except where a matrix product does.
#include "engine/cpu/conv.h"

#include <algorithm>

#include "engine/cpu/convert.h"
#include "engine/cpu/group_norm.h"
#include "engine/cpu/image_groups.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/upsample.h"
#include "engine/ops/conv2d/kernels.h"
#include "engine/ops/linear/kernels.h"

namespace lull::cpu {

namespace {

// x: (N, H, W, C), or its gradient.
ConvShape shape_of(const Tensor& weight, const Tensor& x, const Conv2dOptions& options) {
    return {.height = x.size(1) * options.upsample,
            .width = x.size(2) * options.upsample,
            .channels = weight.size(3),
            .out_channels = weight.size(0),
            .kernel_height = weight.size(1),
            .kernel_width = weight.size(2),
            .stride = options.stride,
            .padding = options.padding};
}

std::int64_t image_size(const Tensor& t) { return t.size(1) * t.size(2) * t.size(3); }

// The images [first, first + count) of t, upsampled and padded, one behind the other.
template <class S, class T = Compute<S>>
T* pad(Scratch& scratch, const PaddedLayout<T>& layout, const Tensor& t, std::int64_t first, std::int64_t count,
       std::int64_t upsample = 1) {
    T* const padded = scratch.take<T>(count * layout.size());
    const S* const from = t.data<S>() + first * image_size(t);
    parallel_for(count, [&](std::int64_t i) {
        Scratch inner;
        const T* image = load(inner, from + i * image_size(t), image_size(t));
        if (upsample > 1) {
            const std::int64_t width = t.size(2), channels = t.size(3), row = width * channels;
            T* const large = inner.take<T>(upsample * upsample * image_size(t));
            for (std::int64_t r = 0; r < t.size(1); ++r)
                upsample_row(image + r * row, width, channels, upsample, large + r * upsample * upsample * row);
            image = large;
        }
        copy_padded(layout, image, padded + i * layout.size());
    });
    return padded;
}

// Filters of one pixel are a linear layer of the pixels. Not of bf16, which would be widened all at once there, and not where
// rows are multiples of 4 KiB, which a product reads in place: they would all want the same lines of the nearest cache.
bool is_linear(const Tensor& x, const Tensor& weight, const Conv2dOptions& options) {
    const bool one_pixel = weight.size(1) == 1 && weight.size(2) == 1;
    const bool as_it_is = options.stride == 1 && options.padding == 0 && options.upsample == 1;
    const bool known = x.dtype() == DType::f32 || x.dtype() == DType::f64;
    return one_pixel && as_it_is && known && x.size(3) * static_cast<std::int64_t>(size_of(x.dtype())) % 4096 != 0;
}

// With the last axis as columns: a matrix of pixels, or of weights (O, C).
Tensor matrix(const Tensor& t) { return t.reshape({t.size(0) * t.size(1) * t.size(2), t.size(3)}); }
Into matrix(const Into& to) { return {matrix(to.tensor), to.add}; }

}    // namespace

void conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options, Tensor y) {
    if (is_linear(x, weight, options)) return linear_forward(matrix(x), matrix(weight), bias, false, {matrix(y)});
    with_storage_dtype("conv2d", x.dtype(), [&]<class S>(S) {
        using T = Compute<S>;
        const auto conv = packed_convolution<T>(shape_of(weight, x, options), weight);
        const PaddedLayout<T> layout = conv->input();
        for_each_group(x.size(0), conv->group(), [&](std::int64_t first, std::int64_t count) {
            Scratch scratch;
            T* const padded = pad<S>(scratch, layout, x, first, count, options.upsample);
            S* const to = y.data<S>() + first * image_size(y);
            T* const y_group = place(scratch, to, count * image_size(y));
            conv->forward(count, padded, y_group, bias.defined() ? bias.data<T>() : nullptr);
            store(y_group, count * image_size(y), to);
        });
    });
}

void conv2d_backward_data(const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx) {
    if (is_linear(dy, weight, options)) return linear_backward_input(matrix(weight), matrix(dy), false, matrix(dx));
    with_storage_dtype("conv2d", dy.dtype(), [&]<class S>(S) {
        using T = Compute<S>;
        Convolution<T> conv(shape_of(weight, dx.tensor, options));
        conv.pack_backward(weight.data<T>());
        const PaddedLayout<T> layout = conv.gradient();
        for_each_group(dy.size(0), conv.group(), [&](std::int64_t first, std::int64_t count) {
            Scratch scratch;
            T* const padded = pad<S>(scratch, layout, dy, first, count);
            const std::int64_t size = image_size(dx.tensor), u = options.upsample;
            S* const to = dx.tensor.data<S>() + first * size;
            T* const dx_group = place(scratch, to, count * size);
            const bool add = dx.add && std::is_same_v<S, T>;
            if (u == 1) {
                conv.backward_data(count, padded, dx_group, add);
            } else {
                const std::int64_t width = dx.tensor.size(2), channels = dx.tensor.size(3), row = width * channels;
                T* const large = scratch.take<T>(count * u * u * size);
                conv.backward_data(count, padded, large, false);
                parallel_for(count * dx.tensor.size(1), [&](std::int64_t r) {
                    upsample_row_backward(large + r * u * u * row, width, channels, u, dx_group + r * row, add);
                });
            }
            store(dx_group, count * size, to, dx.add);
        });
    });
}

void conv2d_backward_weights(const Tensor& x, const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dweight,
                             Into dbias) {
    if (is_linear(x, weight, options)) {
        if (dweight.tensor.defined()) linear_backward_weight(matrix(x), matrix(dy), false, matrix(dweight));
        if (dbias.tensor.defined()) linear_backward_bias(matrix(dy), dbias);
        return;
    }
    with_storage_dtype("conv2d", x.dtype(), [&]<class S>(S) {
        using T = Compute<S>;
        const Convolution<T> conv(shape_of(weight, x, options));
        const PaddedLayout<T> x_layout = conv.input(), dy_layout = conv.gradient();
        const std::int64_t images = x.size(0), O = weight.size(0), bias_pitch = channel_array<T>(O);
        const std::int64_t slot_size = WeightGradient<T>::slot_size(conv, conv.group());
        const std::int64_t slots = slots_for(images, conv.group(), slot_size * static_cast<std::int64_t>(sizeof(T)));
        WeightGradient<T> gradient(conv, slots, conv.group());
        const Buffer<T> bias_sums(slots * bias_pitch);
        std::fill_n(bias_sums.data(), slots * bias_pitch, T(0));
        for_each_round(
            images, conv.group(), slots,
            [&](std::int64_t slot, std::int64_t first, std::int64_t count) {
                Scratch scratch;
                const T* const dy_padded = pad<S>(scratch, dy_layout, dy, first, count);
                if (dweight.tensor.defined())
                    gradient.add(slot, count, pad<S>(scratch, x_layout, x, first, count, options.upsample), dy_padded);
                if (dbias.tensor.defined()) {
                    for (std::int64_t i = 0; i < count; ++i)
                        conv.backward_bias(dy_padded + i * dy_layout.size(), bias_sums.data() + slot * bias_pitch);
                }
            },
            [&](std::int64_t used, std::int64_t last_count) {
                if (dweight.tensor.defined()) gradient.end_round(used, last_count);
            });
        if (dweight.tensor.defined()) gradient.finish(dweight.tensor.data<T>(), dweight.add);
        if (dbias.tensor.defined()) sum_partials(bias_sums.data(), slots, bias_pitch, O, dbias.tensor.data<T>(), dbias.add);
    });
}

}    // namespace lull::cpu
