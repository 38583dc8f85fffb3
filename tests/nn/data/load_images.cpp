#include "nn/data/load_images.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/png.h"
#include "nn/data/fashion_mnist.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// IDX: `count` images of `side`×`side` pixels, all 9.
std::string idx_images_of(int count, int side) {
    return from_hex("00000803000000") + static_cast<char>(count) + from_hex("000000") + static_cast<char>(side) +
           from_hex("000000") + static_cast<char>(side) + std::string(static_cast<std::size_t>(count * side * side), '\x09');
}

std::string complaint(const fs::path& path, const LoadOptions& options = {}) {
    const std::string prefix = path.string() + ": ", message = error_of([&] { load_images(path, options); });
    CHECK_MESSAGE(message.starts_with(prefix), message);
    return message.substr(std::min(prefix.size(), message.size()));
}

}    // namespace

TEST_CASE("load images: what is in a folder decides what it is") {
    const TemporaryFolder folder;
    write_png(folder / "1.png", {full({8, 8, 3}, 200, DType::u8), {}});
    CHECK(load_images(folder.path()).pixels.shape() == Shape{1, 8, 8, 1});
    write_bytes(folder / "test_batch.bin", std::string(3073, '\x01'));
    LoadOptions test;
    test.split = Split::test;
    CHECK(load_images(folder.path(), test).pixels.shape() == Shape{1, 32, 32, 3});
    CHECK(load_images(folder / "test_batch.bin").labels.values() == std::vector<double>{1});
    write_bytes(folder / "t10k-images-idx3-ubyte", idx_images_of(2, 4));
    CHECK(load_images(folder.path(), test).size() == 2);
}

TEST_CASE("load images: an IDX file may be named, with the labels beside it or elsewhere") {
    const TemporaryFolder folder;
    write_bytes(folder / "my-images", idx_images_of(2, 28));
    std::vector<std::string> said;
    LoadOptions options;
    options.say = [&](const std::string& line) { said.push_back(line); };
    const ImageDataset bare = load_images(folder / "my-images", options);
    CHECK(bare.pixels.shape() == Shape{2, 32, 32, 1});    // as Fashion-MNIST: two black pixels on each side
    CHECK(bare.pixels.slice(1, 2, 3).slice(2, 1, 3).values() == std::vector<double>{0, 9, 0, 9});
    CHECK_FALSE(bare.labels.defined());
    CHECK(said.at(0) == folder.path().filename().string() + ": 2 grey images of 28×28, with black around them up to 32×32");
    write_bytes(folder / "kinds", from_hex("00000801000000020105"));
    options.labels = folder / "kinds";
    CHECK(load_images(folder / "my-images", options).labels.values() == std::vector<double>{1, 5});
    write_bytes(folder / "my-labels", from_hex("00000801000000020007"));
    options.labels.clear();
    CHECK(load_images(folder / "my-images", options).labels.values() == std::vector<double>{0, 7});
    options.size = ImageSize{28, 28};
    CHECK(load_images(folder / "my-images", options).pixels.shape() == Shape{2, 28, 28, 1});
    options.colours = Colours::colour;
    CHECK(load_images(folder / "my-images", options).pixels.shape() == Shape{2, 28, 28, 3});
}

TEST_CASE("load images: without a path it is Fashion-MNIST, as fashion_mnist has it") {
    if (!has_fashion_mnist()) {
        MESSAGE("[skipped] the package dataset-fashion-mnist is not installed");
        return;
    }
    LoadOptions options;
    options.split = Split::test;
    const ImageDataset loaded = load_images({}, options), direct = fashion_mnist(Split::test);
    CHECK(loaded.fingerprint() == direct.fingerprint());
    CHECK(loaded.name == direct.name);
    CHECK(loaded.class_name(9) == "ankle boot");
    if (!std::getenv("LULL_DATA"))    // by its contents, when its folder is named
        CHECK(load_images("/usr/share/datasets/fashion-mnist", options).class_name(9) == "ankle boot");
}

TEST_CASE("load images: what is no data set is told apart") {
    const TemporaryFolder folder;
    CHECK(complaint(folder / "nowhere") == "no such file or folder");
    CHECK(complaint(folder.path()) ==
          "no data set here: expected IDX files named as MNIST's (train-images-idx3-ubyte, .gz or not), CIFAR-10's binary "
          "version (data_batch_1.bin and others), or PNG pictures, in the folder itself or in one folder per class");
    write_png(folder / "1.png", {zeros({8, 8, 1}, DType::u8), {}});
    CHECK(complaint(folder / "1.png") == "is one picture; expected the folder that has them");
    write_bytes(folder / "all.zip", "PK\x03\x04");
    CHECK(complaint(folder / "all.zip") == "is an archive; unpack it, and name the folder");
    write_bytes(folder / "notes", "hello");
    CHECK(complaint(folder / "notes") ==
          "not a data set: expected images in IDX format, one of CIFAR-10's .bin files, or a folder");
    write_bytes(folder / "empty", "");
    CHECK(complaint(folder / "empty").starts_with("not a data set: "));
    write_bytes(folder / "x.bin", "x");
    CHECK(complaint(folder / "x.bin").starts_with("not CIFAR-10's binary version, or truncated: "));
    write_bytes(folder / "images-idx3", idx_images_of(1, 4).substr(0, 20));
    CHECK(complaint(folder / "images-idx3").starts_with("truncated: header says (1, 4, 4), 16 bytes, file has 4"));
    const TemporaryFolder python;
    write_bytes(python / "data_batch_1", "pickle");
    CHECK(complaint(python.path()) == "has CIFAR-10's Python version; lull reads the binary one, cifar-10-binary.tar.gz");
    LoadOptions nothing;
    nothing.size = ImageSize{0, 8};
    CHECK(error_of([&] { load_images(folder.path(), nothing); }) == "[load_images] expected a size with pixels, got 0×8");
}
