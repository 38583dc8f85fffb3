// A group of images at a time through the whole block, while it is in cache; forward leaves y, h and the statistics behind,
// backward the gradients of x, skip and emb, and its share of the weights' gradients.
#include <algorithm>
#include <optional>

#include "engine/cpu/buffer.h"
#include "engine/cpu/conv.h"
#include "engine/cpu/convert.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/group_norm.h"
#include "engine/cpu/image_groups.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/ops/resnet_block/cpu_block.h"
#include "engine/ops/resnet_block/kernels.h"

namespace lull::cpu {

namespace {

// Statistics are (images, groups, 2). h may be null: then nobody needs it later.
template <class S, class T = Compute<S>>
void forward_group(const ResnetBlock<S>& block, const Convolution<T>& conv1, const Convolution<T>& conv2, std::int64_t first,
                   std::int64_t count, S* y_all, T* h_all, T* statistics1_all, T* statistics2_all) {
    Scratch scratch;
    const ResnetBlockWeights& w = block.w;
    const PaddedLayout<T> layout1 = conv1.input(), layout2 = conv2.input();
    const std::int64_t out = block.pixels * block.O, pairs = 2 * block.groups.count;
    T* const padded = scratch.take<T>(count * std::max(layout1.size(), layout2.size()));
    T* const h = h_all ? h_all + first * out : scratch.take<T>(count * out);
    T* const y = place(scratch, y_all + first * out, count * out);
    const auto in = block.in(scratch, first, count);

    parallel_for(count, [&](std::int64_t i) {
        Scratch inner;
        T* const statistics = statistics1_all + (first + i) * pairs;
        const Image<T> image = in[i];
        group_statistics<T>(image, nullptr, block.groups, statistics);
        const Normalise<T> norm(inner, block.C, nullptr, block.groups, statistics);
        write_padded(layout1, padded + i * layout1.size(),
                     NormaliseAndActivate<T, true>{image, norm, w.norm1_weight.data<T>(), w.norm1_bias.data<T>()});
    });
    conv1.forward(count, padded, h);

    parallel_for(count, [&](std::int64_t i) {
        Scratch inner;
        T* const statistics = statistics2_all + (first + i) * pairs;
        const T* const shift = block.shift(inner, first + i);
        const Image<T> image = block.middle(h, i);
        group_statistics(image, shift, block.groups, statistics);
        const Normalise<T> norm(inner, block.O, shift, block.groups, statistics);
        write_padded(layout2, padded + i * layout2.size(),
                     NormaliseAndActivate<T, true>{image, norm, w.norm2_weight.data<T>(), w.norm2_bias.data<T>()});
    });
    conv2.forward(count, padded, y, w.conv2_bias.data<T>(), block.has_shortcut() ? nullptr : in.joined());

    if (block.has_shortcut()) {
        const T* bias = w.shortcut_bias.data<T>();
        in.for_each_source([&](const T* source, std::int64_t channels, const T* weight) {
            parallel_for(count, [&](std::int64_t i) {
                gemm<T>(block.pixels, block.O, channels, {source + i * block.pixels * channels, channels},
                        {weight, block.C, true}, y + i * out, block.O, {.bias = bias, .add = true});
            });
            bias = nullptr;    // added once
        });
    }
    store(y, count * out, y_all + first * out);
}

// Where the parts of a slot's sums begin, besides the filters' own: the biases, the norms (Σ dz = dbias, then Σ dz x̂ =
// dweight), and the shortcut's weight (O, C).
template <class T>
struct SumLayout {
    std::int64_t bias1, bias2, norm1, norm2, shortcut, size;

