// What the forward and the backward pass of a ResNet block on the CPU share: its sizes, and its images group by group.
#pragma once

#include <algorithm>

#include "engine/cpu/conv_shape.h"
#include "engine/cpu/convert.h"
#include "engine/cpu/group_norm.h"
#include "engine/cpu/scratch.h"
#include "engine/ops/resnet_block/resnet_block.h"

namespace lull::cpu {

template <class T>
const T* data_or_null(const Tensor& t) {
    return t.defined() ? t.data<T>() : nullptr;
}

// What all images share: sizes, and where the tensors lie. S: of the elements of x, skip, y and their gradients, which a
// group converts to the type T of all others when it begins, and from it when it ends.
template <class S>
struct ResnetBlock {
    using T = Compute<S>;
    std::int64_t images, pixels, C1, C, O;    // C1 of the C input channels are x's
    Groups groups;
    const S *x, *skip;    // skip and emb may be null
    const T* emb;
    const ResnetBlockWeights& w;
    ConvShape filter1, filter2;

    ResnetBlock(const Tensor& x_tensor, const Tensor& skip_tensor, const Tensor& emb_tensor, const ResnetBlockWeights& weights,
                const ResnetBlockOptions& options)
        : images(x_tensor.size(0)),
          pixels(x_tensor.size(1) * x_tensor.size(2)),
          C1(x_tensor.size(3)),
          C(weights.conv1_weight.size(3)),
          O(weights.conv1_weight.size(0)),
          groups{options.groups, options.eps},
          x(x_tensor.data<S>()),
          skip(data_or_null<S>(skip_tensor)),
          emb(data_or_null<T>(emb_tensor)),
          w(weights),
          filter1(filter(x_tensor, C)),
          filter2(filter(x_tensor, O)) {}
    ConvShape filter(const Tensor& image, std::int64_t channels) const {
        return {.height = image.size(1),
                .width = image.size(2),
                .channels = channels,
                .out_channels = O,
                .kernel_height = 3,
                .kernel_width = 3,
                .padding = 1};
    }
    bool has_shortcut() const { return w.shortcut_weight.defined(); }

    // The images of a group. x ‖ skip as they lie, or `both` side by side where a vector would straddle the seam, or where the
    // sum is the shortcut.
    struct Input {
        const ResnetBlock& block;
        const T *x, *skip, *both;    // skip and both may be null
        const T* joined() const { return both ? both : x; }
        Image<T> operator[](std::int64_t i) const {
            const bool two = skip && !both;
            const std::int64_t first = two ? block.C1 : block.C;
            return {.pixels = block.pixels,
                    .channels = block.C,
                    .first = joined() + i * block.pixels * first,
                    .first_channels = first,
                    .second = two ? skip + i * block.pixels * (block.C - first) : nullptr};
        }
        // Calls f(x or skip, its channels, its part (O, channels) of the shortcut's weight) for both.
        template <class F>
        void for_each_source(const F& f) const {
            const T* const weight = block.w.shortcut_weight.template data<T>();
            f(x, block.C1, weight);
            if (skip) f(skip, block.C - block.C1, weight + block.C1);
        }
    };
    Input in(Scratch& scratch, std::int64_t first, std::int64_t count) const {
        const std::int64_t C2 = C - C1;
        const T* const x_group = load(scratch, x + first * pixels * C1, count * pixels * C1);
        if (!skip) return {*this, x_group, nullptr, nullptr};
        const T* const skip_group = load(scratch, skip + first * pixels * C2, count * pixels * C2);
        if (C1 % lanes<T>() == 0 && has_shortcut()) return {*this, x_group, skip_group, nullptr};
        T* const both = scratch.take<T>(count * pixels * C);
        for (std::int64_t p = 0; p < count * pixels; ++p) {
            std::copy_n(x_group + p * C1, C1, both + p * C);
            std::copy_n(skip_group + p * C2, C2, both + p * C + C1);
        }
        return {*this, x_group, skip_group, both};
    }
    Image<T> middle(const T* h, std::int64_t i) const {
        return {.pixels = pixels, .channels = O, .first = h + i * pixels * O, .first_channels = O};
    }

    // What is added to h where the second GroupNorm reads it: the first convolution's bias and the image's embedding.
    const T* shift(Scratch& scratch, std::int64_t n) const {
        T* const sum = scratch.take<T>(O);
        const T* const bias = w.conv1_bias.data<T>();
        for (std::int64_t o = 0; o < O; ++o) sum[o] = bias[o] + (emb ? emb[n * O + o] : T(0));
        return sum;
    }
};

}    // namespace lull::cpu
