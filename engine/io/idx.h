// The IDX format of MNIST and its relatives (yann.lecun.com/exdb/mnist).
#pragma once

#include <filesystem>

#include "engine/tensor.h"

namespace lull {

// Whether a file, compressed by gzip or not, begins as an IDX file of any element type does. Throws Error("PATH: …") when it
// cannot be opened or its compression is damaged.
bool begins_as_idx(const std::filesystem::path& path);

// Reads a file of unsigned bytes, compressed by gzip or not: images u8 (N, H, W), labels u8 (N). Throws Error("PATH: …")
// when it is missing, truncated, damaged, or of another element type.
Tensor load_idx(const std::filesystem::path& path);

}    // namespace lull
