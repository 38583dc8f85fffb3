#include "nn/unet_config.h"

#include <cmath>

#include "engine/error.h"

namespace lull {

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
    check(up_attention.empty() || up_attention.size() == channels.size(), "unet", "expected up_attention for each of the ",
          levels(), " levels, or none, got ", up_attention.size());
    for (int level = 0; level < levels(); ++level) {
        const int width = channels_at(level);
        check(width > 0 && width <= 16384, "unet", "expected 1 to 16384 channels, got ", width, " at level ", level);
        check(width % groups == 0, "unet", "expected block_out_channels that norm_num_groups, ", groups, ", divides, got ", width,
              " at level ", level);
        const bool attends = attention_at(level) || up_attention_at(level) || (mid_attends() && level + 1 == levels());
        check(!attends || head_dim == 0 || width % head_dim == 0, "unet", "expected block_out_channels that attention_head_dim, ",
              head_dim, ", divides, got ", width, " at level ", level);
    }
    check(
        !mid_attends() || mid_attention_groups == 0 || (mid_attention_groups > 0 && channels.back() % mid_attention_groups == 0),
        "unet", "expected attn_norm_num_groups that divides the last level's ", channels.back(), " channels, got ",
        mid_attention_groups);
    check(freq_shift < channels.front() / 2, "unet", "expected freq_shift below half of the first level's channels, got ",
          freq_shift);
    check(mid_block_scale_factor != 0 && std::isfinite(mid_block_scale_factor), "unet",
          "expected a mid_block_scale_factor other than 0, got ", mid_block_scale_factor);
    check(downsample_padding == 0 || downsample_padding == 1, "unet", "expected downsample_padding 0 or 1, got ",
          downsample_padding);
    check(dropout >= 0 && dropout < 1, "unet", "expected dropout from 0 to below 1, got ", dropout);
    check(time_width() >= 1 && time_width() <= 1 << 20, "unet", "expected a time_embedding_dim from 1 to 1048576, got ",
          time_embedding_dim);
    const bool table = class_embed == ClassEmbedType::table;
    check(table ? classes >= 1 && classes <= 1 << 20 : classes == 0, "unet", "expected ",
          table ? "1 to 1048576 classes" : "no classes without a table of them", ", got ", classes);
}

UNetConfig UNetConfig::s16() { return {.channels = {16, 32, 64}, .attention = {false, false, false}, .mid_attention = false}; }

UNetConfig UNetConfig::m32() { return {}; }

UNetConfig UNetConfig::preset(std::string_view name) {
    if (name == "s16") return s16();
    if (name == "m32") return m32();
    fail("unet", "unknown preset '", name, "' (s16, m32)");
}

}    // namespace lull
