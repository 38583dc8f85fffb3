// One image at a time through the whole block, while it is in cache; forward leaves y, h and the statistics behind,
// backward the gradients of x, skip and emb, and its share of a partial sum of the weights' gradients.
#include <algorithm>
#include <optional>

#include "engine/cpu/buffer.h"
#include "engine/cpu/conv.h"
#include "engine/cpu/group_norm.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/ops/resnet_block/kernels.h"

namespace lull::cpu {

namespace {

template <class T>
const T* data_or_null(const Tensor& t) {
    return t.defined() ? t.data<T>() : nullptr;
}

// What all images share: sizes, packed weights, and where the tensors lie.
template <class T>
struct Block {
    std::int64_t images, pixels, C1, C, O;    // C1 of the C input channels are x's
    Groups groups;
    const T *x, *skip, *emb;    // skip and emb may be null
    const ResnetBlockWeights& w;
    Convolution<T> conv1, conv2;
    std::optional<Convolution<T>> shortcut;

    Block(const Tensor& x_tensor, const Tensor& skip_tensor, const Tensor& emb_tensor, const ResnetBlockWeights& weights,
          const ResnetBlockOptions& options)
        : images(x_tensor.size(0)),
          pixels(x_tensor.size(1) * x_tensor.size(2)),
          C1(x_tensor.size(3)),
          C(weights.conv1_weight.size(3)),
          O(weights.conv1_weight.size(0)),
          groups{options.groups, options.eps},
          x(x_tensor.data<T>()),
          skip(data_or_null<T>(skip_tensor)),
          emb(data_or_null<T>(emb_tensor)),
          w(weights),
          conv1(filter(x_tensor, C, 3)),
          conv2(filter(x_tensor, O, 3)) {
        if (weights.shortcut_weight.defined()) shortcut.emplace(filter(x_tensor, C, 1));
    }
    ConvShape filter(const Tensor& image, std::int64_t channels, std::int64_t size) const {
        return {.height = image.size(1),
                .width = image.size(2),
                .channels = channels,
                .out_channels = O,
                .kernel_height = size,
                .kernel_width = size,
                .padding = size / 2};
    }

    // x ‖ skip of image n: as they lie, or side by side in scratch memory where a vector would straddle the seam, or where
    // the sum is the shortcut.
    Image<T> in(Scratch& scratch, std::int64_t n) const {
        const T* const x_n = x + n * pixels * C1;
        if (!skip) return {.pixels = pixels, .channels = C, .first = x_n, .first_channels = C};
        const std::int64_t C2 = C - C1;
        const T* const skip_n = skip + n * pixels * C2;
        if (C1 % lanes<T>() == 0 && shortcut) {
            return {.pixels = pixels, .channels = C, .first = x_n, .first_channels = C1, .second = skip_n};
        }
        T* const both = scratch.take<T>(pixels * C);
        for (std::int64_t p = 0; p < pixels; ++p) {
            std::copy_n(x_n + p * C1, C1, both + p * C);
            std::copy_n(skip_n + p * C2, C2, both + p * C + C1);
        }
        return {.pixels = pixels, .channels = C, .first = both, .first_channels = C};
    }

    // What is added to h where the second GroupNorm reads it: the first convolution's bias and the image's embedding.
    const T* shift(Scratch& scratch, std::int64_t n) const {
        T* const sum = scratch.take<T>(O);
        const T* const bias = w.conv1_bias.data<T>();
        for (std::int64_t o = 0; o < O; ++o) sum[o] = bias[o] + (emb ? emb[n * O + o] : T(0));
        return sum;
    }
};

template <class T>
void forward_image(const Block<T>& block, std::int64_t n, T* y, T* h, T* statistics1, T* statistics2) {
    Scratch scratch;
    const ResnetBlockWeights& w = block.w;
    const PaddedLayout<T> layout1 = block.conv1.input(), layout2 = block.conv2.input();
    T* const padded = scratch.take<T>(std::max(layout1.size(), layout2.size()));
    if (!h) h = scratch.take<T>(block.pixels * block.O);

    const Image<T> in = block.in(scratch, n);
    group_statistics<T>(in, nullptr, block.groups, statistics1);
    const Normalise<T> norm1(scratch, block.C, nullptr, block.groups, statistics1);
    write_padded(layout1, padded, NormaliseAndActivate<T, true>{in, norm1, w.norm1_weight.data<T>(), w.norm1_bias.data<T>()});
    block.conv1.forward(padded, h);

    const T* const shift = block.shift(scratch, n);
    const Image<T> middle{.pixels = block.pixels, .channels = block.O, .first = h, .first_channels = block.O};
    group_statistics(middle, shift, block.groups, statistics2);
    const Normalise<T> norm2(scratch, block.O, shift, block.groups, statistics2);
    write_padded(layout2, padded, NormaliseAndActivate<T, true>{middle, norm2, w.norm2_weight.data<T>(), w.norm2_bias.data<T>()});
    block.conv2.forward(padded, y, w.conv2_bias.data<T>(), block.shortcut ? nullptr : in.first);

    if (block.shortcut) {
        write_padded(block.shortcut->input(), padded,
                     [&](std::int64_t p, std::int64_t c, auto lane) { return lane.load(in.at(p, c)); });
        block.shortcut->forward(padded, y, w.shortcut_bias.data<T>(), y);
    }
}

// Where the parts of a partial sum of the weights' gradients begin.
template <class T>
struct PartialLayout {
    std::int64_t conv1, conv2, shortcut, norm1, norm2, size;    // a norm: Σ dz = dbias, then Σ dz x̂ = dweight

