#include "nn/diffusers.h"

#include <doctest/doctest.h>

#include "engine/random.h"
#include "nn/init.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using nlohmann::json;
using test::error_of;

UNet attentive_unet() {
    UNet unet({.channels = {4, 8}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 4, .groups = 2});
    initialise_pytorch(unet, 3);
    return unet;
}

void check_same_weights(const UNet& a, const UNet& b) {
    const std::vector<NamedTensor> ours = parameters_of(a), theirs = parameters_of(b);
    REQUIRE(ours.size() == theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        CAPTURE(ours[i].name);
        CHECK(ours[i].name == theirs[i].name);
        CHECK(test::same_bits(ours[i].tensor, theirs[i].tensor));
    }
}

TEST_CASE("a U-Net comes back from diffusers' folder as it was") {
    const test::TemporaryFolder folder;
    const UNet unet = attentive_unet();
    write_diffusers(folder / "out", unet, 8, 12, {{"remark", "mine"}});
    const Checkpoint read = read_diffusers(folder / "out" / kDiffusersWeights);
    CHECK(unet_config_from_json(read.config) == unet.config);
    CHECK(read.config.at("sample_size") == json({8, 12}));
    CHECK(read_checkpoint(folder / "out" / kDiffusersWeights).config == json({{"remark", "mine"}}));
    UNet again(unet.config);
    load_all_weights(again, read);
    check_same_weights(again, unet);
    CHECK(folder.files() == 1);    // nothing temporary is left
}

TEST_CASE("the folder is made whole or not at all, and never over what is there") {
    const test::TemporaryFolder folder;
    const UNet unet = attentive_unet();
    const std::filesystem::path out = folder / "out";
    std::filesystem::create_directory(out);
    write_diffusers(out, unet, 8, 8, {});    // an empty folder is no loss
    CHECK(error_of([&] { write_diffusers(out, unet, 8, 8, {}); }) ==
          out.string() + ": exists and is not empty; choose another folder");
    CHECK(error_of([&] { write_diffusers(out / "config.json", unet, 8, 8, {}); }) ==
          (out / "config.json").string() + ": is no folder");
    CHECK(error_of([&] {
              write_diffusers(out / "config.json" / "deeper", unet, 8, 8, {});
          }).starts_with((out / "config.json").string() + ": "));
    std::filesystem::create_directory(folder / "linked");
    std::filesystem::create_symlink("linked", folder / "link");
    write_diffusers(folder / "link", unet, 8, 8, {});
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(std::filesystem::exists(folder / "linked" / kDiffusersConfig));
    std::filesystem::remove_all(folder / "linked");
    CHECK(error_of([&] { write_diffusers(folder / "link", unet, 8, 8, {}); }) ==
          (folder / "link").string() + ": is a link to what is not there");
    std::filesystem::remove(folder / "link");
    const std::filesystem::path failed = folder / "failed";
    CHECK_THROWS_AS(write_diffusers(failed, unet, 8, 8, "\xff is not UTF-8"), std::exception);
    CHECK(!std::filesystem::exists(failed));
    CHECK(folder.files() == 1);
}

TEST_CASE("attention under its old names is the same attention") {
    const test::TemporaryFolder folder;
    const UNet unet = attentive_unet();
    write_diffusers(folder / "out", unet, 8, 8, {});
    const std::filesystem::path weights = folder / "out" / kDiffusersWeights;
    SafetensorsFile old;
    for (auto& [name, tensor] : load_safetensors(weights).tensors) {
        std::string old_name = name;
        for (const auto& [today, then] : {std::pair(".to_q.", ".query."), std::pair(".to_k.", ".key."),
                                          std::pair(".to_v.", ".value."), std::pair(".to_out.0.", ".proj_attn.")}) {
            const std::size_t at = name.find(today);
            if (at != name.npos) old_name.replace(at, std::string(today).size(), then);
        }
        old.tensors[old_name] = tensor;
    }
    CHECK(old.tensors.contains("mid_block.attentions.0.proj_attn.weight"));
    save_safetensors(weights, old);
    UNet again(unet.config);
    load_all_weights(again, read_diffusers(weights));
    check_same_weights(again, unet);

    old.tensors["mid_block.attentions.0.to_q.bias"] = old.tensors.at("mid_block.attentions.0.query.bias");
    save_safetensors(weights, old);
    CHECK(error_of([&] { read_diffusers(weights); }) ==
          weights.string() + ": holds 'mid_block.attentions.0.to_q.bias' under its old name, too");
}

TEST_CASE("weights that are not the configuration's are refused") {
    const test::TemporaryFolder folder;
    const UNet unet = attentive_unet();
    write_diffusers(folder / "out", unet, 8, 8, {});
    const Checkpoint read = read_diffusers(folder / "out" / kDiffusersWeights);
    UNetConfig config = unet.config;
    config.mid_attention = false;
    UNet without(config);
    CHECK(
        error_of([&] { load_all_weights(without, read); }) ==
        "[checkpoint] the file holds 'mid_block.attentions.0.group_norm.bias', for which the network that config.json describes "
        "has no place");
    config.mid_attention = true;
    config.layers_per_block = 2;
    UNet deeper(config);
    CHECK(error_of([&] { load_all_weights(deeper, read); }) ==
          "[checkpoint] there is no tensor 'down_blocks.0.resnets.1.norm1.weight'");
    test::write_bytes(folder / "out" / kDiffusersConfig, "{ \"in_channels\": ");
    CHECK(error_of([&] { read_diffusers(folder / "out" / kDiffusersWeights); }) ==
          (folder / "out" / kDiffusersConfig).string() + ": is no JSON object, as diffusers writes it");
    std::filesystem::remove(folder / "out" / kDiffusersConfig);
    CHECK(error_of([&] { read_diffusers(folder / "out" / kDiffusersWeights); }) ==
          (folder / "out" / kDiffusersConfig).string() + ": no such file; diffusers keeps a model's description there");
}

}    // namespace
}    // namespace lull
