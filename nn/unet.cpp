#include "nn/unet.h"

#include <algorithm>
#include <utility>

#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {

UNet::UNet(const UNetConfig& unet_config)
    : config((unet_config.validate(), unet_config)),
      conv_in(config.in_channels, config.channels.front(), 3, kSame),
      time_embedding(config.time_features(), config.time_width()),
      conv_norm_out(config.channels.front(), {.groups = config.groups, .eps = config.norm_eps, .activation = Activation::silu}),
      conv_out(config.channels.front(), config.out_channels, 3, kSame) {
    if (config.time_embedding == TimeEmbeddingType::fourier) time_proj.emplace(config.channels.front());
    if (config.class_embed == ClassEmbedType::table) class_table.emplace(config.classes, config.time_width());
    if (config.class_embed == ClassEmbedType::timestep)
        class_number_embedding.emplace(config.time_features(), config.time_width());
    for (int level = 0; level < config.levels(); ++level) down_blocks.emplace_back(config, level);
    if (config.mid_block) mid_block.emplace(config);
    for (int level = config.levels() - 1; level >= 0; --level) up_blocks.emplace_back(config, level);
}

void UNet::check_input(const Tensor& input, const Tensor& time) const {
    const int multiple = 1 << (config.levels() - 1);
    check(input.rank() == 4 && input.size(1) % multiple == 0 && input.size(2) % multiple == 0 &&
              input.size(3) == config.in_channels,
          "unet", "expected x (N, H, W, ", config.in_channels, ") with H and W multiples of ", multiple, ", got ", input);
    check(time.shape() == Shape{input.size(0)}, "unet", "expected time (", input.size(0), ",), one number per image, got ", time);
    check(config.dropout == 0 || !recording(input, conv_in.weight), "unet",
          "expected a network without dropout for training, got dropout ", config.dropout);
}

void UNet::check_labels(const Tensor& labels, std::int64_t images) const {
    if (config.class_embed == ClassEmbedType::none)
        return check(!labels.defined(), "unet", "expected no labels, as the model is unconditional, got ", labels);
    check(labels.defined(), "unet", "expected labels, one per image, as the model is conditional, got none");
    if (config.class_embed == ClassEmbedType::identity)
        return check(labels.shape() == Shape{images, config.time_width()}, "unet", "expected labels (", images, ", ",
                     config.time_width(), "), one vector per image, got ", labels);
    check(labels.shape() == Shape{images}, "unet", "expected labels (", images, ",), one per image, got ", labels);
    if (config.class_embed != ClassEmbedType::table) return;
    // On CUDA looking at labels would mean waiting for them: the embedding sees to it.
    check(labels.dtype() == DType::i32 || labels.dtype() == DType::i64, "unet", "expected labels of i32, got ", labels);
    if (labels.device() != Device::cpu) return;
    for (const double label : labels.values())
        check(label >= 0 && label < config.classes, "unet", "expected labels from 0 to ", config.classes - 1, ", got ", label);
}

// Angles are computed in the type of `time`, f32, and then become the network's.
Tensor UNet::features(const Tensor& time) const {
    const SinusoidOptions sinusoid{.flip_sin_to_cos = config.flip_sin_to_cos, .freq_shift = config.freq_shift};
    const Tensor angles = time_proj ? (*time_proj)(time) : sinusoidal_embedding(time, config.channels.front(), sinusoid);
    return angles.to(conv_in.weight.dtype());
}

Tensor UNet::class_embedding(const Tensor& labels) const {
    if (class_table) return (*class_table)(labels);
    if (class_number_embedding) return (*class_number_embedding)(features(labels.to(DType::f32)));
    return labels.to(conv_in.weight.dtype());
}

Tensor UNet::operator()(const Tensor& input, const Tensor& time, const Tensor& labels) const {
    check_input(input, time);
    check_labels(labels, input.size(0));
    Tensor emb = time_embedding(features(time));
    if (labels.defined()) emb = emb + class_embedding(labels);
    emb = activate(config.act_fn, emb);

    Tensor x = conv_in(config.center_input_sample ? affine(input, 2, -1) : input);
    std::vector<Tensor> skips = {x};
    for (const DownBlock& block : down_blocks) x = block(x, emb, skips);
    if (mid_block) x = (*mid_block)(x, emb);
    for (const UpBlock& block : up_blocks) x = block(x, emb, skips);
    x = conv_out(conv_norm_out(x));
    return time_proj ? (x.to(time.dtype()) / time.reshape({-1, 1, 1, 1})).to(x.dtype()) : x;
}

}    // namespace lull
