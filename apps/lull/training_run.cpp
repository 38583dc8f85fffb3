#include "apps/lull/training_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "apps/lull/interrupt.h"
#include "apps/lull/progress.h"
#include "apps/lull/settings_file.h"
#include "apps/lull/shell.h"
#include "apps/lull/step_budget.h"
#include "engine/cuda/runtime.h"
#include "engine/io/file.h"
#include "engine/threads.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Whether everything that was written down is so now. A run from before a setting existed says nothing of it.
bool agrees(const json& written, const json& now) {
    if (!written.is_object() || !now.is_object()) return written == now;
    return std::all_of(written.items().begin(), written.items().end(),
                       [&](const auto& item) { return now.contains(item.key()) && agrees(item.value(), now.at(item.key())); });
}

}    // namespace

TrainingRun::TrainingRun(std::string command, const DataOptions& data, double low, double high)
    : command_(std::move(command)), data_(load_data(data, &notes_).range(low, high)), statistics_(data_.statistics()) {}

AdamW TrainingRun::make_optimizer() {
    const RunSettings& s = settings();
    return AdamW({.beta2 = s.beta2, .eps = s.eps, .weight_decay = s.weight_decay, .max_norm = s.clip});
}

TrainerOptions TrainingRun::trainer_options(std::int64_t first_step) {
    const RunSettings& s = settings();
    return {.steps = s.steps,
            .first_step = first_step,
            .batch = s.batch,
            .accumulate = s.accumulate,
            // One-cycle is a curve through at least two points.
            .schedule = OneCycle{.max_lr = s.learning_rate, .total_steps = std::max<std::int64_t>(2, s.steps)},
            .ema = {s.ema},
            .stop = [stop_after = s.stop_after](std::int64_t step) { return step == stop_after || interrupted(); }};
}

// Turns minutes or epochs into steps, and settles what depends on their number.
void TrainingRun::resolve_steps() {
    RunSettings& s = settings();
    if (s.minutes > 0) {
        Progress progress(std::cerr, progress_style(s.machine.quiet), "step", 0);
        const double per_step = seconds_per_step(
            parameters(), [this](Positions p) { return loss(p, images_); }, trainer_options(0));
        const double per_picture = s.sample_count == 0 ? 0 : seconds_per_picture();
        const StepBudget budget{60 * s.minutes - progress.seconds(), per_step, per_picture, s.sample_every};
        s.steps = budget.steps();
        progress.note(budget.in_words(s.minutes));
    } else if (s.epochs > 0) {
        const double per_step = static_cast<double>(s.batch) * static_cast<double>(s.accumulate);
        s.steps = std::max<std::int64_t>(1, std::llround(std::ceil(s.epochs * static_cast<double>(data_.size()) / per_step)));
    }
    if (s.sample_every == 0) s.sample_every = round_interval(s.steps);
    if (s.save_every == 0) s.save_every = std::min<std::int64_t>(s.sample_every, 1000);
}

// In the order that apps/lull/run_folder.h explains.
void TrainingRun::save(std::int64_t step, const AdamW& optimizer, const TrainingLog& log) {
    save_checkpoint_of(step);
    checkpoint_ = step;
    save_training_state(folder_ / kStateName, parameters(), optimizer,
                        {{"step", step}, {"sigma_loss", log.position()}, {"run", identity()}});
    if (settings().keep > 0) drop_old_checkpoints(folder_, settings().keep);
    saved_ = step;
}

void TrainingRun::save_checkpoint_of(std::int64_t step) {
    const RunSettings& s = settings();
    json with_step = description();
    with_step["step"] = step;
    const fs::path newest = folder_ / kCheckpointName;
    // A stop between two planned checkpoints makes no numbered one: a resumed run ends with the same files as a whole run.
    if (s.keep > 0 && (step % s.save_every == 0 || step == s.steps)) {
        const fs::path numbered = numbered_checkpoint(folder_, step);
        save_checkpoint(numbered, parameters(), with_step);
        if (give_second_name(numbered, newest)) return;
    }
    save_checkpoint(newest, parameters(), with_step);
}

