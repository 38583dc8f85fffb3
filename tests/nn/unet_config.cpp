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
    CHECK(unet_config_from_json(json::parse(to_json(config).dump())) == config);
    CHECK(to_json(config)["up_block_types"] == json({"UpBlock2D", "AttnUpBlock2D"}));
    CHECK(to_json(config)["attention_head_dim"].is_null());
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
    CHECK(refusal("downsample_padding", 0) == "[unet] downsample_padding: expected 1, got 0, which lull does not have");
    CHECK(refusal("time_embedding_type", "fourier") ==
          "[unet] time_embedding_type: expected \"positional\", got \"fourier\", which lull does not have");
    CHECK(refusal("down_block_types", json({"SkipDownBlock2D"})) ==
          "[unet] expected DownBlock2D or AttnDownBlock2D, got \"SkipDownBlock2D\"");
    CHECK(refusal("up_block_types", json({"AttnUpBlock2D", "UpBlock2D", "UpBlock2D"})) ==
          "[unet] expected up_block_types to mirror down_block_types, got [\"AttnUpBlock2D\",\"UpBlock2D\",\"UpBlock2D\"] for "
          "[\"DownBlock2D\",\"DownBlock2D\",\"DownBlock2D\"]");
    CHECK(refusal("norm_num_groups", 5) == "[unet] expected channels in 5 groups, got 16 at level 0");
    CHECK(refusal("block_out_channels", json({16, 32})) == "[unet] expected channels and attention for each level, got 2 and 3");
    CHECK(refusal("layers_per_block", 1000000000) == "[unet] expected 1 to 64 layers_per_block, got 1000000000");
    CHECK(refusal("block_out_channels", json({16, 32, 1 << 20})) ==
          "[unet] expected 1 to 16384 channels, got 1048576 at level 2");
    CHECK(refusal("freq_shift", 8) == "[unet] expected freq_shift below half of the first level's channels, got 8");
    CHECK(refusal("layers_per_block", "two").starts_with("[unet] the configuration is not a UNet2DModel's: "));
}

}    // namespace
}    // namespace lull
