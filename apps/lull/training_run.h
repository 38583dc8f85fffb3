// A training run in its folder, whatever it trains: its length, log, checkpoints, pictures and end, and how it goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/lull/run_folder.h"
#include "apps/lull/run_settings.h"
#include "apps/lull/training_log.h"
#include "nn/checkpoint.h"
#include "nn/trainer.h"

namespace lull {

// What lull train and lull noise-level train have in common; the subclass says what is learnt. All that it is asked for here
// must hold from when its constructor ends, so that the base can be used then.
class TrainingRun {
  public:
    virtual ~TrainingRun() = default;
    TrainingRun(const TrainingRun&) = delete;
    TrainingRun& operator=(const TrainingRun&) = delete;

    // Trains, and returns the run's folder. A run that fails before its first step leaves none.
    std::filesystem::path start();
    // What start would do, as a settings file with comments.
    std::string plan();
    // Goes on from the state that is saved in the folder; config: the description in its checkpoint.
    void resume(const std::filesystem::path& folder, const nlohmann::json& config);

  protected:
    // Reads the data, and scales it to [low, high]. command: "lull train", to which --resume RUN and --config FILE can be said.
    TrainingRun(std::string command, const DataOptions& data, double low = -1, double high = 1);

    // What is learnt. Settings that depend on others are resolved by start, plan and resume.
    virtual RunSettings& settings() = 0;
    virtual Parameters& parameters() = 0;
    // The loss of a batch, and in images what it was made of: each image's σ and own loss, as tensors, for which nobody waits
    // before the step is made.
    virtual Tensor loss(Positions positions, std::vector<ImageLosses>& images) = 0;

    // What others are told: the checkpoint's description ("model" or another key, "data", "training"), "s16", the σ that training
    // draws, and what may help when the very first loss is not finite.
    virtual nlohmann::json description() const = 0;
    virtual std::string preset() const = 0;
    virtual NoiseDistribution noise_distribution() const = 0;
    virtual std::string advice_before_first_step() const = 0;

    // What the averaged weights can do by now, into a PNG file; nothing when the user has stopped the run. And how long it takes.
    virtual void draw(const std::filesystem::path& path, std::int64_t step) = 0;
    virtual double seconds_per_picture() = 0;

    const ImageDataset& data() const { return data_; }
    const Statistics& statistics() const { return statistics_; }

  private:
    AdamW make_optimizer();
    TrainerOptions trainer_options(std::int64_t first_step);
    void resolve_steps();
    std::string name() const { return file_name_of(data_) + "-" + preset(); }    // of its folder
    void train(AdamW& optimizer, TrainingLog& log, std::int64_t first_step);
    void check_not_interrupted() const;
    std::string summary();
    std::string config_file();
    nlohmann::json identity() const;
    std::string what_is_kept() const;
    std::string how_to_resume();
    void save(std::int64_t step, const AdamW& optimizer, const TrainingLog& log);
    void save_checkpoint_of(std::int64_t step);
    std::filesystem::path picture_path(std::int64_t step) const;

    std::string command_;
    std::vector<std::string> notes_;    // on the data
    ImageDataset data_;
    Statistics statistics_;
    std::filesystem::path folder_;
    std::vector<ImageLosses> images_;    // of the step that is being made
    std::int64_t made_ = 0;              // steps; and those of the checkpoint and of the training state on the disk:
    std::int64_t checkpoint_ = 0, saved_ = 0;
};

// Reads what --resume needs and hands it to `run`, which makes the subclass and calls its resume: the run's folder is locked
// meanwhile. part: the description's key that this kind of run has ("model"). Throws Error when the folder holds no run of that
// kind, or is incomplete.
void resume_run(const std::filesystem::path& folder, const std::string& part, const MachineOptions& machine,
                const std::function<void(const nlohmann::json& config)>& run);

// The settings with which a run goes on: its own, and of those that are given now the data's place, stop_after, machine and
// on_step. config: the description in its checkpoint.
void keep_settings(RunSettings& original, const RunSettings& now, const nlohmann::json& config, const std::filesystem::path& run);

}    // namespace lull
