#include "apps/lull/sigma_loss.h"

#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/tensor.h"

using namespace lull;

TEST_CASE("buckets hold the share of noise levels that the normal distribution says") {
    const SigmaBuckets buckets{LogNormal{}};
    std::vector<std::uint64_t> positions(40'000);
    std::iota(positions.begin(), positions.end(), 0);
    SigmaMeans means;
    for (const double sigma : draw_sigmas(buckets.noise_distribution, 3, positions).values()) means.add(buckets(sigma), sigma);
    // Φ(-1.5), then the differences of Φ at half standard deviations; 5 standard errors of a share are 0.01.
    const double shares[] = {0.0668, 0.0919, 0.1499, 0.1915, 0.1915, 0.1499, 0.0919, 0.0668};
    const auto bounds = buckets.bounds();
    for (std::size_t i = 0; i < SigmaBuckets::kCount; ++i) {
        CHECK(std::abs(double(means.images[i]) / 40'000 - shares[i]) < 0.01);
        if (i > 0) CHECK(means.loss[i] > bounds[i - 1]);
        if (i + 1 < SigmaBuckets::kCount) CHECK(means.loss[i] < bounds[i]);
    }
    CHECK(buckets(0) == 0);
    CHECK(buckets(std::numeric_limits<double>::infinity()) == 7);
    CHECK(bounds[3] == doctest::Approx(std::exp(-1.2)));
}

TEST_CASE("means of parts make the mean of the whole, and come back from JSON bit for bit") {
    SigmaMeans whole, first, second;
    for (int i = 0; i < 10; ++i) {
        whole.add(2, i * 0.1);
        (i < 3 ? first : second).add(2, i * 0.1);
    }
    first.add(second);
    CHECK(first.images == whole.images);
    CHECK(first.loss[2] == doctest::Approx(0.45));
    CHECK(whole.loss[2] == doctest::Approx(0.45));
    CHECK(first.loss[0] == 0);
    const SigmaMeans read = sigma_means_from_json(nlohmann::json::parse(to_json(first).dump()));
    CHECK(read.loss == first.loss);
    CHECK(read.images == first.images);
}

TEST_CASE("the worst noise levels are those without a finite loss, or else that of the largest") {
    const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    CHECK(worst_sigmas(std::vector<ImageLoss>{{0.5, 1}, {3, nan}, {0.1, inf}, {2, 7}}) ==
          "2 of 4 images have no finite loss, at sigma 0.1 to 3");
    CHECK(worst_sigmas(std::vector<ImageLoss>{{0.5, 1}, {2, 7}}) == "the largest loss of its 2 images, 7, is at sigma 2");
    CHECK(worst_sigmas({}).empty());
}
