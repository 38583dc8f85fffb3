#include "apps/lull/training.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <system_error>

#include "apps/lull/data_options.h"
#include "apps/lull/generate.h"
#include "apps/lull/interrupt.h"
#include "apps/lull/labels.h"
#include "apps/lull/model.h"
#include "apps/lull/progress.h"
#include "apps/lull/run_folder.h"
#include "apps/lull/settings_file.h"
#include "apps/lull/shell.h"
#include "apps/lull/step_budget.h"
#include "apps/lull/training_log.h"
#include "diffusion/objective.h"
#include "engine/io/file.h"
#include "engine/threads.h"
#include "nn/init.h"
#include "nn/trainer.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Model, optimizer and data of a run, and what happens at its steps.
class Run {
  public:
    explicit Run(const TrainSettings& settings)
        : data_(load_data(settings.data, &notes_)),
          statistics_(data_.statistics()),
          settings_(resolved(settings, statistics_)),
          model_{config_of(settings_, data_, statistics_)},
          unet_(initialised(model_.unet, settings.seed)),
          parameters_(unet_),
          optimizer_(
              {.beta2 = settings.beta2, .eps = settings.eps, .weight_decay = settings.weight_decay, .max_norm = settings.clip}),
          description_{{"model", to_json(model_)}, {"data", describe(data_, settings_.data)}, {"training", to_json(settings_)}} {}

    fs::path start();
    std::string plan();                                         // of start()
    void resume(const fs::path& folder, const json& config);    // from the state that is saved there; config: its checkpoint's

  private:
    static TrainSettings resolved(TrainSettings settings, const Statistics& statistics);
    static ModelConfig config_of(const TrainSettings& settings, const ImageDataset& data, const Statistics& statistics);
    static UNet initialised(const UNetConfig& config, std::uint64_t seed);

    Tensor loss(Positions positions);
    TrainerOptions trainer_options(std::int64_t first_step) const;
    void resolve_steps();
    std::string name() const { return file_name_of(data_) + "-" + settings_.preset; }    // of its folder
    NewRunFolder make_folder() const;
    void train(TrainingLog& log, std::int64_t first_step);
    void check_not_interrupted() const;
    std::string summary() const;
    json identity() const { return {{"training", description_["training"]}, {"data", description_["data"]["fingerprint"]}}; }
    std::string what_is_kept() const;
    std::string how_to_resume() const;
    void save(std::int64_t step, const TrainingLog& log);
    void save_checkpoint_of(std::int64_t step) const;
    fs::path grid_path(std::int64_t step) const;
    ImageList grid_images() const;
    void draw_samples(std::int64_t step) const;
    double seconds_per_grid() const;

    std::vector<std::string> notes_;    // on the data
    ImageDataset data_;
    Statistics statistics_;
    TrainSettings settings_;
    ModelConfig model_;
    UNet unet_;
    Parameters parameters_;
    AdamW optimizer_;
    fs::path folder_;
    json description_;                 // of the checkpoint: everything that its numbers depend on, and no more
    std::vector<ImageLoss> images_;    // of the step that is being made
    std::int64_t made_ = 0;            // steps; and those of the checkpoint and of the training state on the disk:
    std::int64_t checkpoint_ = 0, saved_ = 0;
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
    if (settings.conditional) {
        check_usage(data.labels.defined(), "--conditional", "expected images with classes; ", data.name, " has none");
        config.unet.class_embed = ClassEmbedType::table;
        config.unet.classes = static_cast<int>(data.class_counts().size());
    }
    check_size(data, config.unet.levels());
    return config;
}

UNet Run::initialised(const UNetConfig& config, std::uint64_t seed) {
    UNet unet(config);
    initialise_lesson(unet, seed);
    return unet;
}

Tensor Run::loss(Positions positions) {
    const TrainingStream stream{.seed = settings_.seed, .flip = settings_.flip};
    const Batch batch = stream.batch(data_, positions);
    const Tensor& y = batch.images;
    const NoisyImages noisy = add_noise(y, settings_.noise_level, settings_.seed, positions);
    const Network network = network_of(unet_, settings_.precision, settings_.conditional ? batch.labels : Tensor());
    const EdmLoss result = edm_loss(network, model_.edm, y, noisy);
    const std::vector<double> sigmas = noisy.sigma.values(), losses = result.per_image.values();
    for (std::size_t i = 0; i < sigmas.size(); ++i) images_.push_back({sigmas[i], losses[i]});
    return result.loss;
}

