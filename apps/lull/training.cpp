#include "apps/lull/training.h"

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/lull/generate.h"
#include "apps/lull/interrupt.h"
#include "apps/lull/labels.h"
#include "apps/lull/model.h"
#include "apps/lull/progress.h"
#include "apps/lull/training_run.h"
#include "diffusion/objective.h"
#include "nn/init.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr auto kCommand = "lull train";

// A denoiser that learns.
class DenoiserRun final : public TrainingRun {
  public:
    explicit DenoiserRun(const TrainSettings& settings)
        : TrainingRun(kCommand, settings.data, settings.low, settings.high),
          settings_(settings.resolved(statistics())),
          model_{config_of(settings_, data(), statistics())},
          unet_(initialised(model_.unet, settings.seed)),
          parameters_(unet_, settings.machine.chosen_device()),
          resident_(data().to(parameters_.device())),
          data_description_(describe(data(), settings_.data)) {}

  private:
    static ModelConfig config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics);
    static UNet initialised(const UNetConfig& config, std::uint64_t seed);

    RunSettings& settings() override { return settings_; }
    Parameters& parameters() override { return parameters_; }
    Tensor loss(Positions positions, std::vector<ImageLosses>& images) override;

    json description() const override {
        return {{"model", to_json(model_)}, {"data", data_description_}, {"training", to_json(settings_)}};
    }
    std::string preset() const override { return settings_.preset; }
    NoiseDistribution noise_distribution() const override { return settings_.noise_distribution(); }
    std::string advice_before_first_step() const override {
        return "before the first step, only --sigma-data, --P-mean, --P-std and the data's range can do this";
    }

    ImageList grid_images() const;
    void draw(const fs::path& path, std::int64_t step) override;
    double seconds_per_picture() override;

    TrainSettings settings_;
    ModelConfig model_;
    UNet unet_;
    Parameters parameters_;
    ImageDataset resident_;    // the data where batches are made
    json data_description_;
};

ModelConfig DenoiserRun::config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics) {
    ModelConfig config{.unet = network_config(settings.network),
                       .preconditioner = settings.preconditioner(statistics),
                       .height = data.pixels.size(1),
                       .width = data.pixels.size(2),
                       .black = data.low,
                       .white = data.high};
    config.unet.in_channels = config.unet.out_channels = static_cast<int>(data.pixels.size(3));
    if (settings.conditional) {
        check_usage(data.labels.defined(), "--conditional", "expected images with classes; ", data.name, " has none");
        config.unet.class_embed = ClassEmbedType::table;
        config.unet.classes = static_cast<int>(data.class_counts().size());
    }
    check_size(data, config.unet.levels());
    return config;
}

UNet DenoiserRun::initialised(const UNetConfig& config, std::uint64_t seed) {
    UNet unet(config);
    initialise_lesson(unet, seed);
    return unet;
}

Tensor DenoiserRun::loss(Positions positions, std::vector<ImageLosses>& images) {
    const TrainingStream stream{.seed = settings_.seed, .flip = settings_.flip};
    const Batch batch = stream.batch(resident_, positions);
    const Network network = network_of(unet_, settings_.precision, settings_.conditional ? batch.labels : Tensor());
    const DenoisingLoss result =
        denoising_loss(network, model_.preconditioner, batch.images, settings_.noise_distribution(), settings_.seed, positions);
    images.push_back({result.sigma, result.per_image});
    return result.loss;
}

ImageList DenoiserRun::grid_images() const {
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(settings_.sample_count));
    std::iota(seeds.begin(), seeds.end(), 0);
    return {seeds, classes_in_turn(seeds, model_.unet.classes)};
}

void DenoiserRun::draw(const fs::path& path, std::int64_t step) {
    const ImageList list = grid_images();
    const Model averaged{model_, parameters_.averaged(unet_)};
    const SamplingPlan plan{.choice = {}, .device = parameters_.device()};
    // A stopped run draws it when it goes on; after the last step nothing would.
    const Tensor images = generate(std::bind_front(&Model::denoiser, &averaged), model_.image(), list, plan, settings_.batch,
                                   [&](const SamplerState&) { return step == settings_.steps || !interrupted(); });
    if (!images.defined()) return;

    auto text = lull::describe(plan, list);
    text["Training steps"] = std::to_string(step);
    text["Model SHA-256"] = model_hash(averaged);    // as of a checkpoint of this step
    text["Weights"] = "ema";
    write_grid(path, images, model_.black, model_.white, text, 2);
}

// What a short schedule takes, for as many calls of the network as the whole one has.
double DenoiserRun::seconds_per_picture() {
    const Model averaged{model_, parameters_.averaged(unet_)};
    const SamplingPlan plan, short_plan{.choice = {}, .steps = 2, .device = parameters_.device()};
    const auto calls = [](const SamplingPlan& p) { return 2.0 * p.steps - 1; };    // Heun's: two per step, one in the last
    double seconds = 0;
    for (int i = 0; i < 2; ++i) {    // the first one fills the arena
        const Progress stopwatch(std::cerr, ProgressStyle::silent, "", 0);
        generate(std::bind_front(&Model::denoiser, &averaged), model_.image(), grid_images(), short_plan, settings_.batch);
        seconds = stopwatch.seconds();
    }
    return seconds * calls(plan) / calls(short_plan);
}

void check_settings(const TrainSettings& s) {
    network_config(s.network.empty() ? s.preset : s.network);
    check_usage(s.low < s.high, "--range-low", "expected less than --range-high ", s.high, ", got ", s.low);
}

}    // namespace

std::string plan_training(const TrainSettings& settings) {
    settings.machine.apply();
    check_settings(settings);
    const InterruptGuard guard;
    return DenoiserRun(settings).plan();
}

fs::path train_model(const TrainSettings& settings) {
    settings.machine.apply();
    check_settings(settings);    // before the data is read
    const InterruptGuard guard;
    return DenoiserRun(settings).start();
}

void resume_training(const fs::path& run, const TrainSettings& settings) {
    resume_run(run, "model", settings.machine, [&](const json& config) {
        TrainSettings original = train_settings_from_json(config.at("training"));
        keep_settings(original, settings, config, run);
        DenoiserRun(original).resume(run, config);
    });
}

}    // namespace lull
