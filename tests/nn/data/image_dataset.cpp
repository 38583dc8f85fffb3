#include "nn/data/image_dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <set>
#include <vector>

#include "engine/cuda/runtime.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// n images of 2×3 pixels and 2 channels: image i holds the bytes 12 i … 12 i + 11, and has label i.
ImageDataset counting(std::int64_t n) {
    std::vector<double> bytes, labels;
    for (std::int64_t i = 0; i < 12 * n; ++i) bytes.push_back(static_cast<double>(i % 256));
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<double>(i));
    return ImageDataset{
        .name = "counting", .pixels = from_values(bytes, {n, 2, 3, 2}, DType::u8), .labels = from_values(labels, {n}, DType::i32)}
        .range(0, 255);
}

std::vector<std::uint64_t> positions(std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint64_t> result(end - begin);
    std::iota(result.begin(), result.end(), begin);
    return result;
}

std::vector<double> labels_of(const ImageDataset& data, const TrainingStream& stream, std::uint64_t begin, std::uint64_t end) {
    return stream.batch(data, positions(begin, end)).labels.values();
}

}    // namespace

TEST_CASE("image data set: gather gives the images asked for, in the data set's range") {
    const ImageDataset data = counting(5);
    const std::array<std::int64_t, 3> indices{4, 0, 4};
    const Batch batch = data.gather(indices);
    CHECK(batch.images.dtype() == DType::f32);
    REQUIRE(batch.images.shape() == Shape{3, 2, 3, 2});
    CHECK(batch.labels.values() == std::vector<double>{4, 0, 4});
    const std::vector<double> values = batch.images.values();
    for (std::size_t i = 0; i < 12; ++i) {
        CHECK(values[i] == 48.0 + static_cast<double>(i));
        CHECK(values[12 + i] == static_cast<double>(i));
        CHECK(values[24 + i] == values[i]);
    }
    const Batch ranged = data.range(-1, 1).gather(indices);
    CHECK(ranged.images.values()[12] == -1);
    CHECK(ranged.images.values()[0] == static_cast<float>(-1 + 2 * 48.0 / 255));
}

