#include "apps/lull/generate.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apps/lull/labels.h"
#include "apps/lull/seeds.h"
#include "engine/io/image_grid.h"
#include "engine/io/png.h"

namespace lull {

std::optional<std::int64_t> first_not_finite(const Tensor& x) {
    const Tensor values = x.contiguous();
    const std::int64_t per_image = x.elements() / x.size(0);
    for (std::int64_t n = 0; n < x.size(0); ++n) {
        const float* image = values.data<float>() + n * per_image;
        if (!std::all_of(image, image + per_image, [](float value) { return std::isfinite(value); })) return n;
    }
    return std::nullopt;
}

Tensor label_tensor(std::span<const std::int32_t> labels, std::int64_t first, std::int64_t count) {
    if (labels.empty()) return {};
    check(first + count <= std::ssize(labels), "labels", "expected one for each image, got ", labels.size());
    Tensor part = empty({count}, DType::i32);
    std::copy_n(labels.begin() + first, count, part.data<std::int32_t>());
    return part;
}

std::vector<double> SamplingPlan::sigmas() const {
    return grid == Grid::cosine ? cosine_sigmas(steps) : karras_sigmas(steps, sigma_min, sigma_max, rho);
}

double SamplingPlan::start_level() const {
    const double first = sigmas().front();
    return choice.sampler == Sampler::ddim ? std::sqrt(1 + sq(first)) : first;
}

BatchSampler ordinary(const ConditionalDenoiser& D, const SamplingPlan& plan) {
    return [D, choice = plan.choice](const Tensor& labels, const Tensor& noise, std::span<const double> sigmas,
                                     const Sampling& run) { return sample(choice, D(labels), noise, sigmas, run); };
}

bool generate(const BatchSampler& sampler, const Shape& image, const ImageList& list, const SamplingPlan& plan,
              std::int64_t batch, const std::function<bool(const SamplerState&)>& on_step,
              const std::function<void(std::int64_t first, const Tensor& images)>& on_batch) {
    check(image.rank() == 3 && batch > 0 && list.size() > 0, "generate", "expected an image (H, W, C), seeds and a batch > 0");
    const std::vector<double> sigmas = plan.sigmas();
    for (std::int64_t first = 0; first < list.size(); first += batch) {
        const std::int64_t count = std::min(batch, list.size() - first);
        bool stopped = false;
        Sampling run;
        run.seeds.assign(list.seeds.begin() + first, list.seeds.begin() + first + count);
        run.on_step = [&](int step, double sigma, const Tensor& there) {
            const Tensor x = there.to(Device::cpu);
            if (const auto bad = first_not_finite(x))
                fail("sample", "step ", step + 1, " of ", sigmas.size() - 1, ", σ ", sigma, ": the image of seed ",
                     run.seeds[static_cast<std::size_t>(*bad)], " is not finite");
            stopped = !on_step({first, step, sigma, x});
            return !stopped;
        };
        const Tensor noise = start_noise(run.seeds, image, plan.start_level(), DType::f32, plan.device);
        if (!on_step({first, -1, sigmas.front(), noise.to(Device::cpu)})) return false;
        const Tensor x = sampler(label_tensor(list.labels, first, count), noise, sigmas, run);
        if (stopped) return false;
        on_batch(first, x.to(Device::cpu).contiguous());
    }
    return true;
}

Tensor generate(const ConditionalDenoiser& D, const Shape& image, const ImageList& list, const SamplingPlan& plan,
                std::int64_t batch, const std::function<bool(const SamplerState&)>& on_step) {
    Tensor images = empty({list.size(), image[0], image[1], image[2]});
    const bool all = generate(ordinary(D, plan), image, list, plan, batch, on_step, [&](std::int64_t first, const Tensor& x) {
        std::copy_n(x.data<float>(), x.elements(), images.data<float>() + first * image.elements());
    });
    return all ? images : Tensor();
}

Tensor shown(const Tensor& images, double black, double white) {
    return affine(images, 2 / (white - black), -(white + black) / (white - black));
}

void write_grid(const std::filesystem::path& path, const Tensor& images, double black, double white,
                const std::map<std::string, std::string>& text, int scale) {
    write_png(path, {image_grid(shown(images, black, white), {.scale = scale}), text});
}

std::map<std::string, std::string> describe(const SamplingPlan& plan, const ImageList& list) {
    std::ostringstream sampler, sigmas;
    sampler << name_of(plan.choice.sampler);
    if (plan.choice.sampler == Sampler::ancestral) sampler << ", eta " << plan.choice.ancestral.eta;
    if (plan.choice.sampler == Sampler::ddim) sampler << ", eta " << plan.choice.ddim.eta << ", clip " << plan.choice.ddim.clip;
    if (plan.choice.sampler == Sampler::lms) sampler << ", order " << plan.choice.lms.order;
    if (const HeunOptions& heun = plan.choice.heun; plan.choice.sampler == Sampler::heun && heun.s_churn > 0)
        sampler << ", S_churn " << heun.s_churn << ", S_min " << heun.s_tmin << ", S_max " << heun.s_tmax << ", S_noise "
                << heun.s_noise;
    if (plan.grid == Grid::cosine)
        sigmas << "cosine, " << plan.sigmas().front() << " to 0";
    else
        sigmas << plan.sigma_max << " to " << plan.sigma_min << ", rho " << plan.rho;
    std::map<std::string, std::string> text{{"Software", "lull " LULL_VERSION},
                                            {"Sampler", sampler.str()},
                                            {"Steps", std::to_string(plan.steps)},
                                            {"Sigmas", sigmas.str()},
                                            {"Seeds", format_seeds(list.seeds)}};
    if (!list.labels.empty()) text["Labels"] = format_labels(list.labels);
    return text;
}

std::map<std::string, std::string> describe(const Model& model, Weights weights) {
    return {{"Software", "lull " LULL_VERSION},
            {"Model", model.file.string()},
            {"Model SHA-256", model_hash(model)},
            {"Weights", model.averaged ? weights == Weights::ema ? "ema" : "raw" : "one set"},
            {"Precision", std::string(name_of(model.precision))}};
}

}    // namespace lull
