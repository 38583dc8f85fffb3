// A data set at a glance.
#pragma once

#include "nn/data/image_dataset.h"

namespace lull {

// Examples that lie evenly in the data set: of each class, with its name in front; without classes up to 64. u8 (H, W, 3), at
// most 40 rows of 10: images larger than 128 pixels are made smaller, small ones shown larger, and of more classes the first
// ones are shown.
Tensor data_sheet(const ImageDataset& data);

}    // namespace lull
