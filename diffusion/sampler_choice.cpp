#include "diffusion/sampler_choice.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

namespace lull {
namespace {

constexpr std::array<std::string_view, 4> kNames{"euler", "ancestral", "heun", "lms"};

// Insertions, deletions, replacements and swaps of neighbours that lead from a to b.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

}    // namespace

std::string_view name_of(Sampler sampler) { return kNames.at(static_cast<std::size_t>(sampler)); }

Sampler parse_sampler(std::string_view name) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found != kNames.end()) return static_cast<Sampler>(found - kNames.begin());

    const auto closest = std::min_element(kNames.begin(), kNames.end(), [&](std::string_view a, std::string_view b) {
        return edit_distance(name, a) < edit_distance(name, b);
    });
    // Half of the letters must be right to call it a slip.
    const bool likely = 2 * edit_distance(name, *closest) <= closest->size();
    const std::string hint = likely ? "; did you mean '" + std::string(*closest) + "'?" : std::string();
    std::string all;
    for (const std::string_view known : kNames) all += (all.empty() ? "" : ", ") + std::string(known);
    fail("sampler", "unknown sampler '", name, "'", hint, " (", all, ")");
}

Tensor sample(const SamplerChoice& choice, const Denoiser& D, Tensor x, std::span<const double> sigmas, const Sampling& run) {
    switch (choice.sampler) {
        case Sampler::euler:
            return sample_euler(D, std::move(x), sigmas, run);
        case Sampler::ancestral:
            return sample_ancestral(D, std::move(x), sigmas, choice.ancestral, run);
        case Sampler::heun:
            return sample_heun(D, std::move(x), sigmas, choice.heun, run);
        case Sampler::lms:
            return sample_lms(D, std::move(x), sigmas, choice.lms, run);
    }
    fail("sampler", "unknown sampler ", static_cast<int>(choice.sampler));
}

int evaluations(Sampler sampler, int steps) { return sampler == Sampler::heun ? 2 * steps - 1 : steps; }

}    // namespace lull
