#include "apps/lull/sampling.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <numeric>
#include <optional>
#include <utility>

#include "apps/lull/film_strip.h"
#include "apps/lull/interrupt.h"
#include "apps/lull/labels.h"
#include "apps/lull/model_sampler.h"
#include "apps/lull/progress.h"
#include "apps/lull/run_folder.h"
#include "apps/lull/seeds.h"
#include "apps/lull/trace.h"
#include "engine/io/image_grid.h"
#include "engine/io/png.h"
#include "engine/io/safetensors.h"
#include "engine/threads.h"

namespace lull {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kFilmImages = 8;

void check_plan(const SampleSettings& s) {
    check_usage(!s.seeds.empty(), "--seeds", "expected at least one seed");
    check_usage(s.plan.sigma_min < s.plan.sigma_max, "--sigma-min", "expected less than --sigma-max ", s.plan.sigma_max, ", got ",
                s.plan.sigma_min);
    check_usage(s.plan.grid == Grid::karras || s.plan.steps >= 2, "--steps",
                "expected at least 2 with the cosine grid, whose last noise level is 0, got ", s.plan.steps);
    const HeunOptions& heun = s.plan.choice.heun;
    check_usage(heun.s_tmin <= heun.s_tmax, "--S-min", "expected at most --S-max ", heun.s_tmax, ", got ", heun.s_tmin);
}

// samples-heun-18-seeds-0-63.png
std::string picture_name(const SampleSettings& s) {
    std::string seeds = format_seeds(s.seeds);
    if (seeds.size() > 40)
        seeds = seeds.substr(0, seeds.find_first_of(",-")) + "-and-" + std::to_string(s.seeds.size() - 1) + "-more";
    return "samples-" + std::string(name_of(s.plan.choice.sampler)) + '-' + std::to_string(s.plan.steps) + "-seeds-" + seeds +
           ".png";
}

std::string images_of(std::int64_t count) { return std::to_string(count) + (count == 1 ? " image" : " images"); }

// One run of the command: what is drawn, and what becomes of it.
class Drawing {
  public:
    // predictor: of the blind settings; judge: of the trace. Null: none.
    Drawing(const SampleSettings& settings, const Model& model, const Predictor* predictor, const Predictor* judge);

    void run();    // while an InterruptGuard lives
    std::vector<fs::path> write(const fs::path& folder);

  private:
    bool step_done(const SamplerState& state, Progress& progress);
    void keep(std::int64_t first, const Tensor& images);
    void write_picture(const fs::path& path, const Tensor& pixels, std::int64_t images) const;

    void write_explanation(const fs::path& picture, std::vector<fs::path>& paths) const;

