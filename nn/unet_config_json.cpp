// A U-Net's configuration as diffusers' config.json. The names and defaults are those of diffusers.UNet2DModel.
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "engine/did_you_mean.h"
#include "engine/error.h"
#include "nn/unet_config.h"

namespace lull {

using nlohmann::json;

namespace {

template <class E>
using Names = std::vector<std::pair<const char*, E>>;

const Names<ActFn> kActFns{{"silu", ActFn::silu}, {"swish", ActFn::silu}, {"relu", ActFn::relu}, {"mish", ActFn::mish}};
const Names<TimeEmbeddingType> kTimeEmbeddings{{"positional", TimeEmbeddingType::positional},
                                               {"fourier", TimeEmbeddingType::fourier}};
const Names<bool> kResampling{{"conv", false}, {"resnet", true}};
const Names<bool> kScaleShift{{"default", false}, {"scale_shift", true}};
const Names<ClassEmbedType> kClassEmbeddings{{"timestep", ClassEmbedType::timestep}, {"identity", ClassEmbedType::identity}};
const Names<bool> kDownBlocks{{"DownBlock2D", false}, {"AttnDownBlock2D", true}};
const Names<bool> kUpBlocks{{"UpBlock2D", false}, {"AttnUpBlock2D", true}};

template <class E>
const char* name_of(const Names<E>& names, E value) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.second == value; });
    return found->first;
}

// The settings of one configuration, taken one by one.
class Settings {
  public:
    explicit Settings(const json& all) : all_(all) { check(all.is_object(), "unet", "the configuration is no JSON object"); }

    json take(const char* key, json by_default) {
        known_.emplace_back(key);
        return all_.value(key, std::move(by_default));
    }
    int whole(const char* key, const json& by_default) { return as_whole(key, take(key, by_default)); }
    int whole_or_null(const char* key, const json& by_default) {    // null: 0
        const json value = take(key, by_default);
        expect(value != 0, key, "a whole number above 0, or null", value);
        return value.is_null() ? 0 : as_whole(key, value);
    }
    double number(const char* key, double by_default) {
        const json value = take(key, by_default);
        expect(value.is_number(), key, "a number", value);
        return value;
    }
    bool flag(const char* key, bool by_default) {
        const json value = take(key, by_default);
        expect(value.is_boolean(), key, "true or false", value);
        return value;
    }
    std::vector<int> wholes(const char* key, const json& by_default) {
        const json value = take(key, by_default);
        expect(value.is_array(), key, "a list", value);
        std::vector<int> list;
        for (const json& element : value) list.push_back(as_whole(key, element));
        return list;
    }
    template <class E>
    E choice(const char* key, const Names<E>& names, const json& by_default) {
        return as_choice(key, names, take(key, by_default));
    }
    // A list of block types; "UNetRes" before a name is an old spelling.
    std::vector<bool> blocks(const char* key, const Names<bool>& names, const json& by_default) {
        constexpr std::string_view kOld = "UNetRes";
        const json value = take(key, by_default);
        expect(value.is_array(), key, "a list", value);
        std::vector<bool> list;
        for (json type : value) {
            if (type.is_string() && type.get<std::string>().starts_with(kOld)) type = type.get<std::string>().substr(kOld.size());
            list.push_back(as_choice(key, names, type));
        }
        return list;
    }

    template <class E>
    static E as_choice(const char* key, const Names<E>& names, const json& value) {
        for (const auto& [name, choice] : names)
            if (value == name) return choice;
        std::string wanted;
        for (std::size_t i = 0; i < names.size(); ++i)
            wanted += std::string(i == 0 ? "" : i + 1 < names.size() ? ", " : " or ") + names[i].first;
        fail("unet", key, ": expected ", wanted, ", got ", value);
    }
    static void expect(bool condition, const char* key, const char* wanted, const json& got) {
        check(condition, "unet", key, ": expected ", wanted, ", got ", got);
    }

