// Which images a command works on: the flags that say so, and the same in a checkpoint's description.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"

namespace CLI {
class App;
}

namespace lull {

struct DataOptions {
    std::filesystem::path path;    // empty: Fashion-MNIST, where it is installed
    LoadOptions load;              // how; its cache and say are load_data's business
    bool use_cache = true;         // of decoded pictures
};

// --data, --size, --fit, --grey, --colour, --split, --data-labels, --skip-broken, --no-cache.
void add_data_options(CLI::App& app, DataOptions& options);

// The data set, and in notes (if wanted) lines that say what was found and done. Throws as load_images does.
ImageDataset load_data(const DataOptions& options, std::vector<std::string>* notes = nullptr);

// Those of the flags that are not at their defaults, with absolute paths, under their names: {"data": "/my/cats", "size":
// "48x32", "skip_broken": true}.
nlohmann::json to_json(const DataOptions& options);

// What a checkpoint says about the data that it was trained on: name, count, size, range, statistics, classes and
// fingerprint, and under "source" the options, as to_json has them.
nlohmann::json describe(const ImageDataset& data, const DataOptions& options);

// The options that stand in such a description; those of Fashion-MNIST where it has none. Throws Error when it is damaged.
DataOptions data_options_from_json(const nlohmann::json& description);

// Throws Error unless the data set has the description's fingerprint; `run` is named as the one that it belongs to.
void check_same_data(const ImageDataset& data, const nlohmann::json& description, const std::filesystem::path& run);

// "fashion-mnist": the data set's name as a part of file names.
std::string file_name_of(const ImageDataset& data);

}    // namespace lull
