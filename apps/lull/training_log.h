// What a training run writes down about its steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "nn/trainer.h"

namespace lull {

// log.jsonl and loss.png of a run. The log has a JSON object per line: the time when the run starts or goes on, then one
// for each step, written as soon as it is made. Throws Error when a file cannot be written.
class TrainingLog {
  public:
    // first_step: how many steps are made already; what the folder's log says about later ones is dropped.
    TrainingLog(const std::filesystem::path& folder, std::int64_t first_step);
    void add(const TrainedStep& step);
    void draw() const;

    double smoothed_loss() const;         // apps/lull/loss_plot.h
    double samples_per_second() const;    // over the last steps, without hooks

  private:
    void keep_lines(std::int64_t last_step);
    void write(const nlohmann::ordered_json& object);

    std::filesystem::path folder_, path_;
    std::ofstream file_;
    std::vector<double> losses_;
    double seconds_per_sample_ = 0, seconds_ = 0;    // seconds_: of training, all in all
};

}    // namespace lull
