// Image after image through the building blocks of engine/cpu/conv.h; the images are handed out to the threads.
#include "engine/cpu/conv.h"

#include <algorithm>

#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/cpu/scratch.h"
#include "engine/ops/conv2d/kernels.h"

namespace lull::cpu {

namespace {

ConvShape shape_of(const Tensor& weight, std::int64_t height, std::int64_t width, const Conv2dOptions& options) {
    return {.height = height,
            .width = width,
            .channels = weight.size(3),
            .out_channels = weight.size(0),
            .kernel_height = weight.size(1),
            .kernel_width = weight.size(2),
            .stride = options.stride,
            .padding = options.padding};
}

}    // namespace

void conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options, Tensor y) {
    with_compute_dtype("conv2d", x.dtype(), [&](auto type) {
        using T = decltype(type);
        Convolution<T> conv(shape_of(weight, x.size(1), x.size(2), options));
        conv.pack_forward(weight.data<T>());
        const PaddedLayout<T> layout = conv.input();
        const std::int64_t images = x.size(0), x_image = x.elements() / std::max<std::int64_t>(images, 1),
                           y_image = y.elements() / std::max<std::int64_t>(images, 1);
        const T* const x_data = x.data<T>();
        const T* const b_data = bias.defined() ? bias.data<T>() : nullptr;
        T* const y_data = y.data<T>();
        parallel_for(images, [&](std::int64_t n) {
            Scratch scratch;
            T* const padded = scratch.take<T>(layout.size());
            copy_padded(layout, x_data + n * x_image, padded);
            conv.forward(padded, y_data + n * y_image, b_data);
        });
    });
}

void conv2d_backward_data(const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx) {
    with_compute_dtype("conv2d", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        Convolution<T> conv(shape_of(weight, dx.tensor.size(1), dx.tensor.size(2), options));
        conv.pack_backward(weight.data<T>());
        const PaddedLayout<T> layout = conv.gradient();
        const std::int64_t images = dy.size(0), dx_image = dx.tensor.elements() / std::max<std::int64_t>(images, 1),
                           dy_image = dy.elements() / std::max<std::int64_t>(images, 1);
        const T* const dy_data = dy.data<T>();
        T* const dx_data = dx.tensor.data<T>();
        parallel_for(images, [&](std::int64_t n) {
            Scratch scratch;
            T* const padded = scratch.take<T>(layout.size());
            copy_padded(layout, dy_data + n * dy_image, padded);
            conv.backward_data(padded, dx_data + n * dx_image, dx.add);
        });
    });
}

void conv2d_backward_weights(const Tensor& x, const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dweight,
                             Into dbias) {
    with_compute_dtype("conv2d", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const Convolution<T> conv(shape_of(weight, x.size(1), x.size(2), options));
        const PaddedLayout<T> x_layout = conv.input(), dy_layout = conv.gradient();
        const std::int64_t images = x.size(0), count = partial_sums(images);
        const std::int64_t x_image = x.elements() / std::max<std::int64_t>(images, 1),
                           dy_image = dy.elements() / std::max<std::int64_t>(images, 1);
        const Buffer<T> partials(count * conv.gradient_size());
        const T* const x_data = x.data<T>();
        const T* const dy_data = dy.data<T>();
        parallel_for(count, [&](std::int64_t i) {
            Scratch scratch;
            T* const x_padded = scratch.take<T>(x_layout.size());
            T* const dy_padded = scratch.take<T>(dy_layout.size());
            T* const partial = partials.data() + i * conv.gradient_size();
            std::fill_n(partial, conv.gradient_size(), T(0));
            for (std::int64_t n = images * i / count; n < images * (i + 1) / count; ++n) {
                copy_padded(dy_layout, dy_data + n * dy_image, dy_padded);
                if (dweight.tensor.defined()) {
                    copy_padded(x_layout, x_data + n * x_image, x_padded);
                    conv.backward_weights(x_padded, dy_padded, partial);
                }
                if (dbias.tensor.defined()) conv.backward_bias(dy_padded, partial + conv.bias_offset());
            }
        });
        if (dweight.tensor.defined()) {
            conv.sum_weights(partials.data(), count, conv.gradient_size(), dweight.tensor.data<T>(), dweight.add);
        }
        if (dbias.tensor.defined()) {
            sum_partials(partials.data() + conv.bias_offset(), count, conv.gradient_size(), dbias.tensor.size(0),
                         dbias.tensor.data<T>(), dbias.add);
        }
    });
}

}    // namespace lull::cpu
