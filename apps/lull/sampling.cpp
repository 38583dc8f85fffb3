#include "apps/lull/sampling.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <system_error>

#include "apps/lull/progress.h"
#include "apps/lull/run_folder.h"
#include "apps/lull/seeds.h"
#include "engine/io/file.h"
#include "engine/io/safetensors.h"

namespace lull {

namespace fs = std::filesystem;

namespace {

void check_plan(const SampleSettings& s) {
    check_usage(!s.seeds.empty(), "--seeds", "expected at least one seed");
    check_usage(s.plan.sigma_min < s.plan.sigma_max, "--sigma-min", "expected less than --sigma-max ", s.plan.sigma_max, ", got ",
                s.plan.sigma_min);
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

bool all_finite(const Tensor& images) {
    const float* values = images.data<float>();
    return std::all_of(values, values + images.elements(), [](float value) { return std::isfinite(value); });
}

}    // namespace

fs::path sample_model(const SampleSettings& settings) {
    settings.machine.apply();
    check_plan(settings);
    const fs::path checkpoint = find_model(settings.model);
    // What stands in the way is better known before the work than after it.
    check_file(settings.save.empty() || !fs::exists(settings.save), settings.save, "exists; choose another name for --save");
    const fs::path folder = settings.outdir.empty() ? checkpoint.parent_path() : settings.outdir;
    std::error_code error;
    if (!folder.empty()) fs::create_directories(folder, error);
    check_file(!error, folder, "cannot make this folder: ", error.message());
    check_writable(folder);
    if (!settings.save.empty()) check_writable(settings.save.parent_path());

    const Model model = load_model(settings.model, settings.model_options);
    const auto count = std::ssize(settings.seeds);
    const std::int64_t batches = (count + settings.batch - 1) / settings.batch;
    Tensor images;
    {
        Progress progress(std::cerr, progress_style(settings.machine.quiet), "sampler step", batches * settings.plan.steps);
        images = generate(model.denoiser(), model.config.image(), settings.seeds, settings.plan, settings.batch,
                          [&](std::int64_t done) { progress.update(done, images_of(count)); });
    }
    check_file(all_finite(images), checkpoint, "draws values that are not finite, with these settings at least");
    if (!settings.save.empty()) save_safetensors(settings.save, {{{"images", to_pytorch_layout(images)}}, {}});

    auto text = describe(settings.plan, settings.seeds);
    text["Model"] = checkpoint.string();
    text["Model SHA-256"] = model_hash(model);
    text["Weights"] = settings.model_options.weights == Weights::ema ? "ema" : "raw";
    const fs::path picture = free_path(folder / picture_name(settings));
    write_grid(picture, images, model.config.black, model.config.white, text, settings.scale);
    return picture;
}

}    // namespace lull
