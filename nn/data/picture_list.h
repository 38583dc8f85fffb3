// The PNG files of a folder and the classes that they are in, before any is decoded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lull {

struct PictureFile {
    std::string name;          // from the folder on: "cat/003.png"
    std::int32_t label = 0;    // its class
    std::uint64_t bytes = 0;
    std::int64_t time = 0;    // of the last change, in the file system's own units
};

struct PictureList {
    std::filesystem::path folder;
    std::vector<PictureFile> files;                    // by name
    std::vector<std::string> classes;                  // by name; empty when the pictures are in the folder itself
    std::int64_t hidden = 0, jpegs = 0, others = 0;    // what was left aside: hidden things, JPEG files, other files
};

// Looks through a folder. Its own sub-folders are the classes (those that have pictures), with whatever folders inside.
// Throws Error when something cannot be read, when there are pictures both in the folder and in sub-folders, or when a
// class's name is not UTF-8.
PictureList list_pictures(const std::filesystem::path& folder);

}    // namespace lull
