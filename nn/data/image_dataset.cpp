#include "nn/data/image_dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/ops/copy/copy.h"
#include "engine/random.h"

namespace lull {

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
    result.labels = labels.slice(0, 0, std::min(count, size()));
    return result;
}

Statistics ImageDataset::statistics() const {
    // Four tables, so that runs of one byte (black borders) do not wait for the increment before.
    std::array<std::array<std::int64_t, 256>, 4> counts{};
    const Tensor bytes = pixels.contiguous();
    const std::uint8_t* byte = bytes.data<std::uint8_t>();
    const std::int64_t total = bytes.elements();
    for (std::int64_t i = 0; i < total; ++i) ++counts[i % 4][byte[i]];

    const auto expectation = [&](auto f) {
        double sum = 0;
        for (std::size_t value = 0; value < 256; ++value) {
            const std::int64_t count = counts[0][value] + counts[1][value] + counts[2][value] + counts[3][value];
            sum += static_cast<double>(count) * f(low + (high - low) * static_cast<double>(value) / 255);
        }
        return sum / static_cast<double>(total);
    };
    const double mean = expectation([](double x) { return x; });
    return {mean, std::sqrt(expectation([mean](double x) { return (x - mean) * (x - mean); }))};
}

// One thread: a batch of 128 small images takes about a ten-thousandth of the step that trains on it.
Batch ImageDataset::gather(std::span<const std::int64_t> indices, std::span<const bool> flipped) const {
    check(flipped.empty() || flipped.size() == indices.size(), "gather", "expected ", indices.size(), " flips or none, got ",
          flipped.size());
    std::array<float, 256> value_of{};
    for (std::size_t byte = 0; byte < 256; ++byte)
        value_of[byte] = static_cast<float>(low + (high - low) * static_cast<double>(byte) / 255);

    const auto count = static_cast<std::int64_t>(indices.size());
    const std::int64_t height = pixels.size(1), width = pixels.size(2), channels = pixels.size(3);
    Batch batch{empty({count, height, width, channels}), empty({count}, DType::i32)};
    const std::uint8_t *from = pixels.data<std::uint8_t>(), *label = labels.data<std::uint8_t>();    // (N, H, W, C), (N)
    float* to = batch.images.data<float>();                                                          // (B, H, W, C)
    std::int32_t* to_label = batch.labels.data<std::int32_t>();
    for (std::size_t b = 0; b < indices.size(); ++b) {
        const std::int64_t n = indices[b];
        check(n >= 0 && n < size(), "gather", "no image ", n, " in ", name, ", which has ", size());
        const bool mirror = !flipped.empty() && flipped[b];
        for (std::int64_t row = 0; row < height; ++row, to += width * channels) {
            const std::uint8_t* line = from + (n * height + row) * width * channels;
            for (std::int64_t column = 0; column < width; ++column)
                for (std::int64_t c = 0; c < channels; ++c)
                    to[column * channels + c] = value_of[line[(mirror ? width - 1 - column : column) * channels + c]];
        }
        to_label[b] = label[n];
    }
    return batch;
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