fs::path TrainingRun::picture_path(std::int64_t step) const {
    char file[32];
    std::snprintf(file, sizeof file, "step-%06lld.png", static_cast<long long>(step));
    return folder_ / "samples" / file;
}

std::string TrainingRun::summary() {
    std::ostringstream text;
    for (const std::string& note : notes_) text << note << '\n';
    const Shape& pixels = data_.pixels.shape();
    text << data_.size() << " images " << Shape{pixels[1], pixels[2], pixels[3]} << ", mean " << statistics_.mean << ", std "
         << statistics_.std << '\n'
         << preset() << ": " << parameters().count() << " parameters, ";
    if (parameters().device() == Device::cuda)
        text << cuda::device_name();
    else
        text << thread_count() << (thread_count() == 1 ? " thread" : " threads");
    text << ", into " << folder_.string();
    return text.str();
}

std::string TrainingRun::config_file() { return settings_file(command_, description().at("training"), settings().data); }

json TrainingRun::identity() const {
    const json all = description();
    return {{"training", all.at("training")}, {"data", all.at("data").at("fingerprint")}};
}

std::string TrainingRun::what_is_kept() const {
    if (checkpoint_ == 0) return made_ == 0 ? "" : "; no checkpoint was written yet";
    const std::string kept = "; " + folder_.string() + " has the checkpoint of step " + std::to_string(checkpoint_);
    if (saved_ == checkpoint_) return kept;    // otherwise the disk was full between the two
    return kept + (saved_ == 0 ? ", but nothing that --resume can go on from"
                               : "; --resume goes on from step " + std::to_string(saved_));
}

std::string TrainingRun::how_to_resume() {
    std::ostringstream line;
    line << "stopped after step " << made_ << " of " << settings().steps << "; to go on: " << command_ << " --resume "
         << shell_word(folder_.string());
    return line.str();
}

void TrainingRun::train(AdamW& optimizer, TrainingLog& log, std::int64_t first_step) {
    const RunSettings& s = settings();
    made_ = checkpoint_ = saved_ = first_step;
    Progress progress(std::cerr, progress_style(s.machine.quiet), "step", s.steps, first_step);
    progress.note(summary());
    const auto each_step = [&](const TrainedStep& step) {
        made_ = step.step;
        log.add(step, read(images_));
        images_.clear();
        char details[64];
        std::snprintf(details, sizeof details, "loss %.4f  %.0f images/s", log.smoothed_loss(), log.samples_per_second());
        progress.update(step.step, details);
        if (s.on_step) s.on_step(step);
    };
    const auto checkpoint = [&](std::int64_t step) {
        log.draw();
        save(step, optimizer, log);
    };
    const auto picture = [&](const TrainedStep& step) {
        if (s.sample_count > 0) draw(picture_path(step.step), step.step);
    };
    images_.clear();
    try {
        lull::train(parameters(), optimizer, [this](Positions p) { return loss(p, images_); }, trainer_options(first_step),
                    {{.every = 1, .run = each_step},
                     {.every = s.save_every, .run = [&](const TrainedStep& step) { checkpoint(step.step); }},
                     {.every = s.sample_every, .run = picture}});
        if (saved_ < made_) checkpoint(made_);    // stopped between two
    } catch (const NotFinite& error) {
        const std::string advice = made_ == 0 ? "; " + advice_before_first_step() : "; a lower --lr often helps";
        throw Error(std::string(error.what()) + "; " + worst_sigmas(read(images_)) + what_is_kept() + advice);
    } catch (const Error& error) { throw Error(error.what() + what_is_kept()); }
    if (made_ == s.steps) return;
    if (interrupted()) throw Interrupted(how_to_resume());
    progress.note(how_to_resume());
}

void TrainingRun::check_not_interrupted() const {
    if (interrupted()) throw Interrupted("stopped before a step was made; nothing was written");
}

