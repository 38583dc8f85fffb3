#include "nn/data/load_images.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/io/file.h"
#include "nn/data/cifar10.h"
#include "nn/data/fashion_mnist.h"
#include "nn/data/idx_images.h"
#include "nn/data/png_folder.h"
#include "nn/data/prepare.h"

namespace lull {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLookedFor =
    "IDX files named as MNIST's (train-images-idx3-ubyte, .gz or not), CIFAR-10's binary version (data_batch_1.bin and others), "
    "or PNG pictures, in the folder itself or in one folder per class";

ImageDataset idx(const fs::path& images, const LoadOptions& options) {
    const fs::path labels = options.labels.empty() ? idx_labels_beside(images) : options.labels;
    return prepared(idx_images(images, labels), options, Fit::pad);
}

ImageDataset from_folder(const fs::path& folder, const LoadOptions& options) {
    if (const auto images = find_idx_images(folder, options.split)) return idx(*images, options);
    if (has_cifar10(folder)) return prepared(cifar10(options.split, folder), options, Fit::crop);
    check_file(!fs::exists(folder / "data_batch_1"), folder,
               "has CIFAR-10's Python version; lull reads the binary one, cifar-10-binary.tar.gz");
    const PictureList pictures = list_pictures(folder);
    check_file(!pictures.files.empty() || pictures.jpegs > 0, folder, "no data set here: expected ", kLookedFor);
    return png_folder(pictures, options);
}

// The first bytes of a file.
std::string beginning(const fs::path& path) {
    std::array<char, 8> bytes{};
    std::ifstream in(path, std::ios::binary);
    in.read(bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(in.gcount())};
}

ImageDataset from_file(const fs::path& path, const LoadOptions& options) {
    const std::string first = beginning(path), extension = path.extension().string();
    check_file(!first.starts_with("\x89PNG"), path, "is one picture; expected the folder that has them");
    check_file(!first.starts_with("PK") && !path.string().ends_with(".tar.gz") && extension != ".tar" && extension != ".tgz",
               path, "is an archive; unpack it, and name the folder");
    if (extension == ".bin") return prepared(cifar10_file(path), options, Fit::crop);
    const bool zipped = first.starts_with("\x1f\x8b"),
               plain = first.size() >= 4 && first.starts_with(std::string_view("\0\0", 2));
    check_file(zipped || plain, path, "not a data set: expected images in IDX format, one of CIFAR-10's .bin files, or a folder");
    return idx(path, options);
}

}    // namespace

ImageDataset load_images(const fs::path& path, const LoadOptions& options) try {
    if (options.size)
        check(options.size->width > 0 && options.size->height > 0, "load_images", "expected a size with pixels, got ",
              to_string(*options.size));
    if (path.empty()) return prepared(fashion_mnist(options.split, {}, 28), options, Fit::pad);
    check_file(fs::exists(path), path, "no such file or folder");
    return fs::is_directory(path) ? from_folder(path, options) : from_file(path, options);
} catch (const fs::filesystem_error& error) { fail_file(error.path1(), "cannot be read: ", error.code().message()); }

bool has_part(const fs::path& path, Split split) try {
    if (path.empty() || !fs::exists(path) || has_cifar10(path)) return true;
    if (!fs::is_directory(path)) return false;
    return find_idx_images(path, split).has_value();
} catch (const fs::filesystem_error&) { return true; }

fs::path default_image_cache() {
    const char *const cache = std::getenv("XDG_CACHE_HOME"), *const home = std::getenv("HOME");
    if (cache && *cache == '/') return fs::path(cache) / "lull";    // the standard ignores relative ones
    return home && *home ? fs::path(home) / ".cache" / "lull" : fs::path();
}

}    // namespace lull
