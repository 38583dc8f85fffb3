// The U-Net (Ronneberger et al. 2015; Ho et al. 2020): diffusers' UNet2DModel in architecture and names.
#pragma once

#include <optional>
#include <vector>

#include "engine/ops/attention_block/attention_block.h"
#include "engine/ops/resnet_block/resnet_block.h"
#include "nn/layers/conv2d.h"
#include "nn/layers/group_norm.h"
#include "nn/layers/linear.h"
#include "nn/layers/timestep_embedding.h"
#include "nn/module.h"
#include "nn/unet_config.h"

namespace lull {

// Residual block: engine/ops/resnet_block, told the noise level. x: (N, H, W, C₁), skip: (N, H, W, in - C₁) or undefined,
// emb: SiLU of the time embedding, (N, time_width) → (N, H, W, out).
struct ResnetBlock {
    GroupNorm norm1, norm2;
    Conv2d conv1, conv2;
    Linear time_emb_proj;
    std::optional<Conv2d> conv_shortcut;    // where in ≠ out

    ResnetBlock(const UNetConfig& config, int in, int out);
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
};

// Self-attention over pixels, with its normalisation and residual. x: (N, H, W, C) → the same shape.
struct Attention {
    GroupNorm group_norm;
    Linear to_q, to_k, to_v, to_out;
    int heads;

    Attention(const UNetConfig& config, int channels);
    Tensor operator()(const Tensor& x) const;

    template <class V>
    void visit(V& v) {
        v("group_norm", group_norm);
        v("to_q", to_q);
        v("to_k", to_k);
        v("to_v", to_v);
        v("to_out.0", to_out);
    }
};

// Residual blocks, each followed by attention if the level has it, then a convolution of stride 2, except at the last
// level. Every result is pushed on skips.
struct DownBlock {
    std::vector<ResnetBlock> resnets;
    std::vector<Attention> attentions;    // one per residual block, or none
    std::optional<Conv2d> downsample;

    DownBlock(const UNetConfig& config, int level);
    Tensor operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const;

    template <class V>
    void visit(V& v) {
        v("resnets", resnets);
        v("attentions", attentions);
        v("downsamplers.0.conv", downsample);
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

// The mirror image of a level's down block, with one residual block more; each takes one result off skips. Then pixels are
// doubled and convolved, except at the first level.
struct UpBlock {
    std::vector<ResnetBlock> resnets;
    std::vector<Attention> attentions;
    std::optional<Conv2d> upsample;

    UpBlock(const UNetConfig& config, int level);
    Tensor operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const;

    template <class V>
    void visit(V& v) {
        v("resnets", resnets);
        v("attentions", attentions);
        v("upsamplers.0.conv", upsample);
    }
};

// input: (N, H, W, in_channels), H and W multiples of 2^(levels - 1). time: (N) f32, whatever number tells the network the
// noise level (¼ ln σ, t, …). labels: undefined, as there is no class embedding → (N, H, W, out_channels). Weights are those of
// PyTorchInitialiser's GroupNorm and zero otherwise until initialised (nn/init.h) or loaded (nn/checkpoint.h).
struct UNet {
    UNetConfig config;
    Conv2d conv_in;
    TimestepEmbedding time_embedding;
    std::vector<DownBlock> down_blocks;
    MidBlock mid_block;
    std::vector<UpBlock> up_blocks;    // from the lowest resolution up
    GroupNorm conv_norm_out;           // with SiLU
    Conv2d conv_out;

    // Throws Error as UNetConfig::validate does.
    explicit UNet(const UNetConfig& unet_config);
    Tensor operator()(const Tensor& input, const Tensor& time, const Tensor& labels = {}) const;

    template <class V>
    void visit(V& v) {
        v("conv_in", conv_in);
        v("time_embedding", time_embedding);
        v("down_blocks", down_blocks);
        v("mid_block", mid_block);
        v("up_blocks", up_blocks);
        v("conv_norm_out", conv_norm_out);
        v("conv_out", conv_out);
    }
};

}    // namespace lull