TrainerOptions Run::trainer_options(std::int64_t first_step) const {
    return {.steps = settings_.steps,
            .first_step = first_step,
            .batch = settings_.batch,
            .accumulate = settings_.accumulate,
            // One-cycle is a curve through at least two points.
            .schedule = OneCycle{.max_lr = settings_.learning_rate, .total_steps = std::max<std::int64_t>(2, settings_.steps)},
            .ema = {settings_.ema},
            .stop = [this](std::int64_t step) { return step == settings_.stop_after || interrupted(); }};
}

// Turns minutes into steps, and settles what depends on their number.
void Run::resolve_steps() {
    if (settings_.minutes > 0) {
        Progress progress(std::cerr, progress_style(settings_.machine.quiet), "step", 0);
        const double per_step = seconds_per_step(
            parameters_, [this](Positions p) { return loss(p); }, trainer_options(0));
        const double per_grid = seconds_per_grid();
        const StepBudget budget{60 * settings_.minutes - progress.seconds(), per_step, per_grid, settings_.sample_every};
        settings_.steps = budget.steps();
        progress.note(budget.in_words(settings_.minutes));
    }
    if (settings_.sample_every == 0) settings_.sample_every = round_interval(settings_.steps);
    if (settings_.save_every == 0) settings_.save_every = std::min<std::int64_t>(settings_.sample_every, 1000);
}

// In the order that apps/lull/run_folder.h explains.
void Run::save(std::int64_t step, const TrainingLog& log) {
    save_checkpoint_of(step);
    checkpoint_ = step;
    save_training_state(folder_ / kStateName, parameters_, optimizer_,
                        {{"step", step}, {"sigma_loss", log.position()}, {"run", identity()}});
    if (settings_.keep > 0) drop_old_checkpoints(folder_, settings_.keep);
    saved_ = step;
}

void Run::save_checkpoint_of(std::int64_t step) const {
    json description = description_;
    description["step"] = step;
    const fs::path newest = folder_ / kCheckpointName;
    // A stop between two planned checkpoints makes no numbered one: a resumed run ends with the same files as a whole run.
    if (settings_.keep > 0 && (step % settings_.save_every == 0 || step == settings_.steps)) {
        const fs::path numbered = numbered_checkpoint(folder_, step);
        save_checkpoint(numbered, parameters_, description);
        if (give_second_name(numbered, newest)) return;
    }
    save_checkpoint(newest, parameters_, description);
}

fs::path Run::grid_path(std::int64_t step) const {
    char name[32];
    std::snprintf(name, sizeof name, "step-%06lld.png", static_cast<long long>(step));
    return folder_ / "samples" / name;
}

ImageList Run::grid_images() const {
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(settings_.sample_count));
    std::iota(seeds.begin(), seeds.end(), 0);
    return {seeds, classes_in_turn(seeds, model_.unet.classes)};
}

void Run::draw_samples(std::int64_t step) const {
    if (settings_.sample_count == 0) return;
    const ImageList list = grid_images();
    const Model averaged{model_, parameters_.averaged(unet_)};
    const SamplingPlan plan;
    // A stopped run draws it when it goes on; after the last step nothing would.
    const Tensor images = generate(std::bind_front(&Model::denoiser, &averaged), model_.image(), list, plan, settings_.batch,
                                   [&](const SamplerState&) { return step == settings_.steps || !interrupted(); });
    if (!images.defined()) return;

    auto text = lull::describe(plan, list);
    text["Training steps"] = std::to_string(step);
    text["Model SHA-256"] = model_hash(averaged);    // as of a checkpoint of this step
    text["Weights"] = "ema";
    write_grid(grid_path(step), images, model_.black, model_.white, text, 2);
}