std::string TrainingRun::plan() {
    const RunSettings& s = settings();
    if (!s.outdir.empty()) check_free(s.outdir);
    folder_ = s.outdir.empty() ? fs::path("runs") / (name() + "-NNN") : s.outdir;
    check_can_be_made(folder_);
    resolve_steps();
    check_not_interrupted();
    const std::int64_t batch = s.batch * s.accumulate;
    std::ostringstream text;
    text << summary() << '\n'
         << s.steps << " steps of " << batch << " images: " << std::setprecision(3)
         << static_cast<double>(s.steps * batch) / static_cast<double>(data_.size()) << " epochs";
    return as_comment(text.str()) + config_file();
}

fs::path TrainingRun::start() {
    const RunSettings& s = settings();
    if (!s.outdir.empty()) check_free(s.outdir);
    resolve_steps();
    json resolved = description();
    resolved["machine"] = {{"threads", thread_count()}, {"device", name_of(parameters().device())}};

    check_not_interrupted();
    const NewRunFolder folder = s.outdir.empty() ? NewRunFolder::numbered("runs", name()) : NewRunFolder::at(s.outdir);
    folder_ = folder.path();
    try {
        fs::create_directory(folder_ / "samples");
        write_file(folder_ / "config.json", resolved.dump(2) + '\n');
        write_file(folder_ / "config.toml", config_file());
        AdamW optimizer = make_optimizer();
        TrainingLog log(folder_, noise_distribution());
        train(optimizer, log, 0);
    } catch (...) {
        if (made_ == 0) folder.remove();
        throw;
    }
    return folder_;
}

void TrainingRun::resume(const fs::path& folder, const json& config) {
    const RunSettings& s = settings();
    check_same_data(data_, config.at("data"), folder);
    folder_ = folder;
    const fs::path state = folder_ / kStateName;
    AdamW optimizer = make_optimizer();
    const json position = load_training_state(state, parameters(), optimizer);
    // Runs from before this was written down are believed.
    check_file(agrees(position.value("run", json::object()), identity()), state, "belongs to another run than ", kCheckpointName,
               " beside it");
    const std::int64_t step = position.value("step", std::int64_t{0});
    // Cut off between a step's checkpoint and its picture, even the last step's, a run still has that to do.
    const bool picture_due = step % s.sample_every == 0 || step == s.steps;
    const bool picture_missing = picture_due && s.sample_count > 0 && !fs::exists(picture_path(step));
    check_file(step < s.steps || picture_missing, folder_, "is finished: ", step, " of ", s.steps, " steps");
    check_usage(s.stop_after == 0 || (s.stop_after > step && s.stop_after <= s.steps), "--stop-after", "expected more than the ",
                step, " steps made, and at most ", s.steps, ", got ", s.stop_after);

    check_not_interrupted();
    remove_leftovers(folder_);
    TrainingLog log(folder_, noise_distribution(), step, position.at("sigma_loss"));
    if (picture_missing) draw(picture_path(step), step);
    check_not_interrupted();
    train(optimizer, log, step);
}

void resume_run(const fs::path& folder, const std::string& part, const MachineOptions& machine,
                const std::function<void(const json& config)>& run) try {
    machine.apply();
    check_file(fs::exists(folder), folder, "no such run");
    check_file(fs::is_directory(folder), folder, "expected the folder of a run, got a file");
    const InterruptGuard guard;
    const FolderLock lock(folder);
    const json config = read_checkpoint(find_checkpoint(folder)).config;
    const std::string command = command_of(folder);
    check_file(config.contains("training"), folder, "is no run of ", command);
    check_file(config.contains(part), folder, "is a run of another command; to go on: ", command, " --resume ",
               shell_word(folder.string()));
    run(config);
} catch (const json::exception& error) { fail_file(folder, "is incomplete: ", error.what()); }

void keep_settings(RunSettings& original, const RunSettings& now, const json& config, const fs::path& run) {
    original.data = data_options_from_json(config.at("data"));
    move_data(original.data, now.data, run);
    original.data.use_cache = now.data.use_cache;
    original.stop_after = now.stop_after;
    original.machine = now.machine;
    original.on_step = now.on_step;
}

}    // namespace lull
