#include "diffusion/noise_range.h"

#include <algorithm>
#include <array>
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

constexpr std::int64_t kBlock = 16;      // images
constexpr std::int64_t kPiece = 8192;    // values of each at a time: two blocks of them fit a cache, and a sum fits 32 bits

// Of at most kPiece values.
std::int32_t squared_distance(const std::uint8_t* a, const std::uint8_t* b, std::int64_t values) {
    std::int32_t sum = 0;    // 32 bits: the compiler makes vectors of it
    for (std::int64_t k = 0; k < values; ++k) {
        const std::int32_t difference = a[k] - b[k];
        sum += difference * difference;
    }
    return sum;
}

}    // namespace

double largest_distance(const ImageDataset& data, std::int64_t count) {
    const Tensor bytes = data.pixels.contiguous();    // (N, H, W, C)
    const std::int64_t size = data.size(), values = bytes.elements() / size;
    count = std::min(count, size);
    const auto image = [&](std::int64_t i) { return bytes.data<std::uint8_t>() + i * size / count * values; };
    // Images in blocks, and pairs of blocks as pieces of work: equal ones, whose images are read from cache many times over.
    const std::int64_t blocks = (count + kBlock - 1) / kBlock;
    std::vector<std::int64_t> largest(static_cast<std::size_t>(blocks * blocks));    // squared, between two blocks
    cpu::parallel_for(blocks * blocks, [&](std::int64_t pair) {
        const std::int64_t first = pair / blocks * kBlock, second = pair % blocks * kBlock;
        if (first > second) return;    // the same pair, the other way round
        std::array<std::int64_t, kBlock * kBlock> sums{};
        for (std::int64_t k = 0; k < values; k += kPiece)
            for (std::int64_t i = first; i < std::min(first + kBlock, count); ++i)
                for (std::int64_t j = second; j < std::min(second + kBlock, count); ++j)
                    sums[static_cast<std::size_t>((i - first) * kBlock + j - second)] +=
                        squared_distance(image(i) + k, image(j) + k, std::min(kPiece, values - k));
        largest[static_cast<std::size_t>(pair)] = *std::max_element(sums.begin(), sums.end());
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