TEST_CASE("image data set: a mirrored image has its columns reversed and its channels in place") {
    const std::array<std::int64_t, 2> indices{0, 0};
    const std::array<bool, 2> flipped{true, false};
    const std::vector<double> values = counting(1).gather(indices, flipped).images.values();
    CHECK(std::vector(values.begin(), values.begin() + 12) == std::vector<double>{4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7});
    CHECK(std::vector(values.begin() + 12, values.end()) == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_CASE("image data set: padding is black, equal on both sides, and leaves the rest alone") {
    const ImageDataset data{
        .name = "", .pixels = from_values({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2, 1}, DType::u8), .labels = zeros({2}, DType::i32)};
    const ImageDataset padded = data.padded(4);
    REQUIRE(padded.pixels.shape() == Shape{2, 4, 4, 1});
    const std::vector<double> first{0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0};
    const std::vector<double> values = padded.pixels.values();
    CHECK(std::vector(values.begin(), values.begin() + 16) == first);
    const std::array<std::int64_t, 1> zero{0};
    CHECK(padded.gather(zero).images.values()[0] == -1);    // black is -1, not 0
    CHECK(data.padded(2).pixels.values() == data.pixels.values());
    CHECK(error_of([&] { data.padded(5); }) == "[padded] expected images that fit 5×5 with an even border, got 2×2");
    CHECK(error_of([&] { data.padded(1); }) == "[padded] expected images that fit 1×1 with an even border, got 2×2");
}

TEST_CASE("image data set: mean and standard deviation are those of all values") {
    ImageDataset data{.name = "",
                      .pixels = from_values({0, 0, 255, 255, 255, 255, 255}, {7, 1, 1, 1}, DType::u8),
                      .labels = zeros({7}, DType::i32)};
    const Statistics s = data.statistics();
    CHECK(s.mean == doctest::Approx(3.0 / 7));
    CHECK(s.std == doctest::Approx(std::sqrt(1 - 9.0 / 49)));
    const Statistics half = data.range(-0.5, 0.5).statistics();
    CHECK(half.mean == doctest::Approx(s.mean / 2));
    CHECK(half.std == doctest::Approx(s.std / 2));
    CHECK(data.first(2).statistics().mean == -1);
}

TEST_CASE("training stream: every epoch takes every image once, in an order of its own") {
    const ImageDataset data = counting(10);
    const TrainingStream stream{.seed = 3};
    const auto first = labels_of(data, stream, 0, 10), second = labels_of(data, stream, 10, 20);
    CHECK(std::set(first.begin(), first.end()).size() == 10);
    CHECK(std::set(second.begin(), second.end()).size() == 10);
    CHECK(first != second);
    CHECK(first != labels_of(data, {.seed = 4}, 0, 10));
    CHECK(!std::is_sorted(first.begin(), first.end()));
}

TEST_CASE("training stream: a position is the same image whatever the batch") {
    const ImageDataset data = counting(10);
    const TrainingStream stream{.seed = 3, .flip = true};
    const std::vector<double> all = stream.batch(data, positions(0, 24)).images.values();
    std::vector<double> pieces;
    for (std::uint64_t position = 0; position < 24; position += 3)
        for (const double value : stream.batch(data, positions(position, position + 3)).images.values()) pieces.push_back(value);
    CHECK(all == pieces);
}

TEST_CASE("training stream: about half of the images are mirrored, and only when asked") {
    const TrainingStream stream{.seed = 3, .flip = true};
    int flips = 0;
    for (std::uint64_t position = 0; position < 1000; ++position) {
        flips += stream.flipped(position);
        CHECK_FALSE(TrainingStream{.seed = 3}.flipped(position));
    }
    // Binomial: 500 ± 16; six standard deviations.
    CHECK(std::abs(flips - 500) < 95);
}

TEST_CASE("image data set: an image that is not there is an error") {
    const std::array<std::int64_t, 1> index{5};
    CHECK(error_of([&] { counting(5).gather(index); }) == "[gather] no image 5 in counting, which has 5");
}

TEST_CASE("image data set: statistics of one channel are those of its values alone") {
    const ImageDataset data{.name = "", .pixels = from_values({0, 10, 0, 30, 255, 20, 255, 20}, {2, 1, 2, 2}, DType::u8)};
    const std::vector<Statistics> channels = data.range(0, 255).channel_statistics();
    REQUIRE(channels.size() == 2);
    CHECK(channels[0].mean == doctest::Approx(127.5));
    CHECK(channels[0].std == doctest::Approx(127.5));
    CHECK(channels[1].mean == doctest::Approx(20));
    CHECK(channels[1].std == doctest::Approx(std::sqrt(50)));
}

TEST_CASE("image data set: classes are counted and named, and labels may be absent") {
    ImageDataset data = counting(3);
    data.labels = from_values({2, 0, 2}, {3}, DType::i32);
    data.classes = {"a", "b"};
    CHECK(data.class_counts() == std::vector<std::int64_t>{1, 0, 2});
    CHECK(data.class_name(1) == "b");
    CHECK(data.class_name(2) == "2");
    data.labels = {};
    CHECK(data.class_counts().empty());
    CHECK(data.first(2).size() == 2);
    const std::array<std::int64_t, 1> one{1};
    CHECK_FALSE(data.gather(one).labels.defined());
    CHECK(data.gather(one).images.values()[0] == 12);
}

TEST_CASE("image data set: the fingerprint knows pixels, shape and labels, and nothing else") {
    const ImageDataset data = counting(4);
    ImageDataset other = counting(4);
    other.name = "another";
    CHECK(other.range(-1, 1).fingerprint() == data.fingerprint());
    other.pixels = data.pixels.reshape({4, 3, 2, 2});
    CHECK(other.fingerprint() != data.fingerprint());
    other = counting(4);
    other.labels = zeros({4}, DType::i32);
    CHECK(other.fingerprint() != data.fingerprint());
    other = counting(4);
    other.pixels = data.pixels.clone();
    ++other.pixels.data<std::uint8_t>()[47];
    CHECK(other.fingerprint() != data.fingerprint());
    CHECK(data.first(3).fingerprint() != data.fingerprint());
}

TEST_CASE("image data set: batches are gathered on the device where the pixels lie, with the same bits") {
    if (!cuda::available()) return;
    const ImageDataset data = counting(10);
    const TrainingStream stream{.seed = 3, .flip = true};
    const Batch here = stream.batch(data, positions(5, 12)), there = stream.batch(data.to(Device::cuda), positions(5, 12));
    CHECK(there.images.device() == Device::cuda);
    CHECK(there.labels.device() == Device::cuda);
    CHECK(there.images.values() == here.images.values());
    CHECK(there.labels.values() == here.labels.values());
}
