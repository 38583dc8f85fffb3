// How images are read from a disk.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "nn/data/resize.h"

namespace lull {

// Of data sets that come in two parts.
enum class Split { train, test };

// What pixels are to be: as the files are (grey if all of them are), or one of the two for all.
enum class Colours { as_files, grey, colour };

struct LoadOptions {
    // Unless given: the images' own size when all have the same one, with sides of at most 64 that are multiples of 8 (so
    // that a U-Net can halve them three times); otherwise 32×32.
    std::optional<ImageSize> size;
    std::optional<Fit> fit;    // unless given: pad for IDX files (MNIST's 28×28 become 32×32), otherwise crop
    Colours colours = Colours::as_files;
    Split split = Split::train;                     // of Fashion-MNIST, IDX and CIFAR-10; a folder of pictures has no parts
    std::filesystem::path labels;                   // IDX: the labels' file; empty: the one beside the images, if there is one
    bool skip_broken = false;                       // pictures: leave out what cannot be read, instead of an error
    std::filesystem::path cache;                    // pictures: the folder that keeps them decoded; empty: none
    std::function<void(const std::string&)> say;    // called with a line about what was found and done; may be empty
};

// Lines for a user to read.
inline void say(const LoadOptions& options, const std::string& line) {
    if (options.say) options.say(line);
}

}    // namespace lull
