#include "engine/cpu/conv.h"

#include <algorithm>
#include <utility>

#include "engine/autograd.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"
#include "engine/derived.h"

namespace lull::cpu {
namespace {

// Winograd's tiles pay from 16 channels on. Two cores of an AMD EPYC (AVX-512, peak 236 GFLOP/s), batch 32, GFLOP/s of the
// direct sum's operations, forward / backward to the data / to the weights (benchmarks/bench_ops):
//     32×32, 16 → 16     direct 214 / 214 / 195     tiles 471 / 469 / 404
//     32×32, 48 → 16            212 / 218 / 202           500 / 589 / 429
//     16×16, 32 → 32            219 / 219 / 200           590 / 591 / 434
//     8×8, 128 → 64             218 / 217 / 198           635 / 669 / 580
// A row or column alone would be a quarter of its tiles.
bool by_winograd(const ConvShape& shape) {
    return shape.kernel_height == 3 && shape.kernel_width == 3 && shape.stride == 1 && shape.padding <= 2 &&
           shape.channels >= 16 && shape.out_channels >= 16 && shape.out_height() >= 2 && shape.out_width() >= 2;
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
std::shared_ptr<const Convolution<T>> packed_convolution(const ConvShape& shape, const Tensor& weight) {
    const auto make = [&] {
        auto conv = std::make_shared<Convolution<T>>(shape);
        conv->pack_forward(weight.data<T>());
        return conv;
    };
    if (recording()) return make();
    const Storage::Key key{static_cast<std::int64_t>(Derived::convolution),
                           weight.offset(),
                           shape.height,
                           shape.width,
                           shape.channels,
                           shape.out_channels,
                           shape.kernel_height,
                           shape.kernel_width,
                           shape.stride,
                           shape.padding};
    return weight.storage()->derived<Convolution<T>>(key, make);
}

// Partial sums of all slots should fit the cache beside what they are made of.
template <class T>
bool WeightGradient<T>::keeps_points(const Convolution<T>& conv) {
    constexpr std::int64_t kLargestPartial = 320 << 10;    // bytes
    return conv.winograd_ && conv.forward_->sum_size() * static_cast<std::int64_t>(sizeof(T)) > kLargestPartial;
}

template <class T>
std::int64_t WeightGradient<T>::slot_size(const Convolution<T>& conv, std::int64_t group) {
    if (keeps_points(conv)) return conv.forward_->gradient_points_size(group);
    return conv.winograd_ ? conv.forward_->sum_size() : conv.direct_->partial_size();
}

template <class T>
WeightGradient<T>::WeightGradient(const Convolution<T>& conv, std::int64_t slots, std::int64_t group)
    : conv_(conv), count_(slots), group_(group), slot_size_(slot_size(conv, group)), slots_(slots * slot_size_) {
    if (keeps_points(conv)) sum_ = Buffer<T>(conv.forward_->sum_size());
    started_.resize(static_cast<std::size_t>(slots));
}

template <class T>
void WeightGradient<T>::add(std::int64_t slot_index, std::int64_t count, const T* x, const T* dy) {
    const PaddedLayout<T> x_layout = conv_.input(), dy_layout = conv_.gradient();
    T* const to = slot(slot_index);
    const bool started = std::exchange(started_[static_cast<std::size_t>(slot_index)], Flag{true}) != 0;
    if (!conv_.winograd_) {
        if (!started) std::fill_n(to, slot_size_, T(0));
        for (std::int64_t i = 0; i < count; ++i)
            conv_.direct_->backward_weights(x + i * x_layout.size(), dy + i * dy_layout.size(), to);
    } else if (keeps_points(conv_)) {
        conv_.forward_->transform_for_gradient(count, x_layout, x, dy_layout, dy, to);
    } else {
        Scratch scratch;
        T* const points = scratch.take<T>(conv_.forward_->gradient_points_size(count));
        conv_.forward_->transform_for_gradient(count, x_layout, x, dy_layout, dy, points);
        parallel_for(Winograd<T>::kPoints,
                     [&](std::int64_t point) { conv_.forward_->multiply_point(point, count, points, to, started); });
    }
}

template <class T>
void WeightGradient<T>::end_round(std::int64_t used, std::int64_t last_count) {
    if (!keeps_points(conv_)) return;
    parallel_for(Winograd<T>::kPoints, [&](std::int64_t point) {
        for (std::int64_t i = 0; i < used; ++i)
            conv_.forward_->multiply_point(point, i + 1 < used ? group_ : last_count, slot(i), sum_.data(), round_ > 0 || i > 0);
    });
    ++round_;
}

template <class T>
void WeightGradient<T>::finish(T* dweight, bool add) {
    if (started_[0] == 0) {    // a batch without images
        if (!add) std::fill_n(dweight, conv_.shape().out_channels * conv_.shape().taps() * conv_.shape().channels, T(0));
        return;
    }
    if (!conv_.winograd_) return conv_.direct_->sum_weights(slots_.data(), count_, dweight, add);
    if (!keeps_points(conv_)) return conv_.forward_->finish(slots_.data(), count_, dweight, add);
    conv_.forward_->finish(sum_.data(), 1, dweight, add);
}

template class Convolution<float>;
template class Convolution<double>;
template std::shared_ptr<const Convolution<float>> packed_convolution(const ConvShape&, const Tensor&);
template std::shared_ptr<const Convolution<double>> packed_convolution(const ConvShape&, const Tensor&);
template class WeightGradient<float>;
template class WeightGradient<double>;

}    // namespace lull::cpu
