#include "apps/lull/training.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "apps/lull/generate.h"
#include "apps/lull/model.h"
#include "apps/lull/progress.h"
#include "apps/lull/run_folder.h"
#include "apps/lull/training_log.h"
#include "diffusion/objective.h"
#include "engine/did_you_mean.h"
#include "engine/io/file.h"
#include "engine/threads.h"
#include "nn/data/fashion_mnist.h"
#include "nn/init.h"
#include "nn/trainer.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json describe(const TrainSettings& s) {
    return {{"preset", s.preset},
            {"steps", s.steps},
            {"batch", s.batch},
            {"accumulate", s.accumulate},
            {"lr", s.learning_rate},
            {"schedule", "one_cycle"},
            {"optimizer", "adamw"},
            {"eps", s.eps},
            {"beta2", s.beta2},
            {"weight_decay", s.weight_decay},
            {"clip", s.clip},
            {"ema", s.ema},
            {"P_mean", s.noise_level.mean},
            {"P_std", s.noise_level.std},
            {"xflip", s.flip},
            {"seed", s.seed},
            {"sample_every", s.sample_every},
            {"sample_count", s.sample_count}};
}

json describe(const ImageDataset& data, const Statistics& statistics) {
    return {{"name", data.name},
            {"images", data.size()},
            {"range", {data.low, data.high}},
            {"mean", statistics.mean},
            {"std", statistics.std}};
}

void write_text(const fs::path& path, const std::string& text) {
    AtomicFile file(path);
    file.write(text.data(), text.size());
    file.commit();
}

// Model, optimizer and data of a run, and what happens at its steps.
class Run {
  public:
    explicit Run(const TrainSettings& settings)
        : settings_(settings),
          data_(fashion_mnist(Split::train, settings.data)),
          statistics_(data_.statistics()),
          model_{config_of(settings, data_, statistics_)},
          unet_(initialised(model_.unet, settings.seed)),
          parameters_(unet_),
          optimizer_(
              {.beta2 = settings.beta2, .eps = settings.eps, .weight_decay = settings.weight_decay, .max_norm = settings.clip}) {}

    fs::path train();

  private:
    static ModelConfig config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics);
    static UNet initialised(const UNetConfig& config, std::uint64_t seed);

    Tensor loss(Positions positions) const;
    TrainerOptions trainer_options() const;
    void resolve_steps(Progress& notes);
    void save(const TrainedStep& step) const;
    void draw_samples(const TrainedStep& step) const;

    TrainSettings settings_;
    ImageDataset data_;
    Statistics statistics_;
    ModelConfig model_;
    UNet unet_;
    Parameters parameters_;
    AdamW optimizer_;
    fs::path folder_;
    json description_;    // of the checkpoint: everything that its numbers depend on, and no more
};

ModelConfig Run::config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics) {
    ModelConfig config{.unet = model_preset(settings.preset),
                       .edm = {.sigma_data = settings.sigma_data > 0 ? settings.sigma_data : statistics.std,
                               .mean = settings.center ? statistics.mean : 0},
                       .height = data.pixels.size(1),
                       .width = data.pixels.size(2),
                       .black = data.low,
                       .white = data.high};
    config.unet.in_channels = config.unet.out_channels = static_cast<int>(data.pixels.size(3));
    return config;
}

UNet Run::initialised(const UNetConfig& config, std::uint64_t seed) {
    UNet unet(config);
    initialise_lesson(unet, seed);
    return unet;
}

Tensor Run::loss(Positions positions) const {
    const TrainingStream stream{.seed = settings_.seed, .flip = settings_.flip};
    const Tensor y = stream.batch(data_, positions).images;
    const NoisyImages noisy = add_noise(y, settings_.noise_level, settings_.seed, positions);
    return edm_loss(std::cref(unet_), model_.edm, y, noisy).loss;
}

TrainerOptions Run::trainer_options() const {
    return {.steps = settings_.steps,
            .batch = settings_.batch,
            .accumulate = settings_.accumulate,
            // One-cycle is a curve through at least two points.
            .schedule = OneCycle{.max_lr = settings_.learning_rate, .total_steps = std::max<std::int64_t>(2, settings_.steps)},
            .ema = {settings_.ema}};
}

