// Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28×28, in 10 classes (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747).
#pragma once

#include <array>
#include <filesystem>
#include <string_view>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace lull {

inline constexpr std::array<std::string_view, 10> kFashionMnistClasses{"t-shirt", "trouser", "pullover", "dress", "coat",
                                                                       "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};

// Where its files are when no folder is named: in the folder that the environment variable LULL_DATA names; if that is not
// set, where Debian's package dataset-fashion-mnist puts them.
std::filesystem::path fashion_mnist_folder();

// Padded with black to size × size, values in [-1, 1]. 28 leaves the images as they are.
// The four files, gzipped or plain, are looked for in folder, or in fashion_mnist_folder() if that is empty. Throws Error when
// a file is missing (it says what to install) or is not what it should be.
ImageDataset fashion_mnist(Split split, const std::filesystem::path& folder = {}, int size = 32);

// Whether fashion_mnist would find its files.
bool has_fashion_mnist(const std::filesystem::path& folder = {});

}    // namespace lull