    // Throws Error when a setting is left that nothing took. Names that start with _ are remarks.
    void check_all_known() const {
        for (const auto& [key, value] : all_.items()) {
            if (key.starts_with('_') || std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
            const std::string_view nearest = nearest_name(key, known_);
            fail("unet", "unknown setting '", key, "': ", value,
                 nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?");
        }
    }

  private:
    static int as_whole(const char* key, const json& value) {
        const bool whole = value.is_number_integer() && value >= -1'000'000'000 && value <= 1'000'000'000;
        expect(whole, key, "a whole number", value);
        return value;
    }

    const json& all_;
    std::vector<std::string_view> known_;
};

// What says nothing about the network: its images' size, the steps of a schedule, and what diffusers' EMAModel leaves.
constexpr std::array kIrrelevant{"sample_size", "num_train_timesteps", "decay",          "inv_gamma",        "min_decay",
                                 "power",       "optimization_step",   "use_ema_warmup", "update_after_step"};

void read_blocks(Settings& settings, UNetConfig& config) {
    config.channels = settings.wholes("block_out_channels", {224, 448, 672, 896});
    config.attention = settings.blocks("down_block_types", kDownBlocks,
                                       {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"});
    config.up_attention =
        settings.blocks("up_block_types", kUpBlocks, {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"});
    check(config.channels.size() == config.attention.size() && config.channels.size() == config.up_attention.size(), "unet",
          "expected as many down_block_types and up_block_types as block_out_channels, ", config.channels.size(), ", got ",
          config.attention.size(), " and ", config.up_attention.size());
    std::reverse(config.up_attention.begin(), config.up_attention.end());
    if (config.up_attention == config.attention) config.up_attention.clear();

    const json middle = settings.take("mid_block_type", "UNetMidBlock2D");
    Settings::expect(middle.is_null() || middle == "UNetMidBlock2D", "mid_block_type", "UNetMidBlock2D or null", middle);
    config.mid_block = !middle.is_null();
    // null is diffusers' other word for conv.
    const auto resampling = [&](const char* key) {
        const json value = settings.take(key, "conv");
        return !value.is_null() && Settings::as_choice(key, kResampling, value);
    };
    config.resnet_downsample = resampling("downsample_type");
    config.resnet_upsample = resampling("upsample_type");
}

void read_embeddings(Settings& settings, UNetConfig& config) {
    config.time_embedding = settings.choice("time_embedding_type", kTimeEmbeddings, "positional");
    config.time_embedding_dim = settings.whole_or_null("time_embedding_dim", nullptr);
    config.flip_sin_to_cos = settings.flag("flip_sin_to_cos", true);
    config.freq_shift = settings.number("freq_shift", 0);
    const int classes = settings.whole_or_null("num_class_embeds", nullptr);
    const json kind = settings.take("class_embed_type", nullptr);
    if (!kind.is_null()) {
        config.class_embed = Settings::as_choice("class_embed_type", kClassEmbeddings, kind);
    } else if (classes > 0) {
        config.class_embed = ClassEmbedType::table;
        config.classes = classes;
    }
    Settings::expect(classes >= 0, "num_class_embeds", "a number of classes or null", classes);
}

}    // namespace

UNetConfig unet_config_from_json(const json& all) {
    Settings settings(all);
    const json type = all.value("_class_name", json("UNet2DModel"));
    check(type == "UNet2DModel", "unet", "_class_name: expected UNet2DModel, got ", type);
    UNetConfig config;
    read_blocks(settings, config);
    read_embeddings(settings, config);
    config.in_channels = settings.whole("in_channels", 3);
    config.out_channels = settings.whole("out_channels", 3);
    config.mid_attention = settings.flag("add_attention", true);
    config.layers_per_block = settings.whole("layers_per_block", 2);
    config.head_dim = settings.whole_or_null("attention_head_dim", 8);
    config.groups = settings.whole("norm_num_groups", 32);
    config.mid_attention_groups = settings.whole_or_null("attn_norm_num_groups", nullptr);
    config.norm_eps = settings.number("norm_eps", 1e-5);
    config.act_fn = settings.choice("act_fn", kActFns, "silu");
    config.scale_shift = settings.choice("resnet_time_scale_shift", kScaleShift, "default");
    config.mid_block_scale_factor = settings.number("mid_block_scale_factor", 1);
    config.downsample_padding = settings.whole("downsample_padding", 1);
    config.dropout = settings.number("dropout", 0);
    config.center_input_sample = settings.flag("center_input_sample", false);
    for (const char* key : kIrrelevant) settings.take(key, nullptr);
    settings.check_all_known();
    config.validate();
    return config;
}

json to_json(const UNetConfig& config) {
    json down = json::array(), up = json::array();
    for (int level = 0; level < config.levels(); ++level) {
        down.push_back(name_of(kDownBlocks, config.attention_at(level)));
        up.push_back(name_of(kUpBlocks, config.up_attention_at(config.levels() - 1 - level)));
    }
    const auto or_null = [](int value) { return value == 0 ? json() : json(value); };
    const bool labelled = config.class_embed == ClassEmbedType::timestep || config.class_embed == ClassEmbedType::identity;
    return {
        {"_class_name", "UNet2DModel"},
        {"in_channels", config.in_channels},
        {"out_channels", config.out_channels},
        {"block_out_channels", config.channels},
        {"down_block_types", down},
        {"up_block_types", up},
        {"mid_block_type", config.mid_block ? json("UNetMidBlock2D") : json()},
        {"add_attention", config.mid_attention},
        {"layers_per_block", config.layers_per_block},
        {"attention_head_dim", or_null(config.head_dim)},
        {"norm_num_groups", config.groups},
        {"attn_norm_num_groups", or_null(config.mid_attention_groups)},
        {"norm_eps", config.norm_eps},
        {"act_fn", name_of(kActFns, config.act_fn)},
        {"resnet_time_scale_shift", name_of(kScaleShift, config.scale_shift)},
        {"mid_block_scale_factor", config.mid_block_scale_factor},
        {"downsample_padding", config.downsample_padding},
        {"downsample_type", name_of(kResampling, config.resnet_downsample)},
        {"upsample_type", name_of(kResampling, config.resnet_upsample)},
        {"dropout", config.dropout},
        {"center_input_sample", config.center_input_sample},
        {"time_embedding_type", name_of(kTimeEmbeddings, config.time_embedding)},
        {"time_embedding_dim", or_null(config.time_embedding_dim)},
        {"flip_sin_to_cos", config.flip_sin_to_cos},
        {"freq_shift", config.freq_shift},
        {"class_embed_type", labelled ? json(name_of(kClassEmbeddings, config.class_embed)) : json()},
        {"num_class_embeds", or_null(config.classes)},
    };
}

}    // namespace lull