    template <class S>
    explicit SumLayout(const ResnetBlock<S>& block)
        : bias1(0),
          bias2(bias1 + channel_array<T>(block.O)),
          norm1(bias2 + channel_array<T>(block.O)),
          norm2(norm1 + 2 * channel_array<T>(block.C)),
          shortcut(norm2 + 2 * channel_array<T>(block.O)),
          size(channel_array<T>(shortcut + (block.has_shortcut() ? block.O * block.C : 0))) {}
};

// With a = SiLU(z), z = γ x̂ + β, a convolution's backward gives da = convᵀ(dy); group_norm.h derives dx from it. Of
//     h = conv1(a1),    y = conv2(a2(h + shift)) + shortcut(in)
// it follows: da2 = conv2ᵀ(dy), dh from da2 through the second norm, dshift = Σ_pixels dh = demb = dbias1;
// da1 = conv1ᵀ(dh), din from da1 through the first norm, plus shortcutᵀ(dy).
// a1 and a2 are computed again, by the pass over z that SiLU' needs anyway, straight into the form that the weights'
// gradients dW = Σ_pixels dy aᵀ read.
template <class S>
struct Backward {
    using T = Compute<S>;
    const ResnetBlock<S>& block;
    const Convolution<T>&conv1, &conv2;
    const SumLayout<T>& parts;
    const std::vector<std::int64_t>&offsets1, &offsets2;    // of pixels in the convolutions' padded inputs
    const ResnetBlockGradients& gradients;
    WeightGradient<T>&filter1, &filter2;
    const T *h_all, *statistics1_all, *statistics2_all;
    const S* dy_all;
    T* sums_all;

    // Where the gradient of x or skip goes, from a group's first image on; null if it is not wanted. What is added to is added
    // to as it is computed, or, if computing goes on in another type, at the end.
    struct Destination {
        T* data;
        bool add;
        S* target;
        std::int64_t elements;
        bool add_at_end;

        Destination(Scratch& scratch, Into into, std::int64_t begin, std::int64_t count)
            : data(nullptr), add(into.add && std::is_same_v<S, T>), target(nullptr), elements(count), add_at_end(into.add) {
            if (!into.tensor.defined()) return;
            target = into.tensor.data<S>() + begin;
            data = place(scratch, target, count);
        }
        void finish() const {
            if (target) store(data, elements, target, add_at_end);
        }
    };

    // The image's activation a into `padded`, for its filter's gradient; g: (pixels, channels), da on entry, dz on return, on
    // which the gradient that is returned builds.
    GroupNormGradient<T> norm(Scratch& scratch, const PaddedLayout<T>& layout, const std::vector<std::int64_t>& offsets,
                              const Image<T>& x, const Normalise<T>& normalise, const Tensor& weight, const Tensor& bias, T* g,
                              T* padded, T* sums) const {
        const std::int64_t size = channel_array<T>(x.channels);
        clear_margins(layout, padded);
        group_norm_backward_sums<T, true>(x, normalise, weight.data<T>(), bias.data<T>(), g, sums, sums + size,
                                          [&](std::int64_t p, std::int64_t c, Vec<T> value) {
                                              T* const block_c = padded + c / lanes<T>() * layout.block_pitch();
                                              hn::Store(value, Tag<T>(), block_c + offsets[static_cast<std::size_t>(p)]);
                                          });
        return GroupNormGradient<T>(scratch, x, normalise, weight.data<T>(), g, sums, sums + size, block.groups);
    }

