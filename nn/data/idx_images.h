// Images in IDX files, the format of MNIST and its relatives.
#pragma once

#include <filesystem>
#include <optional>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace lull {

// Images (N, H, W), or (N, H, W, C) with C = 1 or 3; labels (N), or an empty path for none. Throws Error("PATH: …") as load_idx
// does, and when they do not go together.
ImageDataset idx_images(const std::filesystem::path& images, const std::filesystem::path& labels);

// The labels' file that belongs to one of images, "train-labels-idx1-ubyte.gz" to "train-images-idx3-ubyte" or the like;
// empty when there is none.
std::filesystem::path idx_labels_beside(const std::filesystem::path& images);

// The file of images of a split in a folder: MNIST's own name, or the only IDX file that is named in its manner
// ("emnist-letters-train-images-idx3-ubyte.gz"). Nothing when there is none. Throws Error when there are several, listing them,
// and when the only one is of the other split by its name.
std::optional<std::filesystem::path> find_idx_images(const std::filesystem::path& folder, Split split);

}    // namespace lull