    explicit PartialLayout(const Block<T>& block)
        : conv1(0),
          conv2(conv1 + block.conv1.gradient_size()),
          shortcut(conv2 + block.conv2.gradient_size()),
          norm1(shortcut + (block.shortcut ? block.shortcut->gradient_size() : 0)),
          norm2(norm1 + 2 * channel_array<T>(block.C)),
          size(norm2 + 2 * channel_array<T>(block.O)) {}
};

// With a = SiLU(z), z = γ x̂ + β, a convolution's backward gives da = convᵀ(dy); group_norm.h derives dx from it. Of
//     h = conv1(a1),    y = conv2(a2(h + shift)) + shortcut(in)
// it follows: da2 = conv2ᵀ(dy), dh from da2 through the second norm, dshift = Σ_pixels dh = demb = dbias1;
// da1 = conv1ᵀ(dh), din from da1 through the first norm, plus shortcutᵀ(dy).
// a1 and a2 are computed again, by the pass over z that SiLU' needs anyway, straight into the form that the weights'
// gradients dW = Σ_pixels dy aᵀ read.
template <class T>
struct BackwardImage {
    const Block<T>& block;
    const PartialLayout<T>& parts;
    const std::vector<std::int64_t>& offsets;    // of pixels in an image padded by 1
    const ResnetBlockGradients& gradients;

    // One GroupNorm + SiLU and the convolution behind it, whose output's gradient is dy (padded). g: (pixels, channels),
    // where da passes and dz stays for the gradient that is returned.
    GroupNormGradient<T> unit(Scratch& scratch, const Convolution<T>& conv, const Image<T>& x, const Normalise<T>& normalise,
                              const Tensor& weight, const Tensor& bias, const T* dy, T* g, T* conv_partial,
                              T* norm_partial) const {
        const std::int64_t size = channel_array<T>(x.channels);
        const PaddedLayout<T> layout = conv.input();
        T* const sums = scratch.take<T>(2 * size);
        conv.backward_data(dy, g, false);
        {
            Scratch inner;
            T* const a = inner.take<T>(layout.size());
            clear_margins(layout, a);
            group_norm_backward_sums<T, true>(x, normalise, weight.data<T>(), bias.data<T>(), g, sums, sums + size,
                                              [&](std::int64_t p, std::int64_t c, Vec<T> value) {
                                                  T* const block_c = a + c / lanes<T>() * layout.block_pitch();
                                                  hn::Store(value, Tag<T>(), block_c + offsets[static_cast<std::size_t>(p)]);
                                              });
            conv.backward_weights(a, dy, conv_partial);
        }
        for (std::int64_t j = 0; j < 2 * size; ++j) norm_partial[j] += sums[j];
        return GroupNormGradient<T>(scratch, x, normalise, weight.data<T>(), g, sums, sums + size, block.groups);
    }

