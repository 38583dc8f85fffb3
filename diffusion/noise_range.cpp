#include "diffusion/noise_range.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/cpu/parallel.h"

namespace lull {
namespace {

// 137.2 → 140: up to two digits.
double rounded_up(double value) {
    const double unit = std::pow(10, std::floor(std::log10(value)) - 1);
    return unit * std::ceil(value / unit);
}

}    // namespace

double largest_distance(const ImageDataset& data, std::int64_t count) {
    const Tensor bytes = data.pixels.contiguous();    // (N, H, W, C)
    const std::int64_t size = data.size(), values = bytes.elements() / size;
    count = std::min(count, size);
    const auto image = [&](std::int64_t i) { return bytes.data<std::uint8_t>() + i * size / count * values; };
    std::vector<std::int64_t> largest(static_cast<std::size_t>(count));    // squared, from image i to those after it
    cpu::parallel_for(count, [&](std::int64_t i) {
        const std::uint8_t* a = image(i);
        for (std::int64_t j = i + 1; j < count; ++j) {
            const std::uint8_t* b = image(j);
            std::int64_t sum = 0;
            for (std::int64_t k = 0; k < values; ++k) {
                const int difference = a[k] - b[k];
                sum += difference * difference;
            }
            largest[static_cast<std::size_t>(i)] = std::max(largest[static_cast<std::size_t>(i)], sum);
        }
    });
    const std::int64_t squared = *std::max_element(largest.begin(), largest.end());
    return (data.high - data.low) / 255 * std::sqrt(static_cast<double>(squared));
}

NoiseRange suggest_noise_range(const ImageDataset& data) {
    const NoiseRange edm;
    // count² / 2 pairs of images, 10¹⁰ differences of bytes at most.
    const auto values = static_cast<double>(data.pixels.elements() / data.size());
    const std::int64_t fitting = std::max<std::int64_t>(2, std::lround(std::sqrt(2e10 / values)));
    const std::int64_t compared = std::min({data.size(), std::int64_t{500}, fitting});
    const double distance = largest_distance(data, compared), std = data.statistics().std;
    return {.distance = distance,
            .compared = compared,
            .sigma_min = edm.sigma_min * (data.high - data.low) / 2,
            .sigma_max = distance > edm.sigma_max ? rounded_up(distance) : edm.sigma_max,
            .training = {.mean = std > 0 ? edm.training.mean + std::log(std / 0.5) : edm.training.mean, .std = edm.training.std}};
}

}    // namespace lull
