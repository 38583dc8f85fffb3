// Decoded pictures kept in a file, so that the next run need not decode them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nn/data/image_dataset.h"

namespace lull {

// What decoding gave: the images, and the lines that were said about them.
struct DecodedPictures {
    ImageDataset data;
    std::vector<std::string> notes;
};

// One file in a folder. `source` says where the pictures are and how they were prepared, and decides the file's name, so
// that the next state of the same pictures takes the place of the last. `state` says which files there were, with their
// sizes and times: it is kept in the file in full, and what was made from another state is not used.
class ImageCache {
  public:
    ImageCache(const std::filesystem::path& folder, const std::string& name, const std::string& source, std::string state);

    const std::filesystem::path& path() const { return path_; }
    std::optional<DecodedPictures> load() const;         // nothing unless it is there, whole, and of this state
    void save(const DecodedPictures& pictures) const;    // makes the folder; throws Error when that cannot be

  private:
    std::filesystem::path path_;
    std::string state_;
};

}    // namespace lull
