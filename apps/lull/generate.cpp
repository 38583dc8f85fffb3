#include "apps/lull/generate.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "apps/lull/seeds.h"
#include "engine/io/image_grid.h"
#include "engine/io/png.h"

namespace lull {

Tensor generate(const Denoiser& D, const Shape& image, std::span<const std::uint64_t> seeds, const SamplingPlan& plan,
                std::int64_t batch, const std::function<void(std::int64_t)>& on_step) {
    check(image.rank() == 3 && batch > 0 && !seeds.empty(), "generate", "expected an image (H, W, C), seeds and a batch > 0");
    const auto count = static_cast<std::int64_t>(seeds.size());
    const std::vector<double> sigmas = plan.sigmas();
    Tensor images = empty({count, image[0], image[1], image[2]});
    std::int64_t steps_done = 0;

    for (std::int64_t first = 0; first < count; first += batch) {
        const auto part =
            seeds.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(batch, count - first)));
        Sampling run;
        run.seeds.assign(part.begin(), part.end());
        run.on_step = [&](int, double, const Tensor&) {
            if (on_step) on_step(++steps_done);
            return true;
        };
        const Tensor x = sample(plan.choice, D, start_noise(part, image, plan.sigma_max), sigmas, run).contiguous();
        std::memcpy(images.data<float>() + first * image.elements(), x.data<float>(),
                    static_cast<std::size_t>(x.elements()) * sizeof(float));
    }
    return images;
}

void write_grid(const std::filesystem::path& path, const Tensor& images, double black, double white,
                const std::map<std::string, std::string>& text, int scale) {
    // image_grid shows [-1, 1].
    const Tensor shown = affine(images, 2 / (white - black), -(white + black) / (white - black));
    write_png(path, {image_grid(shown, {.scale = scale}), text});
}

std::map<std::string, std::string> describe(const SamplingPlan& plan, std::span<const std::uint64_t> seeds) {
    std::ostringstream sampler, sigmas;
    sampler << name_of(plan.choice.sampler);
    if (plan.choice.sampler == Sampler::ancestral) sampler << ", eta " << plan.choice.ancestral.eta;
    if (plan.choice.sampler == Sampler::lms) sampler << ", order " << plan.choice.lms.order;
    if (const HeunOptions& heun = plan.choice.heun; plan.choice.sampler == Sampler::heun && heun.s_churn > 0)
        sampler << ", S_churn " << heun.s_churn << ", S_min " << heun.s_tmin << ", S_max " << heun.s_tmax << ", S_noise "
                << heun.s_noise;
    sigmas << plan.sigma_max << " to " << plan.sigma_min << ", rho " << plan.rho;
    return {{"Software", "lull"},
            {"Sampler", sampler.str()},
            {"Steps", std::to_string(plan.steps)},
            {"Sigmas", sigmas.str()},
            {"Seeds", format_seeds(seeds)}};
}

}    // namespace lull