    const SampleSettings& settings_;
    const Model& model_;
    const Predictor* predictor_;
    ImageList list_;
    std::int64_t batch_, steps_, steps_done_ = 0;    // sampler steps of all batches
    std::map<std::string, std::string> text_;
    Tensor pictured_;    // the first images, (N, H, W, C)
    std::optional<SafetensorsWriter> save_;
    std::optional<FilmStrip> film_;
    std::optional<Trace> trace_;
    std::vector<int> evaluations_;    // of adaptive sampling
};

Drawing::Drawing(const SampleSettings& settings, const Model& model, const Predictor* predictor, const Predictor* judge)
    : settings_(settings),
      model_(model),
      predictor_(predictor),
      list_{settings.seeds, labels_for(model, settings.labels, settings.seeds)},
      text_(describe(settings.plan, list_)) {
    const Shape image = model.config.image();
    batch_ = std::min(list_.size(), settings.batch > 0 ? settings.batch : default_batch(image));
    const std::int64_t steps =
        settings.blind.way == BlindWay::adaptive ? 2 * settings.plan.steps : std::ssize(settings.plan.sigmas()) - 1;
    steps_ = (list_.size() + batch_ - 1) / batch_ * steps;
    text_.merge(describe(model, settings.model_options.weights));
    if (predictor) text_.merge(describe(settings.blind, *predictor));
    if (settings.blind.clamp == LevelClamp::median || settings.blind.options.ddim_noise == DdimNoise::median)
        text_["Batch"] = std::to_string(batch_);    // on which the images depend
    if (settings.explain) {
        const auto [black, white] = std::pair(model.config.black, model.config.white);
        trace_.emplace(black, white, judge ? judge_of(*judge, image, black, white) : NoiseEstimator());
    }

    const std::int64_t most = most_in_picture(image, settings.scale), pictured = std::min(list_.size(), most);
    check_usage(pictured == list_.size() || !settings.save.empty(), "--seeds", list_.size(),
                " images are more than a picture shows (", most, "); give --save FILE for the file that takes them all");
    pictured_ = empty({pictured, image[0], image[1], image[2]});
    if (settings.trajectory) film_.emplace(std::min(list_.size(), kFilmImages), image, settings.plan.sigmas());
    if (!settings.save.empty())
        save_.emplace(settings.save,
                      std::vector<SafetensorsWriter::Entry>{{"images", DType::f32, {list_.size(), image[2], image[0], image[1]}}},
                      text_);
}

bool Drawing::step_done(const SamplerState& state, Progress& progress) {
    if (film_) film_->see(state);
    if (trace_) trace_->see(state);
    if (state.step >= 0) {
        ++steps_done_;
        const double images = static_cast<double>(list_.size()) * static_cast<double>(steps_done_) / static_cast<double>(steps_);
        char details[64];
        std::snprintf(details, sizeof details, "%s  %.3g images/s", images_of(list_.size()).c_str(), images / progress.seconds());
        progress.update(std::min(steps_done_, steps_), details);
    }
    return !interrupted();
}

void Drawing::keep(std::int64_t first, const Tensor& images) {
    if (save_) save_->append(to_pytorch_layout(images));
    if (trace_) trace_->see_end(images);
    if (film_) film_->see_end(first, images);
    const std::int64_t count = std::min(images.size(0), pictured_.size(0) - first), pixels = images.elements() / images.size(0);
    if (count > 0) std::copy_n(images.data<float>(), count * pixels, pictured_.data<float>() + first * pixels);
}

void Drawing::run() {
    Progress progress(std::cerr, progress_style(settings_.machine.quiet), "sampler step", steps_);
    if (pictured_.size(0) < list_.size())
        progress.note("the picture shows the first " + std::to_string(pictured_.size(0)) + " of " + images_of(list_.size()));
    if (const std::string warning = predictor_ ? warning_of(*predictor_, model_.config, settings_.plan) : ""; !warning.empty())
        progress.note(warning);
    // What looks at images on the way does so on the CPU; the network is on its device in either case.
    SamplingPlan plan = settings_.plan;
    if (!predictor_ && !trace_) plan.device = device_of(model_.unet);
    SamplingWatch watch{.evaluations = &evaluations_};
    if (trace_ || film_)
        watch.denoised = [&](const Tensor& y, std::int64_t asked) {
            if (trace_) trace_->see_denoised(y, asked);
            if (film_) film_->see_denoised(y);
        };
    if (trace_) watch.estimated = [&](const NoiseEstimate& estimate) { trace_->see(estimate); };
    const bool all = generate(
        sampler_of(model_, plan, settings_.blind, predictor_, watch), model_.config.image(), list_, plan, batch_,
        [&](const SamplerState& state) { return step_done(state, progress); },
        [&](std::int64_t first, const Tensor& images) { keep(first, images); });
    if (!all)
        throw Interrupted("stopped after " + std::to_string(steps_done_) + " of " + std::to_string(steps_) +
                          " sampler steps; nothing was written");
    if (evaluations_.empty()) return;
    const auto [fewest, most] = std::minmax_element(evaluations_.begin(), evaluations_.end());
    const double mean = std::accumulate(evaluations_.begin(), evaluations_.end(), 0.0) / static_cast<double>(evaluations_.size());
    char line[96];
    std::snprintf(line, sizeof line, "%.4g evaluations of the network per image, %d to %d", mean, *fewest, *most);
    text_["Evaluations"] = line;
    progress.note(line);
}

void Drawing::write_picture(const fs::path& path, const Tensor& pixels, std::int64_t images) const {
    auto text = text_;
    if (images < list_.size()) text["Images"] = "the first " + std::to_string(images) + " of the seeds";
    write_png(path, {pixels, text});
}

std::vector<fs::path> Drawing::write(const fs::path& folder) {
    if (save_) save_->commit();
    const ModelConfig& config = model_.config;
    const fs::path picture = free_path(folder / picture_name(settings_));
    std::vector<fs::path> paths{picture};
    write_picture(picture, image_grid(shown(pictured_, config.black, config.white), {.scale = settings_.scale}),
                  pictured_.size(0));
    if (film_) {
        paths.push_back(free_path(folder / (picture.stem().string() + "-trajectory.png")));
        write_picture(paths.back(), film_->picture(config, settings_.scale), film_->images());
    }
    if (trace_) write_explanation(picture, paths);
    return paths;
}

void Drawing::write_explanation(const fs::path& picture, std::vector<fs::path>& paths) const {
    std::optional<Statistics> data;
    if (const auto said = model_.description.value("data", nlohmann::json()); said.contains("mean") && said.contains("std"))
        data = Statistics{said.at("mean"), said.at("std")};
    const auto beside = [&](const char* end) { return free_path(picture.parent_path() / (picture.stem().string() + end)); };
    paths.push_back(beside("-explain.tsv"));
    write_trace(paths.back(), trace_->rows());
    paths.push_back(beside("-explain.png"));
    write_picture(paths.back(), plot_trace(trace_->rows(), data), list_.size());
}

}    // namespace