// Of one grid: what a short schedule takes, for as many calls of the network as the whole one has.
double Run::seconds_per_grid() const {
    if (settings_.sample_count == 0) return 0;
    const Model averaged{model_, parameters_.averaged(unet_)};
    const SamplingPlan plan, short_plan{.choice = {}, .steps = 2};
    const auto calls = [](const SamplingPlan& p) { return 2.0 * p.steps - 1; };    // Heun's: two per step, one in the last
    double seconds = 0;
    for (int i = 0; i < 2; ++i) {    // the first one fills the arena
        const Progress stopwatch(std::cerr, ProgressStyle::silent, "", 0);
        generate(std::bind_front(&Model::denoiser, &averaged), model_.image(), grid_images(), short_plan, settings_.batch);
        seconds = stopwatch.seconds();
    }
    return seconds * calls(plan) / calls(short_plan);
}

NewRunFolder Run::make_folder() const {
    return settings_.outdir.empty() ? NewRunFolder::numbered("runs", name()) : NewRunFolder::at(settings_.outdir);
}

std::string Run::summary() const {
    std::ostringstream text;
    for (const std::string& note : notes_) text << note << '\n';
    text << data_.size() << " images " << model_.image() << ", mean " << statistics_.mean << ", std " << statistics_.std << '\n'
         << settings_.preset << ": " << parameters_.count() << " parameters, " << thread_count()
         << (thread_count() == 1 ? " thread" : " threads") << ", into " << folder_.string();
    return text.str();
}

std::string Run::what_is_kept() const {
    if (checkpoint_ == 0) return made_ == 0 ? "" : "; no checkpoint was written yet";
    const std::string kept = "; " + folder_.string() + " has the checkpoint of step " + std::to_string(checkpoint_);
    if (saved_ == checkpoint_) return kept;    // otherwise the disk was full between the two
    return kept + (saved_ == 0 ? ", but nothing that --resume can go on from"
                               : "; --resume goes on from step " + std::to_string(saved_));
}

std::string Run::how_to_resume() const {
    std::ostringstream line;
    line << "stopped after step " << made_ << " of " << settings_.steps << "; to go on: lull train --resume "
         << shell_word(folder_.string());
    return line.str();
}

void Run::train(TrainingLog& log, std::int64_t first_step) {
    made_ = checkpoint_ = saved_ = first_step;
    Progress progress(std::cerr, progress_style(settings_.machine.quiet), "step", settings_.steps, first_step);
    progress.note(summary());
    const auto each_step = [&](const TrainedStep& step) {
        made_ = step.step;
        log.add(step, images_);
        images_.clear();
        char details[64];
        std::snprintf(details, sizeof details, "loss %.4f  %.0f images/s", log.smoothed_loss(), log.samples_per_second());
        progress.update(step.step, details);
        if (settings_.on_step) settings_.on_step(step);
    };
    const auto checkpoint = [&](std::int64_t step) {
        log.draw();
        save(step, log);
    };
    images_.clear();
    try {
        lull::train(parameters_, optimizer_, [this](Positions p) { return loss(p); }, trainer_options(first_step),
                    {{.every = 1, .run = each_step},
                     {.every = settings_.save_every, .run = [&](const TrainedStep& step) { checkpoint(step.step); }},
                     {.every = settings_.sample_every, .run = [&](const TrainedStep& step) { draw_samples(step.step); }}});
        if (saved_ < made_) checkpoint(made_);    // stopped between two
    } catch (const NotFinite& error) {
        const char* const advice = made_ == 0 ? "; before the first step, only --sigma-data, --P-mean and --P-std can do this"
                                              : "; a lower --lr often helps";
        throw Error(std::string(error.what()) + "; " + worst_sigmas(images_) + what_is_kept() + advice);
    } catch (const Error& error) { throw Error(error.what() + what_is_kept()); }
    if (made_ == settings_.steps) return;
    if (interrupted()) throw Interrupted(how_to_resume());
    progress.note(how_to_resume());
}

void Run::check_not_interrupted() const {
    if (interrupted()) throw Interrupted("stopped before a step was made; nothing was written");
}

