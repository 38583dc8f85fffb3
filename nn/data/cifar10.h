// CIFAR-10: 50,000 + 10,000 colour images, 32×32, in 10 classes (Krizhevsky 2009), in its binary version.
#pragma once

#include <filesystem>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace lull {

// A file of records of 3,073 bytes: the label, then 32×32 bytes each of red, green and blue. Throws Error when it is missing,
// not a whole number of records, or has a label above 9.
ImageDataset cifar10_file(const std::filesystem::path& path);

// data_batch_1.bin to data_batch_5.bin of a folder, or test_batch.bin. Classes are named as in batches.meta.txt, if that is
// there. Throws Error as above.
ImageDataset cifar10(Split split, const std::filesystem::path& folder);

// Whether a folder has any of its files.
bool has_cifar10(const std::filesystem::path& folder);

}    // namespace lull
