#include "engine/cpu/conv.h"

#include <algorithm>

#include "engine/cpu/parallel.h"

namespace lull::cpu {
namespace {

bool by_winograd(const ConvShape& shape) {
    return shape.kernel_height == 3 && shape.kernel_width == 3 && shape.stride == 1 && shape.padding <= 2 &&
           shape.channels >= 16 && shape.out_channels >= 16 && shape.out_height() >= 1 && shape.out_width() >= 1;
}

// Zeros before the image that its gradient's taps reach: those of the output's first row.
std::int64_t lead(const ConvShape& shape, std::int64_t kernel) {
    return std::max<std::int64_t>(0, kernel - 1 - shape.padding + shape.stride - 1) / shape.stride;
}

}    // namespace

template <class T>
Convolution<T>::Convolution(const ConvShape& shape) : shape_(shape), winograd_(by_winograd(shape)) {
    if (winograd_) {
        forward_.emplace(shape.out_height(), shape.out_width(), shape.channels, shape.out_channels);
        backward_.emplace(shape.height, shape.width, shape.out_channels, shape.channels);
    } else {
        direct_.emplace(shape, input(), gradient());
    }
}

template <class T>
PaddedLayout<T> Convolution<T>::input() const {
    const std::int64_t s = shape_.stride;
    const auto extent = [&](std::int64_t in, std::int64_t out) {
        return std::max(in + 2 * shape_.padding, winograd_ ? winograd_extent(out) : 0);
    };
    return {.height = shape_.height,
            .width = shape_.width,
            .channels = shape_.channels,
            .top = shape_.padding,
            .left = shape_.padding,
            .rows = extent(shape_.height, shape_.out_height()),
            .columns = (extent(shape_.width, shape_.out_width()) + s - 1) / s,
            .phases = s};
}

// dx at row s·i + phase reads dy at row i + (phase + padding - a) / s for the taps a where that is whole: from -lead up to
// (H - 1 + padding) / s. The tiles of dy that Winograd's gradient of the weights reads begin with the image.
template <class T>
PaddedLayout<T> Convolution<T>::gradient() const {
    const std::int64_t top = lead(shape_, shape_.kernel_height), left = lead(shape_, shape_.kernel_width);
    const auto extent = [&](std::int64_t begin, std::int64_t out, std::int64_t in) {
        const std::int64_t direct = begin + std::max(out, (in - 1 + shape_.padding) / shape_.stride + 1);
        return winograd_ ? std::max({direct, winograd_extent(in), begin + winograd_extent(out) - 2}) : direct;
    };
    return {.height = shape_.out_height(),
            .width = shape_.out_width(),
            .channels = shape_.out_channels,
            .top = top,
            .left = left,
            .rows = extent(top, shape_.out_height(), shape_.height),
            .columns = extent(left, shape_.out_width(), shape_.width)};
}

template <class T>
void Convolution<T>::pack_forward(const T* weight) {
    if (winograd_)
        forward_->pack(weight, shape_.channels, 1, 9 * shape_.channels, false);
    else
        direct_->pack_forward(weight);
}

template <class T>
void Convolution<T>::pack_backward(const T* weight) {
    if (winograd_)
        backward_->pack(weight, shape_.channels, 9 * shape_.channels, 1, true);
    else
        direct_->pack_backward(weight);
}

template <class T>
void Convolution<T>::forward(std::int64_t count, const T* x, T* y, const T* bias, const T* residual) const {
    if (winograd_)
        forward_->run(count, input(), x, y, bias, residual);
    else
        direct_->forward(count, x, y, bias, residual);
}

template <class T>
void Convolution<T>::backward_data(std::int64_t count, const T* dy, T* dx, bool add) const {
    if (winograd_)
        backward_->run(count, gradient(), dy, dx, nullptr, add ? dx : nullptr);
    else
        direct_->backward_data(count, dy, dx, add);
}

template <class T>
void Convolution<T>::backward_bias(const T* dy, T* sum) const {
    const PaddedLayout<T> layout = gradient();
    const Tag<T> d;
    for (std::int64_t o = 0; o < layout.channels; o += lanes<T>()) {
        Vec<T> total = hn::Load(d, sum + o);
        for (std::int64_t i = 0; i < layout.height; ++i) {
            const T* row = dy + o / lanes<T>() * layout.block_pitch() + layout.offset(layout.top + i, layout.left);
            Vec<T> row_sum = hn::Zero(d);
            for (std::int64_t j = 0; j < layout.width; ++j) row_sum = hn::Add(row_sum, hn::Load(d, row + j * lanes<T>()));
            total = hn::Add(total, row_sum);
        }
        hn::Store(total, d, sum + o);
    }
}

template <class T>
std::int64_t WeightGradient<T>::slot_size(const Convolution<T>& conv, std::int64_t group) {
    if (!conv.winograd_) return conv.direct_->partial_size();
    return conv.forward_->points_size(group, conv.shape().channels) +
           conv.forward_->points_size(group, conv.shape().out_channels);
}

template <class T>
WeightGradient<T>::WeightGradient(const Convolution<T>& conv, std::int64_t slots, std::int64_t group)
    : conv_(conv), count_(slots), group_(group), slot_size_(slot_size(conv, group)), slots_(slots * slot_size_) {
    if (conv.winograd_)
        sum_ = Buffer<T>(conv.forward_->sum_size());
    else
        parallel_for(slots, [&](std::int64_t i) { std::fill_n(slot(i), slot_size_, T(0)); });
}

template <class T>
void WeightGradient<T>::add(std::int64_t slot_index, std::int64_t count, const T* x, const T* dy) {
    const PaddedLayout<T> x_layout = conv_.input(), dy_layout = conv_.gradient();
    T* const to = slot(slot_index);
    if (conv_.winograd_) {
        conv_.forward_->transform_input(count, x_layout, x, to);
        conv_.forward_->transform_gradient(count, dy_layout, dy,
                                           to + conv_.forward_->points_size(group_, conv_.shape().channels));
    } else {
        for (std::int64_t i = 0; i < count; ++i)
            conv_.direct_->backward_weights(x + i * x_layout.size(), dy + i * dy_layout.size(), to);
    }
}

template <class T>
void WeightGradient<T>::end_round(std::int64_t used, std::int64_t last_count) {
    if (!conv_.winograd_) return;
    const std::int64_t dy_begin = conv_.forward_->points_size(group_, conv_.shape().channels);
    parallel_for(Winograd<T>::kPoints, [&](std::int64_t point) {
        for (std::int64_t i = 0; i < used; ++i) {
            const std::int64_t count = i + 1 < used ? group_ : last_count;
            conv_.forward_->multiply_point(point, count, slot(i), slot(i) + dy_begin, sum_.data(), started_ || i > 0);
        }
    });
    started_ = true;
}

template <class T>
void WeightGradient<T>::finish(T* dweight, bool add) {
    if (conv_.winograd_ && !started_) std::fill_n(sum_.data(), conv_.forward_->sum_size(), T(0));    // a batch without images
    if (conv_.winograd_)
        conv_.forward_->finish(sum_.data(), dweight, add);
    else
        conv_.direct_->sum_weights(slots_.data(), count_, dweight, add);
}

template class Convolution<float>;
template class Convolution<double>;
template class WeightGradient<float>;
template class WeightGradient<double>;

}    // namespace lull::cpu
