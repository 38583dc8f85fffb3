// The settings of a training run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "apps/lull/data_options.h"
#include "apps/lull/options.h"
#include "diffusion/sigmas.h"
#include "engine/dtype.h"
#include "nn/trainer.h"
#include "nn/unet_config.h"

namespace lull {

struct TrainSettings {
    std::string preset = "s16";
    DataOptions data;
    std::filesystem::path outdir;    // empty: runs/DATA-PRESET-NNN
    std::int64_t steps = 1300;
    double minutes = 0;    // > 0: as many steps as fit, instead of `steps`
    std::int64_t batch = 64, accumulate = 1;
    double learning_rate = 4e-3;
    double eps = 1e-5, beta2 = 0.99, weight_decay = 0;
    double clip = 1;
    DType precision = DType::f32;    // or bf16: what the network computes in; weights, loss and optimizer are f32 in either case
    double ema = 0.999;
    LogNormal noise_level;    // P_mean, P_std
    double sigma_data = 0;    // 0: the data's standard deviation
    bool center = false;      // take the data's mean out of what the network sees
    bool flip = false;
    bool conditional = false;    // the network is told the images' classes
    std::uint64_t seed = 0;
    std::int64_t sample_every = 0;    // steps; 0: a round number that gives five to twelve grids
    std::int64_t save_every = 0;      // steps; 0: as sample_every, at most 1000
    std::int64_t keep = 0;            // how many numbered checkpoints stay
    std::int64_t stop_after = 0;      // steps, 0: all of them; the rest is for a resumed run
    std::int64_t sample_count = 16;
    MachineOptions machine;
    std::function<void(const TrainedStep&)> on_step;    // besides log and progress; may throw to end the run
};

// What decides a run's numbers: all of the above but data, outdir, minutes, stop_after, machine and on_step. Reading throws
// Error, naming what is missing.
nlohmann::json to_json(const TrainSettings& settings);
TrainSettings train_settings_from_json(const nlohmann::json& json);

std::span<const std::string_view> preset_names();

// "s16", "m32", or "tiny": two levels of 8 and 16 channels, for trying things out. Throws UsageError for another.
UNetConfig model_preset(const std::string& name);

// 1, 2 or 5 times a power of ten, at most a fifth of steps, at least 1.
std::int64_t round_interval(std::int64_t steps);

}    // namespace lull
