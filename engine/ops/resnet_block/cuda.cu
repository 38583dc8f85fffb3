// The residual block from the kernels of GroupNorm and of convolution. In bf16 everything of the size of an image is bf16, and
// sums, statistics and weights are f32.
//
// Forward:  a1 = SiLU(GroupNorm(x ‖ skip)),  h = conv1(a1),  a2 = SiLU(GroupNorm(h + bias1 + emb)),
//           y = conv2(a2) + shortcut(x) + shortcut(skip) + biases, one sum over K and one write; or the residual added to it.
// Neither x ‖ skip nor h + bias1 + emb is ever stored. With P pixels of C → O channels: 2 C reads and writes for a1, C + O for h,
// 2 O for a2 and C + 2 O for y, per pixel (fusing a GroupNorm into the convolution that reads it would save 2 (C + O) of them,
// and evaluate each SiLU once for every tap).
//
// Backward (derived in engine/cpu/group_norm.h and cpu.cpp):  da2 = conv2ᵀ(dy),  dh from da2 through the second norm, which
// writes a2 once more on its way,  da1 = conv1ᵀ(dh),  and d(x ‖ skip) = shortcutᵀ(dy) plus what comes from da1 through the first
// norm;  the filters' gradients from a2, dy and a1, dh.
#include <array>
#include <vector>

#include "engine/cuda/column_sum.h"
#include "engine/cuda/conv.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/group_norm/cuda.h"
#include "engine/ops/resnet_block/kernels.h"

namespace lull::cuda {

namespace {

constexpr Conv2dOptions k3x3{.padding = 1}, k1x1{};

GroupNormOptions norm_options(const ResnetBlockOptions& options) {
    return {.groups = options.groups, .eps = options.eps, .activation = Activation::silu};
}

Shape joined_shape(const Tensor& x, const Tensor& skip) {
    Shape shape = x.shape();
    if (skip.defined()) shape[-1] += skip.size(-1);
    return shape;
}

// Where a tensor is two of the weights, both gradients go to one place, and the one that was asked for first is to be written
// first. Kernels write them in another order, so then each gets a place of its own, until finish.
class WeightGradients {
  public:
    explicit WeightGradients(ResnetBlockGradients& g) {
        for (Into* into : {&g.norm1_weight, &g.norm1_bias, &g.conv1_weight, &g.conv1_bias, &g.norm2_weight, &g.norm2_bias,
                           &g.conv2_weight, &g.conv2_bias, &g.shortcut_weight, &g.shortcut_bias}) {
            if (into->tensor.defined()) wanted_.push_back({*into, into});
        }
        bool shared = false;
        for (const auto& [a, place_a] : wanted_)
            for (const auto& [b, place_b] : wanted_) shared = shared || (place_a != place_b && a.tensor.raw() == b.tensor.raw());
        if (!shared) wanted_.clear();
        for (auto& [asked, place] : wanted_) *place = {empty_like(asked.tensor), false};
    }
    void finish() const {
        for (const auto& [asked, place] : wanted_) {
            if (asked.add)
                accumulate(place->tensor, asked.tensor);
            else
                copy(place->tensor, asked.tensor);
        }
    }

