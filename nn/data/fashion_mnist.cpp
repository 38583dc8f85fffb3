#include "nn/data/fashion_mnist.h"

#include <cstdlib>
#include <string>

#include "engine/io/file.h"
#include "nn/data/idx_images.h"

namespace lull {
namespace {

using Path = std::filesystem::path;

constexpr const char* kDebianFolder = "/usr/share/datasets/fashion-mnist";

Path folder_or_default(const Path& folder) { return folder.empty() ? fashion_mnist_folder() : folder; }

// FOLDER/NAME.gz or FOLDER/NAME, whichever is there.
Path find(const Path& folder, const std::string& name) {
    const Path zipped = folder / (name + ".gz"), plain = folder / name;
    return std::filesystem::exists(plain) && !std::filesystem::exists(zipped) ? plain : zipped;
}

Path images_of(const Path& folder, Split split) {
    return find(folder, split == Split::train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte");
}

Path labels_of(const Path& folder, Split split) {
    return find(folder, split == Split::train ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte");
}

void check_there(const Path& path) {
    check_file(std::filesystem::exists(path), path,
               "no such file; install Debian's package dataset-fashion-mnist, or name the folder ",
               "that has Fashion-MNIST with LULL_DATA or --data");
}

}    // namespace

Path fashion_mnist_folder() {
    const char* const chosen = std::getenv("LULL_DATA");
    return chosen && *chosen ? chosen : kDebianFolder;
}

ImageDataset fashion_mnist(Split split, const Path& folder, int size) {
    const Path where = folder_or_default(folder), images_path = images_of(where, split), labels_path = labels_of(where, split);
    check_there(images_path);
    check_there(labels_path);
    ImageDataset data = idx_images(images_path, labels_path);
    data.name = split == Split::train ? "Fashion-MNIST" : "Fashion-MNIST test set";
    data.classes = {kFashionMnistClasses.begin(), kFashionMnistClasses.end()};
    return data.padded(size);
}

bool has_fashion_mnist(const Path& folder) {
    const Path where = folder_or_default(folder);
    for (const Split split : {Split::train, Split::test})
        if (!std::filesystem::exists(images_of(where, split)) || !std::filesystem::exists(labels_of(where, split))) return false;
    return true;
}

}    // namespace lull
