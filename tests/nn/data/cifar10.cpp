#include "nn/data/cifar10.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// A record whose red, green and blue planes count up from three different bytes.
std::string record(int label) {
    std::string bytes(1, static_cast<char>(label));
    for (const int start : {10, 20, 30})
        for (int i = 0; i < 1024; ++i) bytes += static_cast<char>((start + i) % 256);
    return bytes;
}

void write_training_set(const TemporaryFolder& folder) {
    for (int number = 1; number <= 5; ++number)
        write_bytes(folder / ("data_batch_" + std::to_string(number) + ".bin"), record(number) + record(9 - number));
}

}    // namespace

TEST_CASE("cifar-10: five files become one set, planes become pixels") {
    const TemporaryFolder folder;
    write_training_set(folder);
    CHECK(has_cifar10(folder.path()));
    const ImageDataset data = cifar10(Split::train, folder.path());
    REQUIRE(data.pixels.shape() == Shape{10, 32, 32, 3});
    CHECK(data.labels.values() == std::vector<double>{1, 8, 2, 7, 3, 6, 4, 5, 5, 4});
    const std::vector<double> values = data.pixels.slice(0, 3, 4).values();
    for (const int pixel : {0, 1, 40, 1023})
        for (int c = 0; c < 3; ++c) CHECK(values[static_cast<std::size_t>(3 * pixel + c)] == (10 * (c + 1) + pixel) % 256);
    CHECK(data.classes.at(6) == "frog");
}

TEST_CASE("cifar-10: batches.meta.txt names the classes") {
    const TemporaryFolder folder;
    write_bytes(folder / "test_batch.bin", record(3));
    write_bytes(folder / "batches.meta.txt", "a\r\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    const ImageDataset data = cifar10(Split::test, folder.path());
    CHECK(data.name == "CIFAR-10 test set");
    CHECK(data.classes.front() == "a");
    CHECK(data.class_name(3) == "d");
}

TEST_CASE("cifar-10: missing, truncated and foreign files are refused in one line") {
    const TemporaryFolder folder;
    CHECK_FALSE(has_cifar10(folder.path()));
    write_training_set(folder);
    const auto complaint = [&](const std::string& name) {
        const std::string message = error_of([&] { cifar10(Split::train, folder.path()); });
        const std::string prefix = (folder / name).string() + ": ";
        CHECK_MESSAGE(message.starts_with(prefix), message);
        return message.substr(prefix.size());
    };
    write_bytes(folder / "data_batch_4.bin", record(1).substr(0, 3000));
    CHECK(complaint("data_batch_4.bin") ==
          "not CIFAR-10's binary version, or truncated: expected records of 3,073 bytes, got 3,000 bytes");
    write_bytes(folder / "data_batch_4.bin", record(1) + record(10));
    CHECK(complaint("data_batch_4.bin") == "not CIFAR-10, or damaged: image 1 has label 10, expected 0 to 9");
    std::filesystem::remove(folder / "data_batch_4.bin");
    CHECK(complaint("data_batch_4.bin").starts_with("no such file; CIFAR-10 has data_batch_1.bin to data_batch_5.bin"));
}