    void operator()(std::int64_t n, const T* dy, const T* h, const T* statistics1, const T* statistics2, T* partial) const {
        Scratch scratch;
        const ResnetBlockWeights& w = block.w;
        const PaddedLayout<T> dy_layout = block.conv2.gradient(), dh_layout = block.conv1.gradient();
        T* const dy_padded = scratch.take<T>(dy_layout.size());
        T* const dh_padded = scratch.take<T>(dh_layout.size());
        T* const g = scratch.take<T>(block.pixels * std::max(block.C, block.O));

        copy_padded(dy_layout, dy, dy_padded);
        block.conv2.backward_bias(dy_padded, partial + parts.conv2 + block.conv2.bias_offset());
        const T* const shift = block.shift(scratch, n);
        const Image<T> middle{.pixels = block.pixels, .channels = block.O, .first = h, .first_channels = block.O};
        const Normalise<T> norm2(scratch, block.O, shift, block.groups, statistics2);
        write_padded(dh_layout, dh_padded,
                     unit(scratch, block.conv2, middle, norm2, w.norm2_weight, w.norm2_bias, dy_padded, g, partial + parts.conv2,
                          partial + parts.norm2));

        T* const dshift = scratch.take<T>(channel_array<T>(block.O));
        std::fill_n(dshift, channel_array<T>(block.O), T(0));
        block.conv1.backward_bias(dh_padded, dshift);
        T* const dbias1 = partial + parts.conv1 + block.conv1.bias_offset();
        for (std::int64_t o = 0; o < block.O; ++o) dbias1[o] += dshift[o];
        if (Into demb = gradients.emb; demb.tensor.defined()) {
            T* const to = demb.tensor.data<T>() + n * block.O;
            for (std::int64_t o = 0; o < block.O; ++o) to[o] = demb.add ? to[o] + dshift[o] : dshift[o];
        }

        const Image<T> in = block.in(scratch, n);
        const Normalise<T> norm1(scratch, block.C, nullptr, block.groups, statistics1);
        const auto gradient = unit(scratch, block.conv1, in, norm1, w.norm1_weight, w.norm1_bias, dh_padded, g,
                                   partial + parts.conv1, partial + parts.norm1);
        const T* const through_shortcut = block.shortcut ? shortcut(scratch, in, dy, partial + parts.shortcut) : dy;
        hand_out(gradient, through_shortcut, n);
    }

    // din = gradient + rest, (pixels, C), to where the gradients of x and skip go.
    void hand_out(const GroupNormGradient<T>& gradient, const T* rest, std::int64_t n) const {
        const auto value = [&](std::int64_t p, std::int64_t c, auto lane) {
            return hn::Add(gradient(p, c, lane), lane.load(rest + p * block.C + c));
        };
        const std::int64_t C1 = block.C1, C2 = block.C - C1;
        if (C1 == block.C || C1 % lanes<T>() == 0) {
            for_each_vector<T>(block.C, [&](std::int64_t c, auto lane) {
                const bool to_x = c < C1;
                Into to = to_x ? gradients.x : gradients.skip;
                if (!to.tensor.defined()) return;
                const std::int64_t width = to_x ? C1 : C2;
                T* const out = to.tensor.data<T>() + n * block.pixels * width + (to_x ? c : c - C1);
                for (std::int64_t p = 0; p < block.pixels; ++p) {
                    const Vec<T> din = value(p, c, lane);
                    lane.store(to.add ? hn::Add(din, lane.load(out + p * width)) : din, out + p * width);
                }
            });
            return;
        }
        Scratch scratch;    // a vector straddles the seam
        T* const din = scratch.take<T>(block.pixels * block.C);
        for_each_vector<T>(block.C, [&](std::int64_t c, auto lane) {
            for (std::int64_t p = 0; p < block.pixels; ++p) lane.store(value(p, c, lane), din + p * block.C + c);
        });
        copy_channels(din, 0, C1, n, gradients.x);
        copy_channels(din, C1, C2, n, gradients.skip);
    }

    // Channels [begin, begin + width) of din (pixels, C) into image n of their own tensor.
    void copy_channels(const T* din, std::int64_t begin, std::int64_t width, std::int64_t n, Into to) const {
        if (!to.tensor.defined()) return;
        T* const out = to.tensor.data<T>() + n * block.pixels * width;
        for (std::int64_t p = 0; p < block.pixels; ++p) {
            const T* const from = din + p * block.C + begin;
            for (std::int64_t c = 0; c < width; ++c) out[p * width + c] = to.add ? out[p * width + c] + from[c] : from[c];
        }
    }

