#include "nn/data/fashion_mnist.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// The data set's own tests need it. ctest shows those that say so as skipped.
bool skipped() {
    if (has_fashion_mnist()) return false;
    MESSAGE("[skipped] the package dataset-fashion-mnist is not installed");
    return true;
}

}    // namespace

TEST_CASE("fashion-mnist: the padded training set has the mean and σ_data that the course states") {
    if (skipped()) return;
    const ImageDataset data = fashion_mnist(Split::train);
    REQUIRE(data.pixels.shape() == Shape{60000, 32, 32, 1});
    constexpr double kHalfDigit = 5e-5;    // half of the last digit stated
    const Statistics padded = data.statistics();
    CHECK(std::abs(padded.mean + 0.5620) < kHalfDigit);
    CHECK(std::abs(padded.std - 0.6636) < kHalfDigit);
    CHECK(std::abs(data.range(-0.5, 0.5).statistics().std - 0.3318) < kHalfDigit);
    CHECK(std::abs(fashion_mnist(Split::train, {}, 28).statistics().std - 0.7060) < kHalfDigit);
}

TEST_CASE("fashion-mnist: both splits have every class equally often") {
    if (skipped()) return;
    for (const Split split : {Split::train, Split::test}) {
        const ImageDataset data = fashion_mnist(split);
        CHECK(data.size() == (split == Split::train ? 60000 : 10000));
        std::array<std::int64_t, 10> counts{};
        for (const double label : data.labels.values()) ++counts.at(static_cast<std::size_t>(label));
        for (const std::int64_t count : counts) CHECK(count == data.size() / 10);
    }
}

TEST_CASE("fashion-mnist: a folder without it says what to install") {
    const TemporaryFolder folder;
    CHECK_FALSE(has_fashion_mnist(folder.path()));
    CHECK(error_of([&] { fashion_mnist(Split::train, folder.path()); }) ==
          (folder / "train-images-idx3-ubyte.gz").string() +
              ": no such file; install Debian's package dataset-fashion-mnist, or name the folder that has Fashion-MNIST with "
              "LULL_DATA or --data");
}

TEST_CASE("fashion-mnist: plain files in a folder of one's own are read") {
    const TemporaryFolder folder;
    write_bytes(folder / "t10k-images-idx3-ubyte", from_hex("00000803"
                                                            "00000002"
                                                            "00000002"
                                                            "00000002"
                                                            "00ff800100000000"));
    write_bytes(folder / "t10k-labels-idx1-ubyte", from_hex("00000801"
                                                            "00000002"
                                                            "0907"));
    const ImageDataset data = fashion_mnist(Split::test, folder.path(), 4).padded(4);
    CHECK(data.pixels.shape() == Shape{2, 4, 4, 1});
    CHECK(data.labels.values() == std::vector<double>{9, 7});
}
