#include "apps/lull/training.h"

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
#include "apps/lull/toml.h"
#include "apps/lull/training_log.h"
#include "diffusion/objective.h"
#include "engine/io/file.h"
#include "engine/threads.h"
#include "nn/data/fashion_mnist.h"
#include "nn/init.h"
#include "nn/trainer.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json describe(const ImageDataset& data, const Statistics& statistics) {
    return {{"name", data.name},
            {"images", data.size()},
            {"range", {data.low, data.high}},
            {"mean", statistics.mean},
            {"std", statistics.std}};
}

constexpr const char* kCheckpointName = "checkpoint.safetensors";
constexpr const char* kStateName = "training_state.safetensors";

void write_text(const fs::path& path, const std::string& text) {
    AtomicFile file(path);
    file.write(text.data(), text.size());
    file.commit();
}

// What trains the same model again: lull train --config.
std::string config_file(const TrainSettings& settings) {
    json all = to_json(settings);
    if (!settings.data.empty()) all["data"] = fs::absolute(settings.data).string();
    return "# lull train --config THIS_FILE --outdir ANOTHER_FOLDER trains this model again, bit for bit.\n" + to_toml(all);
}

// Model, optimizer and data of a run, and what happens at its steps.
class Run {
  public:
    explicit Run(const TrainSettings& settings)
        : data_(fashion_mnist(Split::train, settings.data)),
          statistics_(data_.statistics()),
          settings_(resolved(settings, statistics_)),
          model_{config_of(settings_, data_, statistics_)},
          unet_(initialised(model_.unet, settings.seed)),
          parameters_(unet_),
          optimizer_(
              {.beta2 = settings.beta2, .eps = settings.eps, .weight_decay = settings.weight_decay, .max_norm = settings.clip}),
          description_{{"model", to_json(model_)}, {"data", describe(data_, statistics_)}, {"training", to_json(settings_)}} {}

    fs::path start();
    void resume(const fs::path& folder);    // from the state that is saved there

  private:
    static TrainSettings resolved(TrainSettings settings, const Statistics& statistics);
    static ModelConfig config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics);
    static UNet initialised(const UNetConfig& config, std::uint64_t seed);

    Tensor loss(Positions positions) const;
    TrainerOptions trainer_options(std::int64_t first_step) const;
    void resolve_steps();
    void make_folder();
    void train(TrainingLog& log, std::int64_t first_step);
    std::string summary() const;
    void save(const TrainedStep& step) const;
    void draw_samples(const TrainedStep& step) const;

    ImageDataset data_;
    Statistics statistics_;
    TrainSettings settings_;
    ModelConfig model_;
    UNet unet_;
    Parameters parameters_;
    AdamW optimizer_;
    fs::path folder_;
    json description_;    // of the checkpoint: everything that its numbers depend on, and no more
};

TrainSettings Run::resolved(TrainSettings settings, const Statistics& statistics) {
    if (settings.sigma_data == 0) settings.sigma_data = statistics.std;
    return settings;
}

