#include "apps/lull/predictor_training.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/lull/interrupt.h"
#include "apps/lull/predictor.h"
#include "apps/lull/predictor_plot.h"
#include "apps/lull/progress.h"
#include "apps/lull/training_run.h"
#include "diffusion/objective.h"
#include "engine/autograd.h"
#include "engine/io/png.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/mse/mse.h"
#include "nn/init.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

PredictorSettings resolved(PredictorSettings settings) {
    const double half = settings.task.target == LevelTarget::ln_sigma ? 1 : 0.5;
    settings.low = settings.low.value_or(-half);
    settings.high = settings.high.value_or(half);
    check_usage(*settings.low < *settings.high, "--range-low", "expected less than the range's high end ", *settings.high,
                ", got ", *settings.low);
    return settings;
}

// A predictor that learns. settings: resolved.
class PredictorRun final : public TrainingRun {
  public:
    explicit PredictorRun(const PredictorSettings& settings)
        : TrainingRun("lull noise-level train", settings.data, *settings.low, *settings.high),
          settings_(settings),
          config_{.resnet = predictor_network(settings.preset, image_of(data())),
                  .task = settings.task,
                  .black = *settings.low,
                  .white = *settings.high},
          net_(initialised(config_.resnet, settings.seed)),
          parameters_(net_, settings.machine.chosen_device()),
          resident_(data().to(parameters_.device())),
          data_description_(describe(data(), settings_.data)) {}

  private:
    static Shape image_of(const ImageDataset& data) { return {data.pixels.size(1), data.pixels.size(2), data.pixels.size(3)}; }
    static ResNet initialised(const ResNetConfig& config, std::uint64_t seed);

    RunSettings& settings() override { return settings_; }
    Parameters& parameters() override { return parameters_; }
    Tensor loss(Positions positions, std::vector<ImageLosses>& images) override;

    json description() const override {
        return {{kPredictorPart, to_json(config_)}, {"data", data_description_}, {"training", to_json(settings_)}};
    }
    std::string preset() const override {
        return settings_.preset == "lesson" ? "noise-level" : "noise-level-" + settings_.preset;
    }
    NoiseDistribution noise_distribution() const override { return settings_.task.distribution(); }
    std::string advice_before_first_step() const override { return "the data's range may be far too large"; }

    void draw(const fs::path& path, std::int64_t step) override;
    double seconds_per_picture() override;

    PredictorSettings settings_;
    PredictorConfig config_;
    ResNet net_;
    Parameters parameters_;
    ImageDataset resident_;    // the data where batches are made
    json data_description_;
};

ResNet PredictorRun::initialised(const ResNetConfig& config, std::uint64_t seed) {
    ResNet net(config);
    initialise_he(net, seed);
    return net;
}

Tensor PredictorRun::loss(Positions positions, std::vector<ImageLosses>& images) {
    const TrainingStream stream{.seed = settings_.seed, .flip = settings_.flip};
    const Tensor y = stream.batch(resident_, positions).images;
    const auto [x, sigma, n] = add_noise(y, config_.task.distribution(), settings_.seed, positions);
    const Tensor answers = net_.train(config_.task.input(x, sigma), dropout_streams(settings_.seed, positions));
    const Tensor wanted = config_.task.answer(sigma);

    images.push_back({sigma, sq(answers.detach() - wanted)});
    return mse(answers, wanted);
}

void PredictorRun::draw(const fs::path& path, std::int64_t step) try {
    const LevelAnswers answers = ask(config_, parameters_.averaged(net_), data(), settings_.sample_count, settings_.seed);
    write_png(path, {plot_levels(config_.task, answers),
                     {{"Software", "lull " LULL_VERSION}, {"Training steps", std::to_string(step)}, {"Weights", "ema"}}});
} catch (const Interrupted&) {}    // a stopped run draws it when it goes on

double PredictorRun::seconds_per_picture() {
    const Progress stopwatch(std::cerr, ProgressStyle::silent, "", 0);
    plot_levels(config_.task, ask(config_, parameters_.averaged(net_), data(), settings_.sample_count, settings_.seed));
    return stopwatch.seconds();
}

}    // namespace

std::string plan_predictor(const PredictorSettings& settings) {
    settings.machine.apply();
    const InterruptGuard guard;
    return PredictorRun(resolved(settings)).plan();
}

fs::path train_predictor(const PredictorSettings& settings) {
    settings.machine.apply();
    const InterruptGuard guard;
    return PredictorRun(resolved(settings)).start();
}

void resume_predictor(const fs::path& run, const PredictorSettings& settings) {
    resume_run(run, kPredictorPart, settings.machine, [&](const json& config) {
        PredictorSettings original = predictor_settings_from_json(config.at("training"));
        keep_settings(original, settings, config, run);
        PredictorRun(original).resume(run, config);
    });
}

}    // namespace lull