    // The shortcut's gradients; returns that of its input, (pixels, C).
    const T* shortcut(Scratch& scratch, const Image<T>& in, const T* dy, T* partial) const {
        const Convolution<T>& conv = *block.shortcut;
        const PaddedLayout<T> in_layout = conv.input(), dy_layout = conv.gradient();
        T* const din = scratch.take<T>(block.pixels * block.C);
        T* const in_padded = scratch.take<T>(in_layout.size());
        T* const dy_padded = scratch.take<T>(dy_layout.size());
        write_padded(in_layout, in_padded, [&](std::int64_t p, std::int64_t c, auto lane) { return lane.load(in.at(p, c)); });
        copy_padded(dy_layout, dy, dy_padded);
        conv.backward_weights(in_padded, dy_padded, partial);
        conv.backward_bias(dy_padded, partial + conv.bias_offset());
        conv.backward_data(dy_padded, din, false);
        return din;
    }
};

// Adds up the partial sums into the gradients of all weights.
template <class T>
void sum_weight_gradients(const Block<T>& block, const PartialLayout<T>& parts, const T* partials, std::int64_t count,
                          const ResnetBlockGradients& gradients) {
    const auto filter = [&](const Convolution<T>& conv, std::int64_t begin, Into weight, Into bias) {
        const T* const from = partials + begin;
        if (weight.tensor.defined()) conv.sum_weights(from, count, parts.size, weight.tensor.data<T>(), weight.add);
        if (bias.tensor.defined()) {
            sum_partials(from + conv.bias_offset(), count, parts.size, block.O, bias.tensor.data<T>(), bias.add);
        }
    };
    const auto norm = [&](std::int64_t channels, std::int64_t begin, Into weight, Into bias) {
        const T* const from = partials + begin;
        if (weight.tensor.defined()) {
            sum_partials(from + channel_array<T>(channels), count, parts.size, channels, weight.tensor.data<T>(), weight.add);
        }
        if (bias.tensor.defined()) sum_partials(from, count, parts.size, channels, bias.tensor.data<T>(), bias.add);
    };
    // In the order in which the destinations were asked for: a tensor that is two of the weights has one destination.
    norm(block.C, parts.norm1, gradients.norm1_weight, gradients.norm1_bias);
    filter(block.conv1, parts.conv1, gradients.conv1_weight, gradients.conv1_bias);
    norm(block.O, parts.norm2, gradients.norm2_weight, gradients.norm2_bias);
    filter(block.conv2, parts.conv2, gradients.conv2_weight, gradients.conv2_bias);
    if (block.shortcut) filter(*block.shortcut, parts.shortcut, gradients.shortcut_weight, gradients.shortcut_bias);
}

}    // namespace

void resnet_block_forward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                          const ResnetBlockOptions& options, Tensor y, Tensor h, Tensor statistics1, Tensor statistics2) {
    with_compute_dtype("resnet_block", x.dtype(), [&]<class T>(T) {
        Block<T> block(x, skip, emb, weights, options);
        block.conv1.pack_forward(weights.conv1_weight.data<T>());
        block.conv2.pack_forward(weights.conv2_weight.data<T>());
        if (block.shortcut) block.shortcut->pack_forward(weights.shortcut_weight.data<T>());
        const std::int64_t out = block.pixels * block.O, groups = 2 * block.groups.count;
        parallel_for(block.images, [&](std::int64_t n) {
            forward_image<T>(block, n, y.data<T>() + n * out, h.defined() ? h.data<T>() + n * out : nullptr,
                             statistics1.data<T>() + n * groups, statistics2.data<T>() + n * groups);
        });
    });
}

void resnet_block_backward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                           const ResnetBlockOptions& options, const Tensor& h, const Tensor& statistics1,
                           const Tensor& statistics2, const Tensor& dy, const ResnetBlockGradients& gradients) {
    with_compute_dtype("resnet_block", x.dtype(), [&]<class T>(T) {
        Block<T> block(x, skip, emb, weights, options);
        block.conv1.pack_backward(weights.conv1_weight.data<T>());
        block.conv2.pack_backward(weights.conv2_weight.data<T>());
        if (block.shortcut) block.shortcut->pack_backward(weights.shortcut_weight.data<T>());
        const PartialLayout<T> parts(block);
        const std::vector<std::int64_t> offsets = pixel_offsets(block.conv1.input());
        const BackwardImage<T> backward_image{block, parts, offsets, gradients};
        const std::int64_t count = partial_sums(block.images), out = block.pixels * block.O, groups = 2 * block.groups.count;
        const Buffer<T> partials(count * parts.size);
        parallel_for(count, [&](std::int64_t i) {
            T* const partial = partials.data() + i * parts.size;
            std::fill_n(partial, parts.size, T(0));
            for (std::int64_t n = block.images * i / count; n < block.images * (i + 1) / count; ++n) {
                backward_image(n, dy.data<T>() + n * out, h.data<T>() + n * out, statistics1.data<T>() + n * groups,
                               statistics2.data<T>() + n * groups, partial);
            }
        });
        sum_weight_gradients(block, parts, partials.data(), count, gradients);
    });
}

}    // namespace lull::cpu
