// What a data set is, in figures and in a picture.
#pragma once

#include <filesystem>
#include <string>

#include "apps/lull/data_options.h"
#include "apps/lull/options.h"
#include "diffusion/noise_range.h"

namespace lull {

struct DataStatsSettings {
    DataOptions data;
    std::filesystem::path outdir;    // of the picture; empty: the working folder
    MachineOptions machine;
};

// Count, size, classes, range, mean and standard deviation, and which noise levels suit it, with the flags that set them: lines
// of at most 100 columns.
std::string data_report(const ImageDataset& data, const NoiseRange& noise);

// Prints the report, unless quiet, and writes OUTDIR/data-fashion-mnist.png (or …-2.png if that is there), the data sheet.
// Returns its path. Throws Error when the data cannot be read, or the folder not be written to, and UsageError when it lies
// among the data, of which the picture would become a part.
std::filesystem::path show_data(const DataStatsSettings& settings);

}    // namespace lull
