// A folder of the user's own pictures.
#pragma once

#include <filesystem>

#include "nn/data/image_dataset.h"
#include "nn/data/load_options.h"
#include "nn/data/picture_list.h"

namespace lull {

// PNG files of any kind and size, with a label each when they are in class folders. The data set has the folder's name. Says
// how many there are, what was done to them, and what was left aside. With options.cache, the images are kept there decoded
// and resized, and taken from there as long as no file's name, size or time changes; a cache that cannot be written is only
// told. Throws Error when there are no PNG files, or some are broken (naming the first; not with skip_broken).
ImageDataset png_folder(const PictureList& list, const LoadOptions& options = {});
inline ImageDataset png_folder(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    return png_folder(list_pictures(folder), options);
}

}    // namespace lull
