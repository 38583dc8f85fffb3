// The settings that every training run has, whatever it trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "apps/lull/data_options.h"
#include "apps/lull/options.h"
#include "nn/trainer.h"

namespace lull {

struct RunSettings {
    DataOptions data;
    std::filesystem::path outdir;    // empty: runs/DATA-PRESET-NNN
    std::int64_t steps = 1300;
    double epochs = 0;     // > 0: as many steps as go so often through the data, instead of `steps`
    double minutes = 0;    // > 0: as many steps as fit, instead of either
    std::int64_t batch = 64, accumulate = 1;
    double learning_rate = 4e-3;
    double eps = 1e-5, beta2 = 0.99, weight_decay = 0;
    double clip = 1;
    double ema = 0.999;
    std::uint64_t seed = 0;
    std::int64_t sample_every = 0;    // steps between pictures; 0: a round number that gives five to twelve of them
    std::int64_t sample_count = 16;
    std::int64_t save_every = 0;    // steps; 0: as sample_every, at most 1000
    std::int64_t keep = 0;          // how many numbered checkpoints stay
    std::int64_t stop_after = 0;    // steps, 0: all of them; the rest is for a resumed run
    MachineOptions machine;
    std::function<void(const TrainedStep&)> on_step;    // besides log and progress; may throw to end the run
};

// Those that decide a run's numbers: all of the above but data, outdir, epochs, minutes, stop_after, machine and on_step. Reading
// throws nlohmann::json::exception when one is missing.
nlohmann::json to_json(const RunSettings& settings);
void read_json(const nlohmann::json& json, RunSettings& settings);

// 1, 2 or 5 times a power of ten, at most a fifth of steps, at least 1.
std::int64_t round_interval(std::int64_t steps);

}    // namespace lull
