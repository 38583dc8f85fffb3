// Data sets of any kind that lull reads, found by what is there.
#pragma once

#include <filesystem>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace lull {

// path may be
//   empty            Fashion-MNIST, where it is installed (nn/data/fashion_mnist.h)
//   a folder         of IDX files named as MNIST's, of CIFAR-10's binary files, or of PNG pictures (nn/data/png_folder.h)
//   a file           of images in IDX format, or one of CIFAR-10's
// Throws Error when there is nothing of the kind (it says what was looked for), or a file is missing, damaged or truncated.
ImageDataset load_images(const std::filesystem::path& path, const LoadOptions& options = {});

// Whether LoadOptions::split means anything here: pictures and single files have no parts, and a folder may have one alone.
// True where load_images will say what else is wrong.
bool has_part(const std::filesystem::path& path, Split split);

// Where decoded pictures are kept unless one says otherwise: $XDG_CACHE_HOME/lull, or ~/.cache/lull; empty without a home.
std::filesystem::path default_image_cache();

}    // namespace lull
