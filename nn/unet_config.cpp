#include "nn/unet_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/error.h"

namespace lull {

using nlohmann::json;

namespace {

std::string block_type(bool down, bool attention) {
    return std::string(attention ? "Attn" : "") + (down ? "DownBlock2D" : "UpBlock2D");
}

// Settings that lull has in one form only, each with the value it may take; what diffusers takes for granted, too.
const json& fixed_settings() {
    static const json settings = {
        {"center_input_sample", false},
        {"time_embedding_type", "positional"},
        {"time_embedding_dim", nullptr},
        {"mid_block_type", "UNetMidBlock2D"},
        {"mid_block_scale_factor", 1},
        {"downsample_padding", 1},
        {"downsample_type", "conv"},
        {"upsample_type", "conv"},
        {"dropout", 0},
        {"act_fn", "silu"},
        {"attn_norm_num_groups", nullptr},
        {"resnet_time_scale_shift", "default"},
        {"class_embed_type", nullptr},
        {"num_class_embeds", nullptr},
    };
    return settings;
}

// Whether each level has attention, from a list of block types; the first is of the highest resolution if `down`.
std::vector<bool> attention_from(const json& types, bool down) {
    std::vector<bool> attention;
    for (const json& type : types) {
        const bool with = type == block_type(down, true);
        check(with || type == block_type(down, false), "unet", "expected ", block_type(down, false), " or ",
              block_type(down, true), ", got ", type);
        attention.push_back(with);
    }
    if (!down) std::reverse(attention.begin(), attention.end());
    return attention;
}

}    // namespace

void UNetConfig::validate() const {
    check(in_channels >= 1 && out_channels >= 1, "unet", "expected at least one channel in and out, got ", in_channels, " and ",
          out_channels);
    // Far beyond any real network: a damaged description must not take all the memory before it is noticed.
    check(layers_per_block >= 1 && layers_per_block <= 64, "unet", "expected 1 to 64 layers_per_block, got ", layers_per_block);
    check(levels() <= 16, "unet", "expected at most 16 levels, got ", levels());
    check(!channels.empty() && channels.size() == attention.size(), "unet",
          "expected channels and attention for each level, got ", channels.size(), " and ", attention.size());
    check(groups >= 1 && head_dim >= 0, "unet", "expected groups ≥ 1 and head_dim ≥ 0, got ", groups, " and ", head_dim);
    check(norm_eps > 0, "unet", "expected norm_eps > 0, got ", norm_eps);
    check(channels.front() % 2 == 0, "unet", "expected an even number of channels at the first level, got ", channels.front());
    for (int level = 0; level < levels(); ++level) {
        const int width = channels_at(level);
        check(width > 0 && width <= 16384, "unet", "expected 1 to 16384 channels, got ", width, " at level ", level);
        check(width % groups == 0, "unet", "expected channels in ", groups, " groups, got ", width, " at level ", level);
        const bool attends = attention_at(level) || (mid_attention && level + 1 == levels());
        check(!attends || head_dim == 0 || width % head_dim == 0, "unet", "expected channels in heads of ", head_dim, ", got ",
              width, " at level ", level);
    }
    check(freq_shift < channels.front() / 2, "unet", "expected freq_shift below half of the first level's channels, got ",
          freq_shift);
}

UNetConfig UNetConfig::s16() { return {.channels = {16, 32, 64}, .attention = {false, false, false}, .mid_attention = false}; }

UNetConfig UNetConfig::m32() { return {}; }

UNetConfig UNetConfig::preset(std::string_view name) {
    if (name == "s16") return s16();
    if (name == "m32") return m32();
    fail("unet", "unknown preset '", name, "' (s16, m32)");
}

json to_json(const UNetConfig& config) {
    json down = json::array(), up = json::array();
    for (int level = 0; level < config.levels(); ++level) {
        down.push_back(block_type(true, config.attention_at(level)));
        up.push_back(block_type(false, config.attention_at(config.levels() - 1 - level)));
    }
    json all = {
        {"_class_name", "UNet2DModel"},
        {"in_channels", config.in_channels},
        {"out_channels", config.out_channels},
        {"block_out_channels", config.channels},
        {"down_block_types", down},
        {"up_block_types", up},
        {"add_attention", config.mid_attention},
        {"layers_per_block", config.layers_per_block},
        {"attention_head_dim", config.head_dim == 0 ? json() : json(config.head_dim)},
        {"norm_num_groups", config.groups},
        {"norm_eps", config.norm_eps},
        {"flip_sin_to_cos", config.flip_sin_to_cos},
        {"freq_shift", config.freq_shift},
    };
    all.update(fixed_settings());
    return all;
}

UNetConfig unet_config_from_json(const json& all) try {
    for (const auto& [key, ours] : fixed_settings().items()) {
        const json theirs = all.value(key, ours);
        check(theirs == ours, "unet", key, ": expected ", ours, ", got ", theirs, ", which lull does not have");
    }
    // diffusers' defaults are UNet2DModel's own, of 224 to 896 channels.
    const json default_down = {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"};
    const json default_up = {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"};
    const json head_dim = all.value("attention_head_dim", json(8));
    UNetConfig config{
        .in_channels = all.value("in_channels", 3),
        .out_channels = all.value("out_channels", 3),
        .channels = all.value("block_out_channels", std::vector<int>{224, 448, 672, 896}),
        .attention = attention_from(all.value("down_block_types", default_down), true),
        .mid_attention = all.value("add_attention", true),
        .layers_per_block = all.value("layers_per_block", 2),
        .head_dim = head_dim.is_null() ? 0 : head_dim.get<int>(),
        .groups = all.value("norm_num_groups", 32),
        .norm_eps = all.value("norm_eps", 1e-5),
        .flip_sin_to_cos = all.value("flip_sin_to_cos", true),
        .freq_shift = all.value("freq_shift", 0.0),
    };
    check(config.attention == attention_from(all.value("up_block_types", default_up), false), "unet",
          "expected up_block_types to mirror down_block_types, got ", all.value("up_block_types", default_up), " for ",
          all.value("down_block_types", default_down));
    config.validate();
    return config;
} catch (const json::exception& error) { fail("unet", "the configuration is not a UNet2DModel's: ", error.what()); }

}    // namespace lull
