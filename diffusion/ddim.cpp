#include "diffusion/ddim.h"

#include "diffusion/schedule.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {

double ddim_noise(double eta, double alpha_bar, double alpha_bar_next) {
    if (alpha_bar_next == 1) return 0;
    return eta * std::sqrt((1 - alpha_bar_next) / (1 - alpha_bar)) * std::sqrt(1 - alpha_bar / alpha_bar_next);
}

Tensor sample_ddim(const Denoiser& D, Tensor x, std::span<const double> sigmas, const DdimOptions& options, const Sampling& run) {
    const auto& [eta, clip, stop_noise, estimate] = options;
    const int steps = count_steps("sample_ddim", sigmas), more = estimate && sigmas.back() == 0 ? 1 : 0;
    check(eta >= 0, "sample_ddim", "expected eta ≥ 0, got ", eta);
    check(clip > 0, "sample_ddim", "expected clip > 0, got ", clip);
    check(stop_noise >= 0, "sample_ddim", "expected stop_noise ≥ 0, got ", stop_noise);

    Tensor x_t = std::sqrt(alpha_bar(sigmas[0])) * x;
    for (int i = 0; i < steps + more; ++i) {
        const double sigma = sigmas[i], sigma_next = i < steps ? sigmas[i + 1] : 0;
        const double abar = alpha_bar(sigma), abar_next = alpha_bar(sigma_next);
        DdimEstimate hat{.y = {}, .eps = {}, .sigma_eta = ddim_noise(eta, abar, abar_next)};
        if (estimate) {
            hat = estimate(x_t, {abar, abar_next, hat.sigma_eta});
        } else {
            hat.y = D(x_t / std::sqrt(abar), sigma);
            hat.eps = (x_t - std::sqrt(abar) * hat.y) / std::sqrt(1 - abar);
        }
        check(hat.y.shape() == x.shape() && hat.eps.shape() == x.shape(), "sample_ddim", "expected estimates like ", x, ", got ",
              hat.y, " and ", hat.eps);
        if (std::isfinite(clip)) hat.y = clamp(hat.y, -clip, clip);
        hat.sigma_eta = std::min(hat.sigma_eta, std::sqrt(1 - abar_next));
        if (stop_noise > 0 && 1 - abar_next <= sq(hat.sigma_eta) + stop_noise) hat.sigma_eta = 0;

        x_t = std::sqrt(abar_next) * hat.y + std::sqrt(1 - abar_next - sq(hat.sigma_eta)) * hat.eps;
        if (hat.sigma_eta > 0) x_t = x_t + hat.sigma_eta * run.noise(x_t, i);
        x = x_t / std::sqrt(abar_next);
        if (!run.step_done(i, sigma_next, x)) break;
    }
    return x;
}

}    // namespace lull
