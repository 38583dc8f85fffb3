#include "nn/data/image_dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "engine/io/sha256.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/gather_images/gather_images.h"
#include "engine/random.h"

namespace lull {
namespace {

using ByteCounts = std::array<std::int64_t, 256>;

Statistics statistics_of(const ByteCounts& counts, double low, double high) {
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    const auto expectation = [&](auto f) {
        double sum = 0;
        for (std::size_t value = 0; value < 256; ++value)
            sum += static_cast<double>(counts[value]) * f(low + (high - low) * static_cast<double>(value) / 255);
        return sum / total;
    };
    const double mean = expectation([](double x) { return x; });
    return {mean, std::sqrt(expectation([mean](double x) { return (x - mean) * (x - mean); }))};
}

}    // namespace

ImageDataset ImageDataset::padded(std::int64_t size) const {
    const std::int64_t height = pixels.size(1), width = pixels.size(2);
    if (height == size && width == size) return *this;
    const std::int64_t top = (size - height) / 2, left = (size - width) / 2;
    check(height <= size && width <= size && height + 2 * top == size && width + 2 * left == size, "padded",
          "expected images that fit ", size, "×", size, " with an even border, got ", height, "×", width);
    ImageDataset result = *this;
    result.pixels = zeros({pixels.size(0), size, size, pixels.size(3)}, DType::u8);
    Tensor inner = result.pixels.slice(1, top, top + height).slice(2, left, left + width);
    copy(pixels, inner);
    return result;
}

ImageDataset ImageDataset::range(double new_low, double new_high) const {
    ImageDataset result = *this;
    result.low = new_low;
    result.high = new_high;
    return result;
}

ImageDataset ImageDataset::first(std::int64_t count) const {
    ImageDataset result = *this;
    result.pixels = pixels.slice(0, 0, std::min(count, size()));
    if (labels.defined()) result.labels = labels.slice(0, 0, std::min(count, size()));
    return result;
}

Statistics ImageDataset::statistics() const {
    // Four tables, so that runs of one byte (black borders) do not wait for the increment before.
    std::array<ByteCounts, 4> counts{};
    const Tensor bytes = pixels.contiguous();
    const std::uint8_t* byte = bytes.data<std::uint8_t>();
    const std::int64_t total = bytes.elements();
    for (std::int64_t i = 0; i < total; ++i) ++counts[i % 4][byte[i]];
    for (std::size_t value = 0; value < 256; ++value) counts[0][value] += counts[1][value] + counts[2][value] + counts[3][value];
    return statistics_of(counts[0], low, high);
}

std::vector<Statistics> ImageDataset::channel_statistics() const {
    const Tensor bytes = pixels.contiguous();
    const std::uint8_t* byte = bytes.data<std::uint8_t>();
    const std::int64_t channels = pixels.size(3), total = bytes.elements();
    std::vector<ByteCounts> counts(static_cast<std::size_t>(channels));
    for (std::int64_t i = 0; i < total; i += channels)
        for (std::int64_t c = 0; c < channels; ++c) ++counts[static_cast<std::size_t>(c)][byte[i + c]];
    std::vector<Statistics> statistics;
    for (const ByteCounts& of_channel : counts) statistics.push_back(statistics_of(of_channel, low, high));
    return statistics;
}

std::vector<std::int64_t> ImageDataset::class_counts() const {
    std::vector<std::int64_t> counts(classes.size());
    if (!labels.defined()) return {};
    const Tensor numbers = labels.contiguous();
    const std::int32_t* label = numbers.data<std::int32_t>();
    for (std::int64_t n = 0; n < size(); ++n) {
        const auto number = static_cast<std::size_t>(label[n]);
        if (number >= counts.size()) counts.resize(number + 1);
        ++counts[number];
    }
    return counts;
}

std::string ImageDataset::class_name(std::int64_t label) const {
    return label < std::ssize(classes) ? classes[static_cast<std::size_t>(label)] : std::to_string(label);
}

std::string ImageDataset::fingerprint() const {
    Sha256 sha;
    for (const Tensor& tensor : {pixels, labels}) {
        if (!tensor.defined()) continue;
        const Tensor bytes = tensor.contiguous();
        sha.update(bytes.shape().begin(), sizeof(std::int64_t) * static_cast<std::size_t>(bytes.rank()));
        sha.update(bytes.raw(), static_cast<std::size_t>(bytes.elements() * size_of(bytes.dtype())));
    }
    return sha.hex();
}

Batch ImageDataset::gather(std::span<const std::int64_t> indices, std::span<const bool> flipped) const {
    check(flipped.empty() || flipped.size() == indices.size(), "gather", "expected ", indices.size(), " flips or none, got ",
          flipped.size());
    std::vector<Pick> picks;
    for (std::size_t b = 0; b < indices.size(); ++b) {
        check(indices[b] >= 0 && indices[b] < size(), "gather", "no image ", indices[b], " in ", name, ", which has ", size());
        picks.push_back({indices[b], !flipped.empty() && flipped[b]});
    }
    Batch batch{gather_images(pixels, picks, {.low = low, .high = high}), {}};
    if (!labels.defined()) return batch;
    const std::int32_t* const label = labels.data<std::int32_t>();    // (N)
    batch.labels = empty({static_cast<std::int64_t>(indices.size())}, DType::i32);
    std::transform(indices.begin(), indices.end(), batch.labels.data<std::int32_t>(),
                   [label](std::int64_t n) { return label[n]; });
    batch.labels = batch.labels.to(pixels.device());
    return batch;
}

ImageDataset ImageDataset::to(Device device) const {
    ImageDataset result = *this;
    result.pixels = pixels.contiguous().to(device);
    return result;
}

std::int64_t TrainingStream::index(const ImageDataset& data, std::uint64_t position) const {
    const auto size = static_cast<std::uint64_t>(data.size());
    return static_cast<std::int64_t>(permuted(position % size, size, seed, position / size));
}

bool TrainingStream::flipped(std::uint64_t position) const {
    return flip && RandomStream{seed, Purpose::augment, position}.uniform() < 0.5;
}

Batch TrainingStream::batch(const ImageDataset& data, std::span<const std::uint64_t> positions) const {
    std::vector<std::int64_t> indices(positions.size());
    const auto mirrored = std::make_unique<bool[]>(positions.size());    // vector<bool> has no elements to point at
    for (std::size_t b = 0; b < positions.size(); ++b) {
        indices[b] = index(data, positions[b]);
        mirrored[b] = flipped(positions[b]);
    }
    return data.gather(indices, {mirrored.get(), positions.size()});
}

}    // namespace lull