fs::path prepare_outputs(const fs::path& model, const fs::path& outdir, const fs::path& save) {
    check_new(save, "--save");
    const fs::path folder = outdir.empty() ? find_model(model).parent_path() : outdir;
    make_folder(folder);
    check_writable(folder);
    if (!save.empty()) check_writable(save.parent_path());
    return folder;
}

std::int64_t default_batch(const Shape& image) {
    const std::int64_t fitting = 64 * 32 * 32 / (image[0] * image[1]);
    return std::clamp<std::int64_t>(fitting, std::min(thread_count(), 64), 64);
}

std::int64_t most_in_picture(const Shape& image, int scale) {
    const std::int64_t pixels = image[0] * image[1] * scale * scale;
    return std::clamp<std::int64_t>((std::int64_t{1} << 26) / pixels, 1, 4096);
}

std::vector<fs::path> sample_model(const SampleSettings& settings) {
    settings.machine.apply();
    check_plan(settings);
    const fs::path folder = prepare_outputs(settings.model, settings.outdir, settings.save);
    const InterruptGuard guard;
    Model model = load_model(settings.model, settings.model_options);
    model.precision = settings.precision;
    model.unet = moved(model.unet, settings.machine.chosen_device());
    const auto predictor_of = [&](const char* flag, const fs::path& path) {
        if (path.empty()) return std::optional<Predictor>();
        try {
            Predictor predictor = load_predictor(path);
            predictor.net = moved(predictor.net, settings.machine.chosen_device());
            return std::optional(predictor);
        } catch (const Error& error) { throw Error(std::string(flag) + ": " + error.what()); }
    };
    const std::optional<Predictor> predictor = predictor_of("--blind", settings.blind.predictor),
                                   judge = predictor_of("--judge", settings.judge);
    const Predictor* const blind = predictor ? &*predictor : nullptr;
    Drawing drawing(settings, model, blind, judge ? &*judge : blind);
    drawing.run();
    return drawing.write(folder);
}

}    // namespace lull
