// The U-Net (Ronneberger et al. 2015; Ho et al. 2020): diffusers' UNet2DModel in architecture and names.
#pragma once

#include <optional>
#include <vector>

#include "nn/layers/conv2d.h"
#include "nn/layers/embedding.h"
#include "nn/layers/group_norm.h"
#include "nn/layers/timestep_embedding.h"
#include "nn/module.h"
#include "nn/unet_blocks.h"
#include "nn/unet_config.h"

namespace lull {

// input: (N, H, W, in_channels), H and W multiples of 2^(levels - 1). time: (N) f32, whatever number tells the network the
// noise level (¼ ln σ, t, …); with Fourier features it is above 0, and the output is divided by it. labels: undefined for an
// unconditional network and needed for one with classes: (N) i32 or i64, from 0 to classes - 1; with a timestep embedding of
// classes (N) numbers; with ClassEmbedType::identity (N, time_width) f32 → (N, H, W, out_channels).
// All on the device of the weights; on CUDA a label out of range is an error when a value is next read from the device.
// Weights are those of PyTorchInitialiser's GroupNorm and zero otherwise until initialised (nn/init.h) or loaded
// (nn/checkpoint.h).
struct UNet {
    UNetConfig config;
    Conv2d conv_in;
    std::optional<GaussianFourierProjection> time_proj;
    TimestepEmbedding time_embedding;
    std::optional<Embedding> class_table;                       // of ClassEmbedType::table
    std::optional<TimestepEmbedding> class_number_embedding;    // of ClassEmbedType::timestep
    std::vector<DownBlock> down_blocks;
    std::optional<MidBlock> mid_block;
    std::vector<UpBlock> up_blocks;    // from the lowest resolution up
    GroupNorm conv_norm_out;           // with SiLU
    Conv2d conv_out;

    // Throws Error as UNetConfig::validate does.
    explicit UNet(const UNetConfig& unet_config);

    // Throws Error when a shape, a type or a label is wrong, and while gradients are recorded through a network with dropout,
    // which lull has for use and not for training.
    Tensor operator()(const Tensor& input, const Tensor& time, const Tensor& labels = {}) const;

    template <class V>
    void visit(V& v) {
        v("conv_in", conv_in);
        v("time_proj", time_proj);
        v("time_embedding", time_embedding);
        v("class_embedding", class_table);
        v("class_embedding", class_number_embedding);
        v("down_blocks", down_blocks);
        v("mid_block", mid_block);
        v("up_blocks", up_blocks);
        v("conv_norm_out", conv_norm_out);
        v("conv_out", conv_out);
    }

  private:
    void check_input(const Tensor& input, const Tensor& time) const;
    void check_labels(const Tensor& labels, std::int64_t images) const;
    Tensor features(const Tensor& time) const;             // (N) → (N, time_features)
    Tensor class_embedding(const Tensor& labels) const;    // → (N, time_width)
};

}    // namespace lull
