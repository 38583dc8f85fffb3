#include "nn/unet_config.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "nn/unet.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using nlohmann::json;
using test::error_of;

TEST_CASE("the presets have the parameters that diffusers counts for them") {
    CHECK(parameter_count(UNet(UNetConfig::s16())) == 888'609);
    CHECK(parameter_count(UNet(UNetConfig::m32())) == 15'890'753);
    CHECK(UNetConfig::preset("s16") == UNetConfig::s16());
    CHECK(error_of([] { UNetConfig::preset("s17"); }) == "[unet] unknown preset 's17' (s16, m32)");
}

TEST_CASE("a configuration survives the way to diffusers' JSON and back") {
    const auto survives = [](const UNetConfig& config) {
        return unet_config_from_json(json::parse(to_json(config).dump())) == config;
    };
    UNetConfig config{.in_channels = 3,
                      .out_channels = 6,
                      .channels = {8, 24},
                      .attention = {true, false},
                      .mid_attention = false,
                      .layers_per_block = 1,
                      .head_dim = 0,
                      .groups = 4,
                      .norm_eps = 1e-6,
                      .flip_sin_to_cos = false,
                      .freq_shift = 1};
    CHECK(survives(config));
    CHECK(to_json(config)["up_block_types"] == json({"UpBlock2D", "AttnUpBlock2D"}));
    CHECK(to_json(config)["attention_head_dim"].is_null());
    config = {.channels = {8, 24},
              .attention = {true, false},
              .up_attention = {false, false},
              .mid_attention_groups = 2,
              .act_fn = ActFn::mish,
              .scale_shift = true,
              .mid_block_scale_factor = 1.5,
              .downsample_padding = 0,
              .resnet_downsample = true,
              .resnet_upsample = true,
              .dropout = 0.25,
              .center_input_sample = true,
              .time_embedding = TimeEmbeddingType::fourier,
              .time_embedding_dim = 20,
              .class_embed = ClassEmbedType::table,
              .classes = 10};
    CHECK(survives(config));
    CHECK(to_json(config)["up_block_types"] == json({"UpBlock2D", "UpBlock2D"}));
    CHECK(to_json(config)["num_class_embeds"] == 10);
    CHECK(survives({.mid_block = false, .class_embed = ClassEmbedType::timestep}));
    CHECK(survives({.class_embed = ClassEmbedType::identity}));
}

TEST_CASE("a configuration may say things that do not change the network, and use diffusers' older words") {
    json config = to_json(UNetConfig::s16());
    config.update({{"_diffusers_version", "0.0.4"},
                   {"_name_or_path", "somewhere"},
                   {"sample_size", 32},
                   {"act_fn", "swish"},
                   {"downsample_type", nullptr},
                   {"num_train_timesteps", 1000},
                   {"down_block_types", {"UNetResDownBlock2D", "DownBlock2D", "DownBlock2D"}}});
    CHECK(unet_config_from_json(config) == UNetConfig::s16());
}

TEST_CASE("what a configuration leaves out is diffusers' default") {
    const UNetConfig config = unet_config_from_json(json::object());
    CHECK(config.channels == std::vector<int>{224, 448, 672, 896});
    CHECK(config.attention == std::vector<bool>{false, true, true, true});
    CHECK(config.groups == 32);
    CHECK(config.head_dim == 8);
    CHECK(config.in_channels == 3);
}

TEST_CASE("settings that lull does not have are refused in one line") {
    const auto refusal = [](const char* key, const json& value) {
        json config = to_json(UNetConfig::s16());
        config[key] = value;
        return error_of([&] { unet_config_from_json(config); });
    };
    CHECK(refusal("downsample_padding", 2) == "[unet] expected downsample_padding 0 or 1, got 2");
    CHECK(refusal("time_embedding_type", "learned") ==
          "[unet] time_embedding_type: expected positional or fourier, got \"learned\"");
    CHECK(refusal("down_block_types", json({"SkipDownBlock2D", "DownBlock2D", "DownBlock2D"})) ==
          "[unet] down_block_types: expected DownBlock2D or AttnDownBlock2D, got \"SkipDownBlock2D\"");
    CHECK(refusal("up_block_types", json({"UpBlock2D", "UpBlock2D", "KUpBlock2D"})) ==
          "[unet] up_block_types: expected UpBlock2D or AttnUpBlock2D, got \"KUpBlock2D\"");
    CHECK(refusal("up_block_types", json({"UpBlock2D"})) ==
          "[unet] expected as many down_block_types and up_block_types as block_out_channels, 3, got 3 and 1");
    CHECK(refusal("mid_block_type", "UNetMidBlock2DCrossAttn") ==
          "[unet] mid_block_type: expected UNetMidBlock2D or null, got \"UNetMidBlock2DCrossAttn\"");
    CHECK(refusal("act_fn", "gelu") == "[unet] act_fn: expected silu, swish, relu or mish, got \"gelu\"");
    CHECK(refusal("resnet_time_scale_shift", "spatial") ==
          "[unet] resnet_time_scale_shift: expected default or scale_shift, got \"spatial\"");
    CHECK(refusal("downsample_type", "fir") == "[unet] downsample_type: expected conv or resnet, got \"fir\"");
    CHECK(refusal("class_embed_type", "projection") ==
          "[unet] class_embed_type: expected timestep or identity, got \"projection\"");
    CHECK(refusal("num_class_embeds", -3) == "[unet] num_class_embeds: expected a number of classes or null, got -3");
    CHECK(refusal("attention_head_dim", 0) == "[unet] attention_head_dim: expected a whole number above 0, or null, got 0");
    CHECK(refusal("mid_block_scale_factor", 0) == "[unet] expected a mid_block_scale_factor other than 0, got 0");
    CHECK(refusal("dropout", 1) == "[unet] expected dropout from 0 to below 1, got 1");
    CHECK(refusal("_class_name", "UNet2DConditionModel") ==
          "[unet] _class_name: expected UNet2DModel, got \"UNet2DConditionModel\"");
    CHECK(refusal("layer_per_block", 2) == "[unet] unknown setting 'layer_per_block': 2; did you mean 'layers_per_block'?");
    CHECK(refusal("cross_attention_dim", 768).starts_with("[unet] unknown setting 'cross_attention_dim': 768"));
    CHECK(refusal("norm_num_groups", 5) ==
          "[unet] expected block_out_channels that norm_num_groups, 5, divides, got 16 at level 0");
    CHECK(refusal("block_out_channels", json({16, 32})) ==
          "[unet] expected as many down_block_types and up_block_types as block_out_channels, 2, got 3 and 3");
    CHECK(refusal("layers_per_block", 1000000000) == "[unet] expected 1 to 64 layers_per_block, got 1000000000");
    CHECK(refusal("block_out_channels", json({16, 32, 1 << 20})) ==
          "[unet] expected 1 to 16384 channels, got 1048576 at level 2");
    CHECK(refusal("freq_shift", 8) == "[unet] expected freq_shift below half of the first level's channels, got 8");
    CHECK(refusal("layers_per_block", "two") == "[unet] layers_per_block: expected a whole number, got \"two\"");
    CHECK(refusal("norm_num_groups", nullptr) == "[unet] norm_num_groups: expected a whole number, got null");
    CHECK(error_of([] { unet_config_from_json(json::array()); }) == "[unet] the configuration is no JSON object");
}

}    // namespace
}    // namespace lull