// Turns minutes into steps, and settles what depends on their number.
void Run::resolve_steps(Progress& notes) {
    if (settings_.minutes > 0) {
        const double seconds = seconds_per_step(
            parameters_, [this](Positions p) { return loss(p); }, trainer_options());
        settings_.steps = std::max<std::int64_t>(1, std::llround(60 * settings_.minutes / seconds));
        std::ostringstream line;
        line << settings_.steps << " steps of " << std::lround(1000 * seconds) << " ms fit into " << settings_.minutes
             << " minutes";
        notes.note(line.str());
    }
    if (settings_.sample_every == 0) settings_.sample_every = round_interval(settings_.steps);
}

void Run::save(const TrainedStep& step) const {
    json description = description_;
    description["step"] = step.step;
    save_checkpoint(folder_ / "checkpoint.safetensors", parameters_, description);
    save_training_state(folder_ / "training_state.safetensors", parameters_, optimizer_,
                        {{"step", step.step}, {"training", description_["training"]}});
}

void Run::draw_samples(const TrainedStep& step) const {
    if (settings_.sample_count == 0) return;
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(settings_.sample_count));
    std::iota(seeds.begin(), seeds.end(), 0);
    const Model averaged{model_, parameters_.averaged(unet_)};
    const SamplingPlan plan;
    const Tensor images = generate(averaged.denoiser(), model_.image(), seeds, plan, settings_.batch);

    char name[32];
    std::snprintf(name, sizeof name, "step-%06lld.png", static_cast<long long>(step.step));
    auto text = lull::describe(plan, seeds);
    text["Training steps"] = std::to_string(step.step);
    write_grid(folder_ / "samples" / name, images, model_.black, model_.white, text, 2);
}

fs::path Run::train() {
    const ProgressStyle style = progress_style(settings_.machine.quiet);
    Progress notes(std::cerr, style, "step", settings_.steps);
    resolve_steps(notes);

    if (settings_.outdir.empty()) {
        folder_ = make_run_folder("runs", "fashion-mnist-" + settings_.preset);
    } else {
        make_empty_folder(settings_.outdir);
        folder_ = settings_.outdir;
    }
    fs::create_directory(folder_ / "samples");
    description_ = {{"model", to_json(model_)}, {"data", describe(data_, statistics_)}, {"training", describe(settings_)}};
    json resolved = description_;
    resolved["machine"] = {{"threads", thread_count()}, {"device", settings_.machine.device}};
    write_text(folder_ / "config.json", resolved.dump(2) + '\n');

    std::ostringstream summary;
    summary << data_.name << ": " << data_.size() << " images " << model_.image() << ", mean " << statistics_.mean << ", std "
            << statistics_.std << "\n"
            << settings_.preset << ": " << parameters_.count() << " parameters, " << thread_count() << " threads, into "
            << folder_.string();
    notes.note(summary.str());

    TrainingLog log(folder_, {{"parameters", parameters_.count()}, {"batch", settings_.batch * settings_.accumulate}});
    Progress progress(std::cerr, style, "step", settings_.steps);
    const auto each_step = [&](const TrainedStep& step) {
        log.add(step);
        char details[64];
        std::snprintf(details, sizeof details, "loss %.4f  %.0f images/s", log.smoothed_loss(), log.samples_per_second());
        progress.update(step.step, details);
    };
    std::int64_t saved = 0;
    const auto now_and_then = [&](const TrainedStep& step) {
        save(step);
        saved = step.step;
        log.draw();
        draw_samples(step);
    };
    try {
        lull::train(parameters_, optimizer_, [this](Positions p) { return loss(p); }, trainer_options(),
                    {{.every = 1, .run = each_step}, {.every = settings_.sample_every, .run = now_and_then}});
    } catch (const Error& error) {
        throw Error(error.what() + (saved > 0 ? "; " + folder_.string() + " has the checkpoint of step " + std::to_string(saved)
                                              : "; no checkpoint was written yet"));
    }
    return folder_;
}

}    // namespace

UNetConfig model_preset(const std::string& name) {
    constexpr std::array<std::string_view, 3> kPresets{"s16", "m32", "tiny"};
    if (name == "tiny") return {.channels = {8, 16}, .attention = {false, false}, .mid_attention = false, .layers_per_block = 1};
    check_usage(name == "s16" || name == "m32", "--preset", "unknown preset '", name, "'", did_you_mean(name, kPresets));
    return UNetConfig::preset(name);
}

std::int64_t round_interval(std::int64_t steps) {
    std::int64_t interval = 1;
    for (std::int64_t power = 1; power <= steps / 5; power *= 10)
        for (const std::int64_t factor : {1, 2, 5})
            if (factor * power <= steps / 5) interval = factor * power;
    return interval;
}

fs::path train_model(TrainSettings settings) {
    settings.machine.apply();
    return Run(settings).train();
}

}    // namespace lull
