// The architecture of a U-Net, as data.
#pragma once

#include <algorithm>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace lull {

// How the time becomes numbers: cosines and sines of fixed frequencies, or of its logarithm at random ones, which the
// weights hold (nn/layers/timestep_embedding.h).
enum class TimeEmbeddingType { positional, fourier };

// What a label is: none; the number of a class, with a table of learned vectors; a number that is embedded as the time is;
// or itself a vector that is added to the embedding of the time.
enum class ClassEmbedType { none, table, timestep, identity };

enum class ActFn { silu, relu, mish };

// What diffusers' UNet2DModel can be, as far as lull builds it. Names in brackets are diffusers' where they differ.
struct UNetConfig {
    int in_channels = 1, out_channels = 1;
    std::vector<int> channels = {32, 64, 128, 256};             // per level [block_out_channels]; each halves the resolution
    std::vector<bool> attention = {false, true, true, true};    // per level [down_block_types]
    std::vector<bool> up_attention = {};    // per level; empty: as on the way down [up_block_types, from the last level]
    bool mid_block = true;                  // [mid_block_type]
    bool mid_attention = true;              // [add_attention]
    int layers_per_block = 2;
    int head_dim = 8;                // channels per attention head; 0: one head [attention_head_dim, None]
    int groups = 8;                  // of every GroupNorm [norm_num_groups]
    int mid_attention_groups = 0;    // 0: groups, or with scale_shift no norm [attn_norm_num_groups, None]
    double norm_eps = 1e-5;
    ActFn act_fn = ActFn::silu;    // of the residual blocks
    bool scale_shift = false;      // the embedding scales and shifts after the second norm [resnet_time_scale_shift]
    double mid_block_scale_factor = 1;
    int downsample_padding = 1;          // 0: one pixel of zeros, on the right and below
    bool resnet_downsample = false;      // levels with attention change size in a residual block [downsample_type]
    bool resnet_upsample = false;        // [upsample_type]
    double dropout = 0;                  // of diffusers' training: lull computes what a trained network does, without
    bool center_input_sample = false;    // the input is 2 x - 1

    TimeEmbeddingType time_embedding = TimeEmbeddingType::positional;    // [time_embedding_type]
    int time_embedding_dim = 0;                                          // 0: four times the first level's channels
    bool flip_sin_to_cos = true;                                         // of positional, as freq_shift
    double freq_shift = 0;
    ClassEmbedType class_embed = ClassEmbedType::none;    // [class_embed_type]
    int classes = 0;                                      // rows of the table [num_class_embeds]

    int levels() const { return static_cast<int>(channels.size()); }
    // Of a level; one past either end, of its neighbour: what enters the first is conv_in's output, what enters the last
    // from below is the middle's.
    int channels_at(int level) const { return channels[static_cast<std::size_t>(std::clamp(level, 0, levels() - 1))]; }
    bool attention_at(int level) const { return attention[static_cast<std::size_t>(level)]; }
    bool up_attention_at(int level) const {
        return up_attention.empty() ? attention_at(level) : up_attention[static_cast<std::size_t>(level)];
    }
    bool mid_attends() const { return mid_block && mid_attention; }
    int time_width() const { return time_embedding_dim > 0 ? time_embedding_dim : 4 * channels.front(); }
    // Numbers that the time becomes, before its two linear layers.
    int time_features() const { return (time_embedding == TimeEmbeddingType::fourier ? 2 : 1) * channels.front(); }

    // Throws Error, saying what is wrong, unless a U-Net can be built.
    void validate() const;

    static UNetConfig s16();                            // 888,609 parameters: the one for a CPU
    static UNetConfig m32();                            // 15,890,753: the lesson's
    static UNetConfig preset(std::string_view name);    // "s16" or "m32"

    bool operator==(const UNetConfig&) const = default;
};

// diffusers' config.json, both ways (nn/unet_config_json.cpp). Reading fills what is missing with diffusers' defaults, and
// throws Error at the first setting that is not known or that lull does not have, saying what it has.
nlohmann::json to_json(const UNetConfig& config);
UNetConfig unet_config_from_json(const nlohmann::json& json);

}    // namespace lull
