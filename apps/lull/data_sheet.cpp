#include "apps/lull/data_sheet.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "apps/lull/labelled_grid.h"
#include "engine/ops/copy/copy.h"
#include "nn/data/resize.h"

namespace lull {
namespace {

constexpr std::int64_t kColumns = 10, kMostRows = 40;
constexpr std::int64_t kRowsOfFew = 6;    // in all, when there are fewer classes
constexpr std::int64_t kMostUnlabelled = 64;
constexpr std::int64_t kSide = 64, kMostSide = 128;    // pixels: small images are enlarged to about the first
constexpr std::int64_t kTextHeight = 16;
constexpr std::size_t kMostLetters = 24;
constexpr std::int64_t kBlank = -1;    // in place of an image

// Numbers of images, row by row, and what stands in front of the rows.
struct Examples {
    std::vector<std::int64_t> images;
    std::int64_t columns = kColumns;
    std::vector<std::string> titles;
    std::int64_t rows_per_title = 1;
};

// `count` of them, evenly; blanks after the last if there are fewer.
void append_evenly(std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from, std::int64_t count) {
    const std::int64_t size = std::ssize(from), taken = std::min(size, count);
    for (std::int64_t i = 0; i < taken; ++i) to.push_back(from[static_cast<std::size_t>(i * size / taken)]);
    to.insert(to.end(), static_cast<std::size_t>(count - taken), kBlank);
}

// The beginning of a name that is too long for the side of a picture.
std::string shortened(const std::string& name) {
    std::size_t letters = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool begins = (static_cast<unsigned char>(name[i]) & 0xc0) != 0x80;    // UTF-8
        if (begins && letters++ == kMostLetters) return name.substr(0, i) + "...";
    }
    return name;
}

Examples all_alike(const ImageDataset& data) {
    const std::int64_t count = std::min(kMostUnlabelled, data.size());
    const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
    std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
    std::iota(all.begin(), all.end(), 0);
    Examples examples{.images = {}, .columns = columns, .titles = {}};
    append_evenly(examples.images, all, count);
    examples.images.resize(static_cast<std::size_t>((count + columns - 1) / columns * columns), kBlank);
    return examples;
}

Examples by_class(const ImageDataset& data) {
    std::vector<std::vector<std::int64_t>> members(data.class_counts().size());
    const Tensor labels = data.labels.contiguous();
    for (std::int64_t n = 0; n < data.size(); ++n) members[static_cast<std::size_t>(labels.data<std::int32_t>()[n])].push_back(n);

    const std::int64_t classes = std::count_if(members.begin(), members.end(), [](const auto& m) { return !m.empty(); });
    std::size_t largest = 0;
    for (const auto& of_class : members) largest = std::max(largest, of_class.size());
    const std::int64_t rows_of_largest = (static_cast<std::int64_t>(largest) + kColumns - 1) / kColumns;
    const std::int64_t rows = std::clamp<std::int64_t>(kRowsOfFew / classes, 1, rows_of_largest);

    Examples examples{.images = {}, .columns = kColumns, .titles = {}, .rows_per_title = rows};
    for (std::size_t label = 0; label < members.size() && std::ssize(examples.titles) < kMostRows; ++label) {
        if (members[label].empty()) continue;
        append_evenly(examples.images, members[label], rows * kColumns);
        examples.titles.push_back(shortened(data.class_name(static_cast<std::int64_t>(label))));
        examples.titles.resize(examples.titles.size() + static_cast<std::size_t>(rows - 1));    // no title for its other rows
    }
    return examples;
}

// The examples as u8 (M, h, w, C), on white ground.
Tensor thumbnails(const ImageDataset& data, const std::vector<std::int64_t>& examples, std::int64_t least_height) {
    const std::int64_t height = data.pixels.size(1), width = data.pixels.size(2), channels = data.pixels.size(3);
    const double reduction = std::max(1.0, static_cast<double>(std::max(height, width)) / kMostSide);
    const auto reduced = [&](std::int64_t side) {
        return std::max<std::int64_t>(1, std::lround(static_cast<double>(side) / reduction));
    };
    const std::int64_t h = reduced(height), w = reduced(width), cell = std::max(h, least_height), top = (cell - h) / 2;
    Tensor cells = full({std::ssize(examples), cell, w, channels}, 255, DType::u8);
    for (std::int64_t m = 0; m < std::ssize(examples); ++m) {
        const std::int64_t n = examples[static_cast<std::size_t>(m)];
        if (n == kBlank) continue;
        Tensor small = empty({h, w, channels}, DType::u8);
        fit_image(data.pixels.slice(0, n, n + 1).reshape({height, width, channels}).contiguous(), Fit::stretch, small);
        Tensor place = cells.slice(0, m, m + 1).slice(1, top, top + h);
        copy(small.reshape({1, h, w, channels}), place);
    }
    return cells;
}

}    // namespace

Tensor data_sheet(const ImageDataset& data) {
    const Examples examples = data.labels.defined() ? by_class(data) : all_alike(data);
    const std::int64_t scale = std::max<std::int64_t>(1, kSide / std::max(data.pixels.size(1), data.pixels.size(2)));
    const ImageDataset cells{.name = "", .pixels = thumbnails(data, examples.images, (kTextHeight + scale - 1) / scale)};
    std::vector<std::int64_t> all(examples.images.size());
    std::iota(all.begin(), all.end(), 0);
    return draw({.images = cells.gather(all).images,
                 .columns = static_cast<int>(examples.columns),
                 .row_group = static_cast<int>(examples.rows_per_title),
                 .row_titles = examples.titles,
                 .scale = static_cast<int>(scale)});
}

}    // namespace lull
