#include "nn/unet.h"

#include <utility>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/upsample/upsample.h"

namespace lull {

namespace {

GroupNormOptions norm_options(const UNetConfig& config, Activation activation = Activation::none) {
    return {.groups = config.groups, .eps = config.norm_eps, .activation = activation};
}

constexpr Conv2dOptions kSame = {.stride = 1, .padding = 1};    // 3×3 to the same size
constexpr Conv2dOptions kHalve = {.stride = 2, .padding = 1};

Tensor pop(std::vector<Tensor>& skips) {
    Tensor top = std::move(skips.back());
    skips.pop_back();
    return top;
}

}    // namespace

ResnetBlock::ResnetBlock(const UNetConfig& config, int in, int out)
    : norm1(in, norm_options(config, Activation::silu)),
      norm2(out, norm_options(config, Activation::silu)),
      conv1(in, out, 3, kSame),
      conv2(out, out, 3, kSame),
      time_emb_proj(config.time_width(), out) {
    if (in != out) conv_shortcut.emplace(in, out, 1);
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& skip, const Tensor& emb) const {
    const ResnetBlockWeights weights{
        .norm1_weight = norm1.weight,
        .norm1_bias = norm1.bias,
        .conv1_weight = conv1.weight,
        .conv1_bias = conv1.bias,
        .norm2_weight = norm2.weight,
        .norm2_bias = norm2.bias,
        .conv2_weight = conv2.weight,
        .conv2_bias = conv2.bias,
        .shortcut_weight = conv_shortcut ? conv_shortcut->weight : Tensor(),
        .shortcut_bias = conv_shortcut ? conv_shortcut->bias : Tensor(),
    };
    return resnet_block(x, skip, time_emb_proj(emb), weights, {.groups = norm1.options.groups, .eps = norm1.options.eps});
}

Attention::Attention(const UNetConfig& config, int channels)
    : group_norm(channels, norm_options(config)),
      to_q(channels, channels),
      to_k(channels, channels),
      to_v(channels, channels),
      to_out(channels, channels),
      heads(config.head_dim == 0 ? 1 : channels / config.head_dim) {}

Tensor Attention::operator()(const Tensor& x) const {
    const AttentionBlockWeights weights{
        .norm_weight = group_norm.weight,
        .norm_bias = group_norm.bias,
        .q_weight = to_q.weight,
        .q_bias = to_q.bias,
        .k_weight = to_k.weight,
        .k_bias = to_k.bias,
        .v_weight = to_v.weight,
        .v_bias = to_v.bias,
        .out_weight = to_out.weight,
        .out_bias = to_out.bias,
    };
    const GroupNormOptions& norm = group_norm.options;
    return attention_block(x, weights, {.groups = norm.groups, .eps = norm.eps, .heads = heads});
}

DownBlock::DownBlock(const UNetConfig& config, int level) {
    const int out = config.channels_at(level);
    for (int i = 0; i < config.layers_per_block; ++i) {
        const int in = i == 0 ? config.channels_at(level - 1) : out;
        resnets.emplace_back(config, in, out);
        if (config.attention_at(level)) attentions.emplace_back(config, out);
    }
    if (level + 1 < config.levels()) downsample.emplace(out, out, 3, kHalve);
}

Tensor DownBlock::operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
        x = resnets[i](x, {}, emb);
        if (!attentions.empty()) x = attentions[i](x);
        skips.push_back(x);
    }
    if (downsample) {
        x = (*downsample)(x);
        skips.push_back(x);
    }
    return x;
}

MidBlock::MidBlock(const UNetConfig& config) {
    const int channels = config.channels.back();
    for (int i = 0; i < 2; ++i) resnets.emplace_back(config, channels, channels);
    if (config.mid_attention) attentions.emplace_back(config, channels);
}

Tensor MidBlock::operator()(Tensor x, const Tensor& emb) const {
    x = resnets[0](x, {}, emb);
    for (const Attention& attention : attentions) x = attention(x);
    return resnets[1](x, {}, emb);
}

// The skips come back in reverse: layers_per_block from this level's residual blocks, then what entered the level.
UpBlock::UpBlock(const UNetConfig& config, int level) {
    const int out = config.channels_at(level);
    const int layers = config.layers_per_block + 1;
    for (int i = 0; i < layers; ++i) {
        const int x = i == 0 ? config.channels_at(level + 1) : out;
        const int skip = i == layers - 1 ? config.channels_at(level - 1) : out;
        resnets.emplace_back(config, x + skip, out);
        if (config.attention_at(level)) attentions.emplace_back(config, out);
    }
    if (level > 0) upsample.emplace(out, out, 3, kSame);
}

Tensor UpBlock::operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
        x = resnets[i](x, pop(skips), emb);
        if (!attentions.empty()) x = attentions[i](x);
    }
    return upsample ? (*upsample)(upsample_nearest(x)) : x;
}

UNet::UNet(const UNetConfig& unet_config)
    : config((unet_config.validate(), unet_config)),
      conv_in(config.in_channels, config.channels.front(), 3, kSame),
      time_embedding(config.channels.front(), config.time_width()),
      mid_block(config),
      conv_norm_out(config.channels.front(), norm_options(config, Activation::silu)),
      conv_out(config.channels.front(), config.out_channels, 3, kSame) {
    for (int level = 0; level < config.levels(); ++level) down_blocks.emplace_back(config, level);
    for (int level = config.levels() - 1; level >= 0; --level) up_blocks.emplace_back(config, level);
}

Tensor UNet::operator()(const Tensor& input, const Tensor& time, const Tensor& labels) const {
    const int multiple = 1 << (config.levels() - 1);
    check(input.rank() == 4 && input.size(1) % multiple == 0 && input.size(2) % multiple == 0 &&
              input.size(3) == config.in_channels,
          "unet", "expected x (N, H, W, ", config.in_channels, ") with H and W multiples of ", multiple, ", got ", input);
    check(time.shape() == Shape{input.size(0)}, "unet", "expected time (", input.size(0), ",), one number per image, got ", time);
    check(!labels.defined(), "unet", "expected no labels, as the model is unconditional, got ", labels);

    const SinusoidOptions sinusoid{.flip_sin_to_cos = config.flip_sin_to_cos, .freq_shift = config.freq_shift};
    const Tensor emb = silu(time_embedding(sinusoidal_embedding(time, config.channels.front(), sinusoid)));

    Tensor x = conv_in(input);
    std::vector<Tensor> skips = {x};
    for (const DownBlock& block : down_blocks) x = block(x, emb, skips);
    x = mid_block(x, emb);
    for (const UpBlock& block : up_blocks) x = block(x, emb, skips);
    return conv_out(conv_norm_out(x));
}

}    // namespace lull
