// Images in memory, and the endless stream of them that training reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace lull {

// Images as networks see them, with their labels.
struct Batch {
    Tensor images;    // f32 (B, H, W, C), in the data set's range
    Tensor labels;    // i32 (B); undefined when the data set has none
};

// Mean and standard deviation about it (σ_data), over all values of all images.
struct Statistics {
    double mean = 0, std = 1;
};

// Pictures are kept as bytes; `low` and `high` are what the bytes 0 and 255 mean to a network. A value: padded, range and
// first return changed copies (which share what they can).
struct ImageDataset {
    std::string name;
    Tensor pixels;                            // u8 (N, H, W, C)
    Tensor labels = {};                       // i32 (N), numbers of classes; undefined: there are none
    std::vector<std::string> classes = {};    // their names; empty when nothing names them
    double low = -1, high = 1;

    std::int64_t size() const { return pixels.size(0); }

    // Zero bytes (black) around every image, equally on both sides, up to size × size. Throws Error when an image is larger
    // or the border would be uneven.
    ImageDataset padded(std::int64_t size) const;
    ImageDataset range(double low, double high) const;
    ImageDataset first(std::int64_t count) const;    // the first images, at most all of them

    Statistics statistics() const;                         // exact: from a count of every byte
    std::vector<Statistics> channel_statistics() const;    // the same for each channel alone

    std::vector<std::int64_t> class_counts() const;      // images of each class; empty without labels
    std::string class_name(std::int64_t label) const;    // the number itself when nothing names it

    // The SHA-256 of the pixels' shape and bytes and of the labels: equal for the same images, whatever their names and range.
    std::string fingerprint() const;

    // The same with the pixels on that device, where batches are then gathered. Of all else here, only size() and
    // class_name() need no pixels on the CPU.
    ImageDataset to(Device device) const;

    // Images indices[0], indices[1], …, each mirrored where flipped says so (empty: none is), where the pixels lie.
    Batch gather(std::span<const std::int64_t> indices, std::span<const bool> flipped = {}) const;
};

// Position p of the stream is sample p % N of epoch p / N, and every epoch takes all N images once, in an order of its own.
// A pure function of (seed, p): whatever the batch size, p is the same image, mirrored or not.
struct TrainingStream {
    std::uint64_t seed = 0;
    bool flip = false;    // mirror left-right every second image, by chance

    std::int64_t index(const ImageDataset& data, std::uint64_t position) const;
    bool flipped(std::uint64_t position) const;
    Batch batch(const ImageDataset& data, std::span<const std::uint64_t> positions) const;
};

}    // namespace lull
