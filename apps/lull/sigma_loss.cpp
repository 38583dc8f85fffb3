#include "apps/lull/sigma_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace lull {

using nlohmann::json;

namespace {

constexpr double kWidth = 0.5, kReach = 2;    // in standard deviations of ln σ

double sigma_at(const LogNormal& spread, double deviations) { return std::exp(spread.mean + spread.std * deviations); }

}    // namespace

std::vector<ImageLoss> read(std::span<const ImageLosses> passes) {
    std::vector<ImageLoss> images;
    for (const ImageLosses& pass : passes) {
        const std::vector<double> sigmas = pass.sigma.values(), losses = pass.loss.values();
        for (std::size_t i = 0; i < sigmas.size(); ++i) images.push_back({sigmas[i], losses[i]});
    }
    return images;
}

std::size_t SigmaBuckets::operator()(double sigma) const {
    const double deviations = (std::log(sigma) - spread.mean) / spread.std;
    const double bucket = std::clamp(std::floor((deviations + kReach) / kWidth), 0.0, kCount - 1.0);
    return static_cast<std::size_t>(bucket);
}

std::array<double, SigmaBuckets::kCount - 1> SigmaBuckets::bounds() const {
    std::array<double, kCount - 1> bounds{};
    for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = sigma_at(spread, kWidth * double(i + 1) - kReach);
    return bounds;
}

std::array<double, SigmaBuckets::kCount> SigmaBuckets::centres() const {
    std::array<double, kCount> centres{};
    for (std::size_t i = 0; i < kCount; ++i) centres[i] = sigma_at(spread, kWidth * (double(i) + 0.5) - kReach);
    return centres;
}

void SigmaMeans::add(std::size_t bucket, double image_loss) {
    ++images[bucket];
    loss[bucket] += (image_loss - loss[bucket]) / double(images[bucket]);
}

void SigmaMeans::add(const SigmaMeans& more) {
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (more.images[i] == 0) continue;
        images[i] += more.images[i];
        loss[i] += (more.loss[i] - loss[i]) * double(more.images[i]) / double(images[i]);
    }
}

json to_json(const SigmaMeans& means) { return {{"images", means.images}, {"loss", means.loss}}; }

SigmaMeans sigma_means_from_json(const json& means) {
    SigmaMeans read;
    means.at("loss").get_to(read.loss);
    means.at("images").get_to(read.images);
    return read;
}

std::string worst_sigmas(std::span<const ImageLoss> images) {
    if (images.empty()) return "";
    double low = std::numeric_limits<double>::infinity(), high = 0;
    std::size_t broken = 0;
    for (const ImageLoss& image : images) {
        if (std::isfinite(image.loss)) continue;
        ++broken;
        low = std::min(low, image.sigma);
        high = std::max(high, image.sigma);
    }
    std::ostringstream text;
    text.precision(3);
    if (broken > 0) {
        text << broken << " of " << images.size() << " images have no finite loss, at sigma " << low << " to " << high;
    } else {
        const ImageLoss& worst = *std::max_element(images.begin(), images.end(),
                                                   [](const ImageLoss& a, const ImageLoss& b) { return a.loss < b.loss; });
        text << "the largest loss of its " << images.size() << " images, " << worst.loss << ", is at sigma " << worst.sigma;
    }
    return text.str();
}

}    // namespace lull
