// Which noise levels suit a data set.
#pragma once

#include <cstdint>

#include "diffusion/sigmas.h"
#include "nn/data/image_dataset.h"

namespace lull {

// The largest Euclidean distance between two of the images, in the data set's range, among `count` of them that lie evenly
// in it (all, if there are fewer). 0 of a single image.
double largest_distance(const ImageDataset& data, std::int64_t count = 500);

// sigma_max: EDM's 80, or more if images lie further apart: noise must be able to carry any image to any other (Song & Ermon
//            2020, arXiv 2006.09011, technique 1: σ_max as large as the largest distance between two training images).
// sigma_min: EDM's 0.002, below half of what one byte is of the range (0.004 of [-1, 1]); in proportion for another range.
// training:  EDM's ln σ ~ N(-1.2, 1.2²) was chosen for σ_data = 0.5; the same noise relative to other data is ln(σ_data / 0.5)
//            higher.
struct NoiseRange {
    double distance = 0;          // the largest between two images
    std::int64_t compared = 0;    // of this many: 500, fewer of large images, so that it takes about a second
    double sigma_min = 0.002, sigma_max = 80;
    LogNormal training;
};

NoiseRange suggest_noise_range(const ImageDataset& data);

}    // namespace lull
