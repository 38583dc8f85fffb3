// What a training run writes down about its steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "nn/trainer.h"

namespace lull {

// A file of JSON objects, one per line, each on disk as soon as it is written. Throws Error when it cannot be.
class JsonLines {
  public:
    explicit JsonLines(const std::filesystem::path& path);
    void write(const nlohmann::json& object);

  private:
    std::filesystem::path path_;
    std::ofstream file_;
};

// log.jsonl and loss.png of a run: a first line with the time and what the caller says, then one per step.
class TrainingLog {
  public:
    static constexpr std::size_t kWindow = 100;    // steps that the smoothed loss is the mean of

    TrainingLog(const std::filesystem::path& folder, nlohmann::json first_line);
    void add(const TrainedStep& step);
    void draw() const;

    double smoothed_loss() const;
    double samples_per_second() const;    // over the last steps, without hooks

  private:
    std::filesystem::path folder_;
    JsonLines lines_;
    std::vector<double> losses_;
    double seconds_per_sample_ = 0, seconds_ = 0;
};

}    // namespace lull
