// What a training run writes down about its steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "apps/lull/loss_plot.h"
#include "apps/lull/sigma_loss.h"
#include "nn/trainer.h"

namespace lull {

// log.jsonl and loss.png of a run. The log has a JSON object per line: the time when the run starts or goes on, then one
// for each step, written as soon as it is made. Every kSigmaInterval steps, and at the last, the object also has the mean
// loss by noise level of the images since: "sigma_loss": {"images": […], "loss": […]}, one number per bucket, whose σ bounds
// stand in the line of the start. Throws Error when a file cannot be written.
class TrainingLog {
  public:
    static constexpr std::int64_t kSigmaInterval = 20;

    // A run's first start.
    TrainingLog(const std::filesystem::path& folder, const NoiseDistribution& distribution);
    // A run that goes on after `steps_made` steps: what the folder's log says about later ones is dropped.
    // position: of that moment. Throws nlohmann::json::exception when it is none of these.
    TrainingLog(const std::filesystem::path& folder, const NoiseDistribution& distribution, std::int64_t steps_made,
                const nlohmann::json& position);

    // images: those of the step, with their losses.
    void add(const TrainedStep& step, std::span<const ImageLoss> images);
    void draw() const;

    // What a run that goes on from here needs besides the lines: the losses by noise level since the last that tells them.
    nlohmann::json position() const;

    double smoothed_loss() const;         // apps/lull/loss_plot.h
    double samples_per_second() const;    // over the last steps, without hooks

  private:
    void keep_lines(std::int64_t last_step);
    void start(std::int64_t steps_made);
    void write(const nlohmann::ordered_json& object);

    std::filesystem::path folder_, path_;
    std::ofstream file_;
    SigmaBuckets buckets_;
    std::vector<double> losses_;
    std::vector<SigmaRecord> by_sigma_;
    SigmaMeans since_;                               // the last of by_sigma_
    double seconds_per_sample_ = 0, seconds_ = 0;    // seconds_: of training, all in all
};

}    // namespace lull