std::string Run::plan() {
    if (!settings_.outdir.empty()) check_free(settings_.outdir);
    folder_ = settings_.outdir.empty() ? fs::path("runs") / (name() + "-NNN") : settings_.outdir;
    check_can_be_made(folder_);
    resolve_steps();
    check_not_interrupted();
    const std::int64_t batch = settings_.batch * settings_.accumulate;
    std::ostringstream text;
    text << summary() << '\n'
         << settings_.steps << " steps of " << batch << " images: " << std::setprecision(3)
         << static_cast<double>(settings_.steps * batch) / static_cast<double>(data_.size()) << " epochs";
    return as_comment(text.str()) + settings_file(settings_);
}

fs::path Run::start() {
    if (!settings_.outdir.empty()) check_free(settings_.outdir);
    resolve_steps();
    description_["training"] = to_json(settings_);
    json resolved = description_;
    resolved["machine"] = {{"threads", thread_count()}, {"device", settings_.machine.device}};

    check_not_interrupted();
    const NewRunFolder folder = make_folder();
    folder_ = folder.path();
    try {
        fs::create_directory(folder_ / "samples");
        write_file(folder_ / "config.json", resolved.dump(2) + '\n');
        write_file(folder_ / "config.toml", settings_file(settings_));
        TrainingLog log(folder_, settings_.noise_level);
        train(log, 0);
    } catch (...) {
        if (made_ == 0) folder.remove();
        throw;
    }
    return folder_;
}

void Run::resume(const fs::path& folder, const json& config) {
    check_same_data(data_, config.at("data"), folder);
    folder_ = folder;
    const fs::path state = folder_ / kStateName;
    const json position = load_training_state(state, parameters_, optimizer_);
    // Runs from before this was written down are believed.
    check_file(position.value("run", identity()) == identity(), state, "belongs to another run than ", kCheckpointName,
               " beside it");
    const std::int64_t step = position.value("step", std::int64_t{0});
    // Cut off between a step's checkpoint and its grid, even the last step's, a run still has that to do.
    const bool grid_due = step % settings_.sample_every == 0 || step == settings_.steps;
    const bool grid_missing = grid_due && settings_.sample_count > 0 && !fs::exists(grid_path(step));
    check_file(step < settings_.steps || grid_missing, folder_, "is finished: ", step, " of ", settings_.steps, " steps");
    check_usage(settings_.stop_after == 0 || (settings_.stop_after > step && settings_.stop_after <= settings_.steps),
                "--stop-after", "expected more than the ", step, " steps made, and at most ", settings_.steps, ", got ",
                settings_.stop_after);

    check_not_interrupted();
    remove_leftovers(folder_);
    TrainingLog log(folder_, settings_.noise_level, step, position.at("sigma_loss"));
    if (grid_missing) draw_samples(step);
    check_not_interrupted();
    train(log, step);
}

}    // namespace

std::string plan_training(const TrainSettings& settings) {
    settings.machine.apply();
    model_preset(settings.preset);
    const InterruptGuard guard;
    return Run(settings).plan();
}

fs::path train_model(const TrainSettings& settings) {
    settings.machine.apply();
    model_preset(settings.preset);    // throws before the data is read
    const InterruptGuard guard;
    return Run(settings).start();
}

void resume_training(const fs::path& run, const TrainSettings& settings) try {
    settings.machine.apply();
    check_file(fs::exists(run), run, "no such run");
    check_file(fs::is_directory(run), run, "expected the folder of a run, got a file");
    const InterruptGuard guard;
    const FolderLock lock(run);
    const json config = read_checkpoint(find_checkpoint(run)).config;
    check_file(config.contains("training"), run, "is no run of lull train");
    TrainSettings original = train_settings_from_json(config.at("training"));
    original.data = data_options_from_json(config.at("data"));
    move_data(original.data, settings.data, run);
    original.data.use_cache = settings.data.use_cache;
    original.stop_after = settings.stop_after;
    original.machine = settings.machine;
    original.on_step = settings.on_step;
    Run(original).resume(run, config);
} catch (const json::exception& error) { fail_file(run, "is incomplete: ", error.what()); }

}    // namespace lull