  private:
    struct Wanted {
        Into asked;
        Into* place;
    };
    std::vector<Wanted> wanted_;    // in the order of asking; empty where no two are one
};

void put(const Tensor& from, Into to) {
    if (!to.tensor.defined()) return;
    if (to.add)
        accumulate(from, to.tensor);
    else
        copy(from, to.tensor);
}

// d(x ‖ skip) (+)= the gradient through the shortcut, or the identity in its place.
void shortcut_backward(const ResnetBlockWeights& w, const Tensor& dy, std::int64_t C1, std::int64_t C, Into dx, Into dskip) {
    const auto part = [&](Into to, std::int64_t begin, std::int64_t end) {
        if (!to.tensor.defined()) return;
        if (w.shortcut_weight.defined())
            conv_backward_data(w.shortcut_weight, dy, k1x1, to, begin);
        else
            put(dy.slice(3, begin, end), to);
    };
    part(dx, 0, C1);
    part(dskip, C1, C);
}

}    // namespace

void resnet_block_forward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& w,
                          const ResnetBlockOptions& options, Tensor y, Tensor h_to_keep, Tensor statistics1, Tensor statistics2) {
    const Tensor h = h_to_keep.defined() ? h_to_keep : empty_like(y);
    {
        const Tensor a1 = empty_beside(x, joined_shape(x, skip));
        group_norm_forward({.x = x, .skip = skip, .bias = {}, .emb = {}}, {w.norm1_weight, w.norm1_bias}, norm_options(options),
                           a1, statistics1);
        conv_forward(std::array{ConvTerm{a1, w.conv1_weight, k3x3}}, {}, {h});
    }
    const Tensor a2 = empty_like(y);
    group_norm_forward({.x = h, .skip = {}, .bias = w.conv1_bias, .emb = emb}, {w.norm2_weight, w.norm2_bias},
                       norm_options(options), a2, statistics2);
    const ConvTerm main{a2, w.conv2_weight, k3x3};
    if (!w.shortcut_weight.defined())
        return conv_forward({&main, 1}, {.bias = w.conv2_bias, .residual = x, .residual2 = skip}, {y});
    const std::array terms{main, ConvTerm{x, w.shortcut_weight, k1x1}, ConvTerm{skip, w.shortcut_weight, k1x1, x.size(3)}};
    conv_forward(std::span(terms).first(skip.defined() ? 3 : 2), {.bias = w.conv2_bias, .bias2 = w.shortcut_bias}, {y});
}

void resnet_block_backward(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& w,
                           const ResnetBlockOptions& options, const Tensor& h, const Tensor& statistics1,
                           const Tensor& statistics2, const Tensor& dy, const ResnetBlockGradients& gradients) {
    ResnetBlockGradients g = gradients;
    const WeightGradients weight_gradients(g);
    const auto if_wanted = [&](const Into& into, const Shape& shape) {
        return into.tensor.defined() ? empty_beside(x, shape) : Tensor();
    };

    const Tensor dh = empty_like(dy);
    {
        const Tensor da2 = empty_like(dy), a2 = if_wanted(g.conv2_weight, dy.shape());
        conv_backward_data(w.conv2_weight, dy, k3x3, {da2});
        group_norm_backward(
            {.x = h, .skip = {}, .bias = w.conv1_bias, .emb = emb}, {w.norm2_weight, w.norm2_bias}, norm_options(options),
            statistics2, da2,
            {.x = {dh}, .skip = {}, .weight = g.norm2_weight, .bias = g.norm2_bias, .added_bias = g.conv1_bias, .emb = g.emb},
            a2);
        if (a2.defined()) conv_backward_weights(a2, dy, k3x3, g.conv2_weight);
    }
    if (g.conv2_bias.tensor.defined() || g.shortcut_bias.tensor.defined()) {
        const Tensor sum = empty({dy.size(3)}, DType::f32, Device::cuda);
        column_sum(dy, {sum});
        put(sum, g.conv2_bias);
        put(sum, g.shortcut_bias);
    }

    shortcut_backward(w, dy, x.size(3), joined_shape(x, skip)[-1], g.x, g.skip);
    const Tensor da1 = empty_beside(x, joined_shape(x, skip)), a1 = if_wanted(g.conv1_weight, da1.shape());
    conv_backward_data(w.conv1_weight, dh, k3x3, {da1});
    group_norm_backward(
        {.x = x, .skip = skip, .bias = {}, .emb = {}}, {w.norm1_weight, w.norm1_bias}, norm_options(options), statistics1, da1,
        {.x = {g.x.tensor, true}, .skip = {g.skip.tensor, true}, .weight = g.norm1_weight, .bias = g.norm1_bias}, a1);
    if (a1.defined()) conv_backward_weights(a1, dh, k3x3, g.conv1_weight);
    if (g.shortcut_weight.tensor.defined()) {
        conv_backward_weights(x, dy, k1x1, g.shortcut_weight);
        if (skip.defined()) conv_backward_weights(skip, dy, k1x1, g.shortcut_weight, x.size(3));
    }
    weight_gradients.finish();
}

}    // namespace lull::cuda
