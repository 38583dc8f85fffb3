// The architecture of a U-Net, as data.
#pragma once

#include <algorithm>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace lull {

// What diffusers' UNet2DModel can be, as far as lull builds it. Names in brackets are diffusers' where they differ.
struct UNetConfig {
    int in_channels = 1, out_channels = 1;
    std::vector<int> channels = {32, 64, 128, 256};             // per level [block_out_channels]; each halves the resolution
    std::vector<bool> attention = {false, true, true, true};    // per level, down and up [down_block_types, up_block_types]
    bool mid_attention = true;                                  // [add_attention]
    int layers_per_block = 2;
    int head_dim = 8;    // channels per attention head; 0: one head [attention_head_dim, None]
    int groups = 8;      // of every GroupNorm [norm_num_groups]
    double norm_eps = 1e-5;
    bool flip_sin_to_cos = true;    // time embedding (nn/layers/timestep_embedding.h)
    double freq_shift = 0;

    int levels() const { return static_cast<int>(channels.size()); }
    // Of a level; one past either end, of its neighbour: what enters the first is conv_in's output, what enters the last
    // from below is the middle's.
    int channels_at(int level) const { return channels[static_cast<std::size_t>(std::clamp(level, 0, levels() - 1))]; }
    bool attention_at(int level) const { return attention[static_cast<std::size_t>(level)]; }
    int time_width() const { return 4 * channels.front(); }

    // Throws Error, saying what is wrong, unless a U-Net can be built.
    void validate() const;

    static UNetConfig s16();                            // 888,609 parameters: the one for a CPU
    static UNetConfig m32();                            // 15,890,753: the lesson's
    static UNetConfig preset(std::string_view name);    // "s16" or "m32"

    bool operator==(const UNetConfig&) const = default;
};

// diffusers' config.json, both ways. Reading fills what is missing with diffusers' defaults, and throws Error at the first
// setting that lull does not have.
nlohmann::json to_json(const UNetConfig& config);
UNetConfig unet_config_from_json(const nlohmann::json& json);

}    // namespace lull