ModelConfig Run::config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics) {
    ModelConfig config{.unet = model_preset(settings.preset),
                       .edm = {.sigma_data = settings.sigma_data, .mean = settings.center ? statistics.mean : 0},
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

TrainerOptions Run::trainer_options(std::int64_t first_step) const {
    return {.steps = settings_.steps,
            .first_step = first_step,
            .batch = settings_.batch,
            .accumulate = settings_.accumulate,
            // One-cycle is a curve through at least two points.
            .schedule = OneCycle{.max_lr = settings_.learning_rate, .total_steps = std::max<std::int64_t>(2, settings_.steps)},
            .ema = {settings_.ema}};
}

// Turns minutes into steps, and settles what depends on their number.
void Run::resolve_steps() {
    if (settings_.minutes > 0) {
        const double seconds = seconds_per_step(
            parameters_, [this](Positions p) { return loss(p); }, trainer_options(0));
        settings_.steps = std::max<std::int64_t>(1, std::llround(60 * settings_.minutes / seconds));
        std::ostringstream line;
        line << settings_.steps << " steps of " << std::lround(1000 * seconds) << " ms fit into " << settings_.minutes
             << " minutes";
        Progress(std::cerr, progress_style(settings_.machine.quiet), "step", 0).note(line.str());
    }
    if (settings_.sample_every == 0) settings_.sample_every = round_interval(settings_.steps);
}

void Run::save(const TrainedStep& step) const {
    json description = description_;
    description["step"] = step.step;
    save_checkpoint(folder_ / kCheckpointName, parameters_, description);
    save_training_state(folder_ / kStateName, parameters_, optimizer_, {{"step", step.step}});
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

void Run::make_folder() {
    if (settings_.outdir.empty()) {
        folder_ = make_run_folder("runs", "fashion-mnist-" + settings_.preset);
    } else {
        make_empty_folder(settings_.outdir);
        folder_ = settings_.outdir;
    }
    fs::create_directory(folder_ / "samples");
}

std::string Run::summary() const {
    std::ostringstream text;
    text << data_.name << ": " << data_.size() << " images " << model_.image() << ", mean " << statistics_.mean << ", std "
         << statistics_.std << '\n'
         << settings_.preset << ": " << parameters_.count() << " parameters, " << thread_count()
         << (thread_count() == 1 ? " thread" : " threads") << ", into " << folder_.string();
    return text.str();
}

void Run::train(TrainingLog& log, std::int64_t first_step) {
    Progress progress(std::cerr, progress_style(settings_.machine.quiet), "step", settings_.steps, first_step);
    progress.note(summary());
    const auto each_step = [&](const TrainedStep& step) {
        log.add(step);
        char details[64];
        std::snprintf(details, sizeof details, "loss %.4f  %.0f images/s", log.smoothed_loss(), log.samples_per_second());
        progress.update(step.step, details);
        if (settings_.on_step) settings_.on_step(step);
    };
    std::int64_t saved = first_step;
    const auto now_and_then = [&](const TrainedStep& step) {
        save(step);
        saved = step.step;
        log.draw();
        draw_samples(step);
    };
    try {
        lull::train(parameters_, optimizer_, [this](Positions p) { return loss(p); }, trainer_options(first_step),
                    {{.every = 1, .run = each_step}, {.every = settings_.sample_every, .run = now_and_then}});
    } catch (const Error& error) {
        throw Error(error.what() + (saved > 0 ? "; " + folder_.string() + " has the checkpoint of step " + std::to_string(saved)
                                              : "; no checkpoint was written yet"));
    }
}

fs::path Run::start() {
    make_folder();
    resolve_steps();
    description_["training"] = to_json(settings_);
    json resolved = description_;
    resolved["machine"] = {{"threads", thread_count()}, {"device", settings_.machine.device}};
    write_text(folder_ / "config.json", resolved.dump(2) + '\n');
    write_text(folder_ / "config.toml", config_file(settings_));
    TrainingLog log(folder_, 0);
    train(log, 0);
    return folder_;
}

void Run::resume(const fs::path& folder) {
    folder_ = folder;
    const json position = load_training_state(folder_ / kStateName, parameters_, optimizer_);
    const std::int64_t step = position.value("step", std::int64_t{0});
    check_file(step < settings_.steps, folder_, "is finished: ", step, " of ", settings_.steps, " steps");
    TrainingLog log(folder_, step);
    train(log, step);
}

}    // namespace

fs::path train_model(const TrainSettings& settings) {
    settings.machine.apply();
    model_preset(settings.preset);    // throws before the data is read
    return Run(settings).start();
}

void resume_training(const fs::path& run, const TrainSettings& settings) {
    settings.machine.apply();
    const json config = read_checkpoint(find_checkpoint(run)).config;
    check_file(fs::is_directory(run) && config.contains("training"), run, "is no run of lull train");
    TrainSettings original = train_settings_from_json(config.at("training"));
    original.data = settings.data;
    original.machine = settings.machine;
    original.on_step = settings.on_step;
    Run(original).resume(run);
}

}    // namespace lull
