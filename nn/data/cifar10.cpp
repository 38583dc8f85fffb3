#include "nn/data/cifar10.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file.h"

namespace lull {
namespace {

using Path = std::filesystem::path;

constexpr std::int64_t kSide = 32, kPixels = kSide * kSide, kRecord = 1 + 3 * kPixels;
constexpr std::array<std::string_view, 10> kClasses{"airplane", "automobile", "bird",  "cat",  "deer",
                                                    "dog",      "frog",       "horse", "ship", "truck"};

std::vector<std::string> class_names(const Path& folder) {
    std::vector<std::string> names;
    std::ifstream in(folder / "batches.meta.txt");
    for (std::string line; std::getline(in, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
        if (!line.empty()) names.push_back(line);
    }
    return names.size() == kClasses.size() ? names : std::vector<std::string>(kClasses.begin(), kClasses.end());
}

std::vector<Path> files_of(Split split, const Path& folder) {
    if (split == Split::test) return {folder / "test_batch.bin"};
    std::vector<Path> files;
    for (char number = '1'; number <= '5'; ++number) files.push_back(folder / (std::string("data_batch_") + number + ".bin"));
    return files;
}

// Appends nothing, fills: images u8 (n, 32, 32, 3), labels i32 (n).
void read_records(const Path& path, Tensor images, Tensor labels) {
    std::ifstream in(path, std::ios::binary);
    std::array<char, kRecord> record{};
    std::uint8_t* pixel = images.data<std::uint8_t>();
    std::int32_t* label = labels.data<std::int32_t>();
    for (std::int64_t n = 0; n < images.size(0); ++n) {
        in.read(record.data(), kRecord);
        check_file(in.good(), path, "cannot be read to its end");
        label[n] = static_cast<std::uint8_t>(record[0]);
        check_file(label[n] < std::ssize(kClasses), path, "not CIFAR-10, or damaged: image ", n, " has label ", label[n],
                   ", expected 0 to 9");
        for (std::size_t i = 0; i < kPixels; ++i)    // planes become pixels
            for (std::size_t c = 0; c < 3; ++c) *pixel++ = static_cast<std::uint8_t>(record[1 + c * kPixels + i]);
    }
}

ImageDataset read_files(const std::vector<Path>& files) {
    std::vector<std::int64_t> counts;
    std::int64_t total = 0;
    for (const Path& path : files) {
        const auto bytes = static_cast<std::int64_t>(size_of_file(path));
        check_file(bytes > 0 && bytes % kRecord == 0, path,
                   "not CIFAR-10's binary version, or truncated: expected records of 3,073 bytes, got ",
                   grouped(static_cast<std::uint64_t>(bytes)), " bytes");
        counts.push_back(bytes / kRecord);
        total += counts.back();
    }
    ImageDataset data{.name = "CIFAR-10",
                      .pixels = empty({total, kSide, kSide, 3}, DType::u8),
                      .labels = empty({total}, DType::i32),
                      .classes = class_names(files.front().parent_path())};
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < files.size(); begin += counts[i++])
        read_records(files[i], data.pixels.slice(0, begin, begin + counts[i]), data.labels.slice(0, begin, begin + counts[i]));
    return data;
}

}    // namespace

ImageDataset cifar10_file(const Path& path) { return read_files({path}); }

ImageDataset cifar10(Split split, const Path& folder) {
    for (const Path& path : files_of(split, folder))
        check_file(std::filesystem::exists(path), path, "no such file; CIFAR-10 has data_batch_1.bin to data_batch_5.bin and ",
                   "test_batch.bin (one file alone can be named, too)");
    ImageDataset data = read_files(files_of(split, folder));
    if (split == Split::test) data.name += " test set";
    return data;
}

bool has_cifar10(const Path& folder) {
    for (const Split split : {Split::train, Split::test})
        for (const Path& path : files_of(split, folder))
            if (std::filesystem::exists(path)) return true;
    return false;
}

}    // namespace lull