    void operator()(std::int64_t slot, std::int64_t first, std::int64_t count) const {
        Scratch scratch;
        const ResnetBlockWeights& w = block.w;
        const PaddedLayout<T> layout1 = conv1.input(), layout2 = conv2.input();
        const PaddedLayout<T> dy_layout = conv2.gradient(), dh_layout = conv1.gradient();
        const std::int64_t pixels = block.pixels, O = block.O, pairs = 2 * block.groups.count;
        const std::int64_t size1 = 2 * channel_array<T>(block.C), size2 = 2 * channel_array<T>(O);
        const std::int64_t C1 = block.C1, C2 = block.C - C1;
        const T* const dy = load(scratch, dy_all + first * pixels * O, count * pixels * O);
        const T* const h = h_all + first * pixels * O;
        const Destination dx(scratch, gradients.x, first * pixels * C1, count * pixels * C1);
        const Destination dskip(scratch, gradients.skip, first * pixels * C2, count * pixels * C2);
        T* const sums = sums_all + slot * parts.size;
        T* const dy_padded = scratch.take<T>(count * dy_layout.size());
        T* const dh_padded = scratch.take<T>(count * dh_layout.size());
        T* const a_padded = scratch.take<T>(count * std::max(layout1.size(), layout2.size()));
        T* const g = scratch.take<T>(count * pixels * std::max(block.C, O));
        T* const norm1_sums = scratch.take<T>(count * size1);
        T* const norm2_sums = scratch.take<T>(count * size2);
        T* const dshift = scratch.take<T>(count * channel_array<T>(O));

        parallel_for(count,
                     [&](std::int64_t i) { copy_padded(dy_layout, dy + i * pixels * O, dy_padded + i * dy_layout.size()); });
        conv2.backward_data(count, dy_padded, g, false);
        parallel_for(count, [&](std::int64_t i) {
            Scratch inner;
            const T* const shift = block.shift(inner, first + i);
            const Image<T> image = block.middle(h, i);
            const Normalise<T> normalise(inner, O, shift, block.groups, statistics2_all + (first + i) * pairs);
            T* const dh_image = dh_padded + i * dh_layout.size();
            write_padded(dh_layout, dh_image,
                         norm(inner, layout2, offsets2, image, normalise, w.norm2_weight, w.norm2_bias, g + i * pixels * O,
                              a_padded + i * layout2.size(), norm2_sums + i * size2));
            T* const dshift_image = dshift + i * channel_array<T>(O);
            std::fill_n(dshift_image, channel_array<T>(O), T(0));
            conv1.backward_bias(dh_image, dshift_image);
        });
        filter2.add(slot, count, a_padded, dy_padded);
        embedding(first, count, dshift);

        const auto in = block.in(scratch, first, count);
        conv1.backward_data(count, dh_padded, g, false);
        parallel_for(count, [&](std::int64_t i) {
            Scratch inner;
            const Image<T> image = in[i];
            const Normalise<T> normalise(inner, block.C, nullptr, block.groups, statistics1_all + (first + i) * pairs);
            const auto gradient = norm(inner, layout1, offsets1, image, normalise, w.norm1_weight, w.norm1_bias,
                                       g + i * pixels * block.C, a_padded + i * layout1.size(), norm1_sums + i * size1);
            hand_out(gradient, block.has_shortcut() ? nullptr : dy + i * pixels * O, i, dx, dskip);
        });
        filter1.add(slot, count, a_padded, dh_padded);

        const auto add_all = [&](const T* values, std::int64_t size, T* to) {
            for (std::int64_t i = 0; i < count; ++i)
                for (std::int64_t j = 0; j < size; ++j) to[j] += values[i * size + j];
        };
        add_all(norm1_sums, size1, sums + parts.norm1);
        add_all(norm2_sums, size2, sums + parts.norm2);
        add_all(dshift, channel_array<T>(O), sums + parts.bias1);
        for (std::int64_t i = 0; i < count; ++i) conv2.backward_bias(dy_padded + i * dy_layout.size(), sums + parts.bias2);
        if (block.has_shortcut()) shortcut(in, count, dy, dx, dskip, sums);
        dx.finish();
        dskip.finish();
    }

    void embedding(std::int64_t first, std::int64_t count, const T* dshift) const {
        Into demb = gradients.emb;
        if (!demb.tensor.defined()) return;
        for (std::int64_t i = 0; i < count; ++i) {
            T* const to = demb.tensor.data<T>() + (first + i) * block.O;
            const T* const from = dshift + i * channel_array<T>(block.O);
            for (std::int64_t o = 0; o < block.O; ++o) to[o] = demb.add ? to[o] + from[o] : from[o];
        }
    }

