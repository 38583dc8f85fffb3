#include "nn/data/idx_images.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/idx.h"
#include "nn/data/fashion_mnist.h"

namespace lull {
namespace {

using Path = std::filesystem::path;

// The name with `from` replaced; unchanged when it has none.
std::string replaced(std::string name, std::string_view from, std::string_view to) {
    const std::size_t at = name.find(from);
    return at == std::string::npos ? name : name.replace(at, from.size(), to);
}

bool has(const std::string& name, std::string_view part) { return name.find(part) != std::string::npos; }

bool is_of(const std::string& name, Split split) {
    return split == Split::train ? has(name, "train") : has(name, "t10k") || has(name, "test");
}

const char* mnist_name(Split split) { return split == Split::train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte"; }

// Fashion-MNIST and MNIST have files of the same names; their first labels differ.
bool begins_as_fashion_mnist(const Tensor& labels) {
    static const std::vector<double> train{9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9, 1, 0, 6, 4},
        test{9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1, 2, 4, 8, 0};
    if (labels.size(0) < std::ssize(train)) return false;
    const std::vector<double> first = labels.slice(0, 0, std::ssize(train)).values();
    return first == train || first == test;
}

}    // namespace

ImageDataset idx_images(const Path& images_path, const Path& labels_path) {
    Tensor images = load_idx(images_path);
    if (images.rank() == 3) images = images.reshape({images.size(0), images.size(1), images.size(2), 1});
    check_file(images.rank() < 3 || images.elements() > 0, images_path, "has no images: ", images.shape());
    check_file(images.rank() == 4 && (images.size(3) == 1 || images.size(3) == 3), images_path,
               "expected images (N, H, W) or (N, H, W, 1 or 3), got ", images.shape());
    const Path folder = std::filesystem::absolute(images_path).parent_path();
    ImageDataset data{.name = folder.filename().string(), .pixels = images};
    if (labels_path.empty()) return data;
    const Tensor labels = load_idx(labels_path);
    check_file(labels.rank() == 1, labels_path, "expected labels (N), got ", labels.shape());
    check_file(labels.size(0) == images.size(0), labels_path, "expected ", images.size(0), " labels, got ", labels.size(0));
    data.labels = labels.to(DType::i32);
    if (begins_as_fashion_mnist(labels)) {
        data.name = "Fashion-MNIST";
        data.classes = {kFashionMnistClasses.begin(), kFashionMnistClasses.end()};
    } else {
        const auto count = data.class_counts().size();
        for (std::size_t label = 0; label < count; ++label) data.classes.push_back(std::to_string(label));
    }
    return data;
}

Path idx_labels_beside(const Path& images) {
    std::string name = images.filename().string();
    if (!has(name, "images")) return {};
    name = replaced(replaced(replaced(name, "images", "labels"), "idx3", "idx1"), "idx4", "idx1");
    const bool zipped = name.ends_with(".gz");
    for (const std::string& candidate : {name, zipped ? name.substr(0, name.size() - 3) : name + ".gz"})
        if (std::filesystem::exists(images.parent_path() / candidate)) return images.parent_path() / candidate;
    return {};
}

std::optional<Path> find_idx_images(const Path& folder, Split split) {
    std::vector<Path> found, of_split;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.') || !has(name, "images") || !has(name, "idx") || !entry.is_regular_file()) continue;
        // One file, packed or not: the plain one counts only when it is alone.
        if (!name.ends_with(".gz") && std::filesystem::exists(entry.path().string() + ".gz")) continue;
        if (name.starts_with(mnist_name(split))) return entry.path();
        if (!begins_as_idx(entry.path())) continue;    // pictures may have such names, too
        found.push_back(entry.path());
        if (is_of(name, split)) of_split.push_back(entry.path());
    }
    if (of_split.size() == 1) return of_split.front();
    if (found.empty()) return std::nullopt;
    if (found.size() == 1) {
        const std::string name = found.front().filename().string();
        const bool train = split == Split::train;
        check_file(!is_of(name, train ? Split::test : Split::train), folder, "has no ", train ? "training" : "test",
                   " images: expected ", mnist_name(split), " or the like, found only ", name, " (which can be named itself)");
        return found.front();
    }
    std::sort(found.begin(), found.end());
    std::string names;
    for (const Path& path : found) names += (names.empty() ? "" : ", ") + path.filename().string();
    fail_file(folder, "has several files of images: name one of ", names);
}

}    // namespace lull
