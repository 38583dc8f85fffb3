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
    bool split_given = false;      // load.split is a flag's, not the default
};

// --data, --size, --fit, --grey, --colour, --split, --data-labels, --skip-broken, --no-cache.
void add_data_options(CLI::App& app, DataOptions& options);

// The same without --size, --grey and --colour, for a command whose model says what images it takes.
void add_model_data_options(CLI::App& app, DataOptions& options);

// The data for a model of images (H, W, C): what --data names, or else what it was trained on, as its description's "data" has
// it, with the other flags applied; Fashion-MNIST when there is no description (it is null). Throws Error when that is damaged.
DataOptions data_of_model(const DataOptions& flags, const nlohmann::json& description, const Shape& image);

// The data set, and in notes (if wanted) lines that say what was found and done. Throws as load_images does.
ImageDataset load_data(const DataOptions& options, std::vector<std::string>* notes = nullptr);

// Those of the flags that are not at their defaults, with absolute paths, under their names: {"data": "/my/cats", "size":
// "48x32", "skip_broken": true}.
nlohmann::json to_json(const DataOptions& options);

// What a checkpoint says about the data that it was trained on: name, count, size, range, statistics, classes and
// fingerprint, and under "source" the options, as to_json has them.
nlohmann::json describe(const ImageDataset& data, const DataOptions& options);

// The part "data" of what a checkpoint says; null when it has none, or none that says where the data are.
nlohmann::json data_part(const nlohmann::json& description);

// The options that stand in such a description; those of Fashion-MNIST where it has none. Throws Error when it is damaged.
DataOptions data_options_from_json(const nlohmann::json& description);

// Throws Error unless the data set has the description's fingerprint; `run` is named as the one that it belongs to.
void check_same_data(const ImageDataset& data, const nlohmann::json& description, const std::filesystem::path& run);

// Throws UsageError, with a size that will do, unless a network of so many levels can halve the images between them.
void check_size(const ImageDataset& data, int levels);

// Puts the data where `now` says that it was moved, as far as it does. Throws Error, naming the run, when it is not there.
void move_data(DataOptions& data, const DataOptions& now, const std::filesystem::path& run);

// "fashion-mnist": the data set's name as a part of file names.
std::string file_name_of(const ImageDataset& data);

}    // namespace lull