    // din = gradient + rest (pixels, C; or null) of the group's image i, to where the gradients of x and skip go.
    void hand_out(const GroupNormGradient<T>& gradient, const T* rest, std::int64_t i, const Destination& dx,
                  const Destination& dskip) const {
        const auto value = [&](std::int64_t p, std::int64_t c, auto lane) {
            const Vec<T> din = gradient(p, c, lane);
            return rest ? hn::Add(din, lane.load(rest + p * block.C + c)) : din;
        };
        const std::int64_t C1 = block.C1, C2 = block.C - C1;
        if (C1 == block.C || C1 % lanes<T>() == 0) {
            for_each_vector<T>(block.C, [&](std::int64_t c, auto lane) {
                const bool to_x = c < C1;
                const Destination& to = to_x ? dx : dskip;
                if (!to.data) return;
                const std::int64_t width = to_x ? C1 : C2;
                T* const out = to.data + i * block.pixels * width + (to_x ? c : c - C1);
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
        copy_channels(din, 0, C1, i, dx);
        copy_channels(din, C1, C2, i, dskip);
    }

    // Channels [begin, begin + width) of din (pixels, C) into the group's image i of their own.
    void copy_channels(const T* din, std::int64_t begin, std::int64_t width, std::int64_t i, const Destination& to) const {
        if (!to.data) return;
        T* const out = to.data + i * block.pixels * width;
        for (std::int64_t p = 0; p < block.pixels; ++p) {
            const T* const from = din + p * block.C + begin;
            for (std::int64_t c = 0; c < width; ++c) out[p * width + c] = to.add ? out[p * width + c] + from[c] : from[c];
        }
    }

    // The shortcut's gradients; that of its input is added to what hand_out wrote.
    void shortcut(const typename ResnetBlock<S>::Input& in, std::int64_t count, const T* dy, const Destination& dx,
                  const Destination& dskip, T* sums) const {
        const std::int64_t pixels = block.pixels, O = block.O;
        T* dweight = sums + parts.shortcut;    // (O, C)
        const Destination* to = &dx;
        in.for_each_source([&](const T* source, std::int64_t channels, const T* weight) {
            if (to->data) {
                parallel_for(count, [&](std::int64_t i) {
                    gemm<T>(pixels, channels, O, {dy + i * pixels * O, O}, {weight, block.C}, to->data + i * pixels * channels,
                            channels, {.add = true});
                });
            }
            parallel_ranges(O, kShortcutOutputs, [&](std::int64_t begin, std::int64_t end) {
                gemm<T>(end - begin, channels, count * pixels, {dy + begin, O, true}, {source, channels},
                        dweight + begin * block.C, block.C, {.add = true});
            });
            dweight += channels;
            to = &dskip;
        });
    }
    static constexpr std::int64_t kShortcutOutputs = 64;    // whose weights' gradients a thread sums at a time
};

// Adds up the slots' sums into the gradients of all weights.
template <class S, class T = Compute<S>>
void sum_weight_gradients(const ResnetBlock<S>& block, const SumLayout<T>& parts, const T* sums, std::int64_t slots,
                          WeightGradient<T>& filter1, WeightGradient<T>& filter2, const ResnetBlockGradients& gradients) {
    const auto sum = [&](std::int64_t begin, std::int64_t n, Into into) {
        if (into.tensor.defined()) sum_partials(sums + begin, slots, parts.size, n, into.tensor.data<T>(), into.add);
    };
    const auto finish = [&](WeightGradient<T>& filter, Into into) {
        if (into.tensor.defined()) filter.finish(into.tensor.data<T>(), into.add);
    };
    // In the order in which the destinations were asked for: a tensor that is two of the weights has one destination.
    sum(parts.norm1 + channel_array<T>(block.C), block.C, gradients.norm1_weight);
    sum(parts.norm1, block.C, gradients.norm1_bias);
    finish(filter1, gradients.conv1_weight);
    sum(parts.bias1, block.O, gradients.conv1_bias);
    sum(parts.norm2 + channel_array<T>(block.O), block.O, gradients.norm2_weight);
    sum(parts.norm2, block.O, gradients.norm2_bias);
    finish(filter2, gradients.conv2_weight);
    sum(parts.bias2, block.O, gradients.conv2_bias);
    if (!block.has_shortcut()) return;
    sum(parts.shortcut, block.O * block.C, gradients.shortcut_weight);
    sum(parts.bias2, block.O, gradients.shortcut_bias);    // Σ dy, too
}

}    // namespace

void resnet_block_forward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                          const ResnetBlockOptions& options, Tensor y, Tensor h, Tensor statistics1, Tensor statistics2) {
    with_storage_dtype("resnet_block", x.dtype(), [&]<class S>(S) {
        using T = Compute<S>;
        const ResnetBlock<S> block(x, skip, emb, weights, options);
        const auto conv1 = packed_convolution<T>(block.filter1, weights.conv1_weight);
        const auto conv2 = packed_convolution<T>(block.filter2, weights.conv2_weight);
        for_each_group(block.images, std::max(conv1->group(), conv2->group()), [&](std::int64_t first, std::int64_t count) {
            forward_group<S>(block, *conv1, *conv2, first, count, y.data<S>(), h.defined() ? h.data<T>() : nullptr,
                             statistics1.data<T>(), statistics2.data<T>());
        });
    });
}

void resnet_block_backward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                           const ResnetBlockOptions& options, const Tensor& h, const Tensor& statistics1,
                           const Tensor& statistics2, const Tensor& dy, const ResnetBlockGradients& gradients) {
    with_storage_dtype("resnet_block", x.dtype(), [&]<class S>(S) {
        using T = Compute<S>;
        const ResnetBlock<S> block(x, skip, emb, weights, options);
        Convolution<T> conv1(block.filter1), conv2(block.filter2);
        conv1.pack_backward(weights.conv1_weight.data<T>());
        conv2.pack_backward(weights.conv2_weight.data<T>());
        const SumLayout<T> parts(block);
        const std::int64_t group = std::max(conv1.group(), conv2.group());
        const std::int64_t slot_size =
            WeightGradient<T>::slot_size(conv1, group) + WeightGradient<T>::slot_size(conv2, group) + parts.size;
        const std::int64_t slots = slots_for(block.images, group, slot_size * static_cast<std::int64_t>(sizeof(T)));
        WeightGradient<T> filter1(conv1, slots, group), filter2(conv2, slots, group);
        const Buffer<T> sums(slots * parts.size);
        std::fill_n(sums.data(), slots * parts.size, T(0));
        const std::vector<std::int64_t> offsets1 = pixel_offsets(conv1.input()), offsets2 = pixel_offsets(conv2.input());
        const Backward<S> backward{.block = block,
                                   .conv1 = conv1,
                                   .conv2 = conv2,
                                   .parts = parts,
                                   .offsets1 = offsets1,
                                   .offsets2 = offsets2,
                                   .gradients = gradients,
                                   .filter1 = filter1,
                                   .filter2 = filter2,
                                   .h_all = h.data<T>(),
                                   .statistics1_all = statistics1.data<T>(),
                                   .statistics2_all = statistics2.data<T>(),
                                   .dy_all = dy.data<S>(),
                                   .sums_all = sums.data()};
        for_each_round(block.images, group, slots, backward, [&](std::int64_t used, std::int64_t last_count) {
            filter1.end_round(used, last_count);
            filter2.end_round(used, last_count);
        });
        sum_weight_gradients(block, parts, sums.data(), slots, filter1, filter2, gradients);
    });
}

}    // namespace lull::cpu
