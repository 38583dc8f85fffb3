#include "nn/unet_blocks.h"

#include <utility>

#include "engine/ops/attention/attention.h"
#include "engine/ops/attention_block/attention_block.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/pool/pool.h"
#include "engine/ops/resnet_block/resnet_block.h"
#include "engine/ops/upsample/upsample.h"

namespace lull {

namespace {

GroupNormOptions norm_options(const UNetConfig& config, int groups) { return {.groups = groups, .eps = config.norm_eps}; }

Tensor pop(std::vector<Tensor>& skips) {
    Tensor top = std::move(skips.back());
    skips.pop_back();
    return top;
}

// tanh(ln(1 + e^x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2), which is 1 in f32 and f64 from x = 20 on.
Tensor mish(const Tensor& x) {
    const Tensor e = exp(clamp(x, -100, 20));
    const Tensor s = e * (e + 2);
    return x * (s / (s + 2));
}

// A column of zeros on the right and a row below.
Tensor padded_at_the_end(const Tensor& x) {
    const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3);
    const Tensor wider = concat({x, zeros({n, h, 1, c}, x.dtype(), x.device())}, 2);
    return concat({wider, zeros({n, 1, w + 1, c}, x.dtype(), x.device())}, 1);
}

}    // namespace

Tensor activate(ActFn act_fn, const Tensor& x) {
    switch (act_fn) {
        case ActFn::silu:
            return silu(x);
        case ActFn::relu:
            return relu(x);
        case ActFn::mish:
            return mish(x);
    }
    fail("unet", "unknown activation ", static_cast<int>(act_fn));
}

ResnetBlock::ResnetBlock(const UNetConfig& config, int in, int out, double scale, Resampling resample)
    : norm1(in, norm_options(config, config.groups)),
      norm2(out, norm_options(config, config.groups)),
      conv1(in, out, 3, kSame),
      conv2(out, out, 3, kSame),
      time_emb_proj(config.time_width(), config.scale_shift ? 2 * out : out),
      act_fn(config.act_fn),
      scale_shift(config.scale_shift),
      output_scale(scale),
      resampling(resample) {
    if (in != out) conv_shortcut.emplace(in, out, 1);
}

bool ResnetBlock::usual() const {
    return act_fn == ActFn::silu && !scale_shift && output_scale == 1 && resampling == Resampling::none;
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& skip, const Tensor& emb) const {
    if (!usual()) return composed(skip.defined() ? concat({x, skip}, 3) : x, time_emb_proj(emb));
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

Tensor ResnetBlock::resampled(const Tensor& x) const {
    if (resampling == Resampling::halve) return avg_pool2d(x);
    return resampling == Resampling::twice ? upsample_nearest(x) : x;
}

// in: x ‖ skip. emb: (N, out), or (N, 2 out): scale ‖ shift.
Tensor ResnetBlock::composed(const Tensor& in, const Tensor& emb) const {
    const Tensor e = emb.reshape({emb.size(0), 1, 1, emb.size(1)});
    Tensor h = conv1(resampled(activate(act_fn, norm1(in))));
    if (scale_shift) {
        const std::int64_t out = emb.size(1) / 2;
        h = norm2(h) * (e.slice(3, 0, out) + 1) + e.slice(3, out, 2 * out);
    } else {
        h = norm2(h + e);
    }
    h = conv2(activate(act_fn, h));
    const Tensor shortcut = resampled(in);
    return (h + (conv_shortcut ? (*conv_shortcut)(shortcut) : shortcut)) / output_scale;
}

Attention::Attention(const UNetConfig& config, int channels, int groups, double scale)
    : to_q(channels, channels),
      to_k(channels, channels),
      to_v(channels, channels),
      to_out(channels, channels),
      heads(config.head_dim == 0 ? 1 : channels / config.head_dim),
      output_scale(scale) {
    if (groups > 0) group_norm.emplace(channels, norm_options(config, groups));
}

Tensor Attention::operator()(const Tensor& x) const {
    if (!group_norm || output_scale != 1) return composed(x);
    const AttentionBlockWeights weights{
        .norm_weight = group_norm->weight,
        .norm_bias = group_norm->bias,
        .q_weight = to_q.weight,
        .q_bias = to_q.bias,
        .k_weight = to_k.weight,
        .k_bias = to_k.bias,
        .v_weight = to_v.weight,
        .v_bias = to_v.bias,
        .out_weight = to_out.weight,
        .out_bias = to_out.bias,
    };
    const GroupNormOptions& norm = group_norm->options;
    return attention_block(x, weights, {.groups = norm.groups, .eps = norm.eps, .heads = heads});
}

Tensor Attention::composed(const Tensor& x) const {
    const Tensor tokens = (group_norm ? (*group_norm)(x) : x).reshape({x.size(0), x.size(1) * x.size(2), x.size(3)});
    const Tensor a = to_out(attention(to_q(tokens), to_k(tokens), to_v(tokens), heads));
    return (x + a.reshape(x.shape())) / output_scale;
}

DownBlock::DownBlock(const UNetConfig& config, int level) {
    const int out = config.channels_at(level);
    const bool attends = config.attention_at(level);
    for (int i = 0; i < config.layers_per_block; ++i) {
        const int in = i == 0 ? config.channels_at(level - 1) : out;
        resnets.emplace_back(config, in, out);
        if (attends) attentions.emplace_back(config, out);
    }
    if (level + 1 == config.levels()) return;
    if (attends && config.resnet_downsample)
        resnet_downsample.emplace(config, out, out, 1, Resampling::halve);
    else
        downsample.emplace(out, out, 3, Conv2dOptions{.stride = 2, .padding = config.downsample_padding});
}

Tensor DownBlock::operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
        x = resnets[i](x, {}, emb);
        if (!attentions.empty()) x = attentions[i](x);
        skips.push_back(x);
    }
    if (downsample)
        x = (*downsample)(downsample->options.padding == 0 ? padded_at_the_end(x) : x);
    else if (resnet_downsample)
        x = (*resnet_downsample)(x, {}, emb);
    else
        return x;
    skips.push_back(x);
    return x;
}

// Its attention has the groups of all norms, its own number, or, where embeddings scale and shift, none.
MidBlock::MidBlock(const UNetConfig& config) {
    const int channels = config.channels.back();
    const double scale = config.mid_block_scale_factor;
    for (int i = 0; i < 2; ++i) resnets.emplace_back(config, channels, channels, scale);
    const int usual_groups = config.scale_shift ? 0 : config.groups;
    const int groups = config.mid_attention_groups > 0 ? config.mid_attention_groups : usual_groups;
    if (config.mid_attention) attentions.emplace_back(config, channels, groups, scale);
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
    const bool attends = config.up_attention_at(level);
    for (int i = 0; i < layers; ++i) {
        const int x = i == 0 ? config.channels_at(level + 1) : out;
        const int skip = i == layers - 1 ? config.channels_at(level - 1) : out;
        resnets.emplace_back(config, x + skip, out);
        if (attends) attentions.emplace_back(config, out);
    }
    if (level == 0) return;
    if (attends && config.resnet_upsample)
        resnet_upsample.emplace(config, out, out, 1, Resampling::twice);
    else
        upsample.emplace(out, out, 3, kTwice);
}

Tensor UpBlock::operator()(Tensor x, const Tensor& emb, std::vector<Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets.size(); ++i) {
        x = resnets[i](x, pop(skips), emb);
        if (!attentions.empty()) x = attentions[i](x);
    }
    if (upsample) return (*upsample)(x);
    return resnet_upsample ? (*resnet_upsample)(x, {}, emb) : x;
}

}    // namespace lull
