// What a U-Net is made of: diffusers' blocks in architecture and names.
#pragma once

#include <optional>
#include <vector>

#include "nn/layers/conv2d.h"
#include "nn/layers/group_norm.h"
#include "nn/layers/linear.h"
#include "nn/module.h"
#include "nn/unet_config.h"

namespace lull {

inline constexpr Conv2dOptions kSame = {.stride = 1, .padding = 1};                    // 3×3 to the same size
inline constexpr Conv2dOptions kTwice = {.stride = 1, .padding = 1, .upsample = 2};    // 3×3 to twice the size

// SiLU, ReLU, or Mish: x tanh(ln(1 + e^x)) (Misra 2019, arXiv 1908.08681).
Tensor activate(ActFn act_fn, const Tensor& x);

enum class Resampling { none, halve, twice };

// Residual block, told the noise level. x: (N, H, W, C₁), skip: (N, H, W, in - C₁) or undefined, emb: the activated
// embedding of the time, (N, time_width) → (N, H, W, out), or half or twice as high and wide where it resamples: what
// enters both convolutions and the shortcut is pooled or repeated.
// The usual one is engine/ops/resnet_block, one fused operation; the other settings are composed of ordinary ones.
struct ResnetBlock {
    GroupNorm norm1, norm2;
    Conv2d conv1, conv2;
    Linear time_emb_proj;                   // to out channels, or with scale_shift to twice as many
    std::optional<Conv2d> conv_shortcut;    // where in ≠ out
    ActFn act_fn;
    bool scale_shift;
    double output_scale;    // what the result is divided by
    Resampling resampling;

    ResnetBlock(const UNetConfig& config, int in, int out, double scale = 1, Resampling resample = Resampling::none);
    Tensor operator()(const Tensor& x, const Tensor& skip, const Tensor& emb) const;

    template <class V>
    void visit(V& v) {
        v("norm1", norm1);
        v("conv1", conv1);
        v("time_emb_proj", time_emb_proj);
        v("norm2", norm2);
        v("conv2", conv2);
        v("conv_shortcut", conv_shortcut);
    }

  private:
    bool usual() const;
    Tensor composed(const Tensor& in, const Tensor& emb) const;
    Tensor resampled(const Tensor& x) const;
};

// Self-attention over pixels, with its normalisation and residual: engine/ops/attention_block, or composed where there is no
// normalisation or a scale. x: (N, H, W, C) → the same shape.
struct Attention {
    std::optional<GroupNorm> group_norm;
    Linear to_q, to_k, to_v, to_out;
    int heads;
    double output_scale;    // what the result is divided by

    // groups: 0 for no normalisation.
    Attention(const UNetConfig& config, int channels, int groups, double scale = 1);
    Attention(const UNetConfig& config, int channels) : Attention(config, channels, config.groups) {}
    Tensor operator()(const Tensor& x) const;

    template <class V>
    void visit(V& v) {
        v("group_norm", group_norm);
        v("to_q", to_q);
        v("to_k", to_k);
        v("to_v", to_v);
        v("to_out.0", to_out);
    }

  private:
    Tensor composed(const Tensor& x) const;
};

// Residual blocks, each followed by attention if the level has it, then, except at the last level, half the size: by a
// convolution of stride 2 or a residual block. Every result is pushed on skips.
struct DownBlock {
    std::vector<ResnetBlock> resnets;
    std::vector<Attention> attentions;    // one per residual block, or none
    std::optional<Conv2d> downsample;
    std::optional<ResnetBlock> resnet_downsample;

    DownBlock(const UNetConfig& config, int level);
    Tensor operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const;

    template <class V>
    void visit(V& v) {
        v("resnets", resnets);
        v("attentions", attentions);
        v("downsamplers.0.conv", downsample);
        v("downsamplers.0", resnet_downsample);
    }
};

// Residual block, attention if wanted, residual block.
struct MidBlock {
    std::vector<ResnetBlock> resnets;
    std::vector<Attention> attentions;

    explicit MidBlock(const UNetConfig& config);
    Tensor operator()(Tensor x, const Tensor& emb) const;

    template <class V>
    void visit(V& v) {
        v("resnets", resnets);
        v("attentions", attentions);
    }
};

// The mirror image of a level's down block, with one residual block more; each takes one result off skips. Then, except at
// the first level, twice the size: pixels are repeated and convolved, or a residual block does it.
struct UpBlock {
    std::vector<ResnetBlock> resnets;
    std::vector<Attention> attentions;
    std::optional<Conv2d> upsample;
    std::optional<ResnetBlock> resnet_upsample;

    UpBlock(const UNetConfig& config, int level);
    Tensor operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const;

    template <class V>
    void visit(V& v) {
        v("resnets", resnets);
        v("attentions", attentions);
        v("upsamplers.0.conv", upsample);
        v("upsamplers.0", resnet_upsample);
    }
};

}    // namespace lull
