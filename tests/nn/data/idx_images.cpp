#include "nn/data/idx_images.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

const std::string kImages = from_hex("000008030000000200000002000000020102030405060708");        // 2 of 2×2
const std::string kColour = from_hex("0000080400000001000000010000000200000003010203040506");    // 1 of 1×2, RGB
const std::string kLabels = from_hex("00000801000000020200");

}    // namespace

TEST_CASE("idx images: with labels, without, and with channels") {
    const TemporaryFolder folder;
    write_bytes(folder / "i", kImages);
    write_bytes(folder / "c", kColour);
    write_bytes(folder / "l", kLabels);
    const ImageDataset labelled = idx_images(folder / "i", folder / "l");
    CHECK(labelled.pixels.shape() == Shape{2, 2, 2, 1});
    CHECK(labelled.labels.values() == std::vector<double>{2, 0});
    CHECK(labelled.classes == std::vector<std::string>{"0", "1", "2"});
    CHECK(labelled.name == folder.path().filename().string());
    const ImageDataset bare = idx_images(folder / "c", {});
    CHECK(bare.pixels.shape() == Shape{1, 1, 2, 3});
    CHECK_FALSE(bare.labels.defined());
}

TEST_CASE("idx images: files that do not go together are refused") {
    const TemporaryFolder folder;
    write_bytes(folder / "i", kImages);
    write_bytes(folder / "l", kLabels);
    write_bytes(folder / "short", from_hex("000008010000000102"));
    CHECK(error_of([&] { idx_images(folder / "l", {}); }) ==
          (folder / "l").string() + ": expected images (N, H, W) or (N, H, W, 1 or 3), got (2,)");
    CHECK(error_of([&] { idx_images(folder / "i", folder / "short"); }) ==
          (folder / "short").string() + ": expected 2 labels, got 1");
    CHECK(error_of([&] { idx_images(folder / "i", folder / "none"); }) == (folder / "none").string() + ": no such file");
}

TEST_CASE("idx images: the files of a folder are found by their names") {
    const TemporaryFolder folder;
    CHECK_FALSE(find_idx_images(folder.path(), Split::train));
    const auto touch = [&](const std::string& name) { write_bytes(folder / name, kImages); };
    const auto found = [&](Split split) { return find_idx_images(folder.path(), split)->filename().string(); };
    touch("emnist-train-images-idx3-ubyte.gz");
    CHECK(found(Split::train) == "emnist-train-images-idx3-ubyte.gz");
    CHECK(error_of([&] { find_idx_images(folder.path(), Split::test); }) ==
          folder.path().string() +
              ": has no test images: expected t10k-images-idx3-ubyte or the like, found only emnist-train-images-idx3-ubyte.gz "
              "(which can be named itself)");
    touch("emnist-test-images-idx3-ubyte");
    CHECK(found(Split::train) == "emnist-train-images-idx3-ubyte.gz");
    CHECK(found(Split::test) == "emnist-test-images-idx3-ubyte");
    touch("other-train-images-idx3-ubyte");
    CHECK(error_of([&] { find_idx_images(folder.path(), Split::train); }) ==
          folder.path().string() +
              ": has several files of images: name one of emnist-test-images-idx3-ubyte, emnist-train-images-idx3-ubyte.gz, "
              "other-train-images-idx3-ubyte");
    touch("train-images-idx3-ubyte");    // MNIST's own name comes first
    CHECK(found(Split::train) == "train-images-idx3-ubyte");
    touch("train-images-idx3-ubyte.gz");
    CHECK(found(Split::train) == "train-images-idx3-ubyte.gz");
}

TEST_CASE("idx images: a folder's only file serves every split unless its name says which") {
    const TemporaryFolder folder;
    write_bytes(folder / "images.idx", kImages);
    for (const Split split : {Split::train, Split::test}) CHECK(find_idx_images(folder.path(), split) == folder / "images.idx");
    std::filesystem::rename(folder / "images.idx", folder / "t10k-images-idx3-ubyte");
    CHECK(error_of([&] { find_idx_images(folder.path(), Split::train); }).find(": has no training images: ") !=
          std::string::npos);
}

TEST_CASE("idx images: files of other kinds are not taken for IDX by their names") {
    const TemporaryFolder folder;
    write_bytes(folder / "images_idx_0.png", "\x89PNG\r\n\x1a\n");
    write_bytes(folder / "images_idx.txt", "of");
    CHECK_FALSE(find_idx_images(folder.path(), Split::train));
    write_bytes(folder / "images.idx", kImages);
    CHECK(find_idx_images(folder.path(), Split::train) == folder / "images.idx");
    write_bytes(folder / "train-images-idx3-ubyte", "<html>");    // this name is IDX's, whatever has come of the file
    CHECK(find_idx_images(folder.path(), Split::train) == folder / "train-images-idx3-ubyte");
}

TEST_CASE("idx images: labels are looked for beside the images") {
    const TemporaryFolder folder;
    const auto images = folder / "train-images-idx3-ubyte.gz";
    CHECK(idx_labels_beside(images).empty());
    write_bytes(folder / "train-labels-idx1-ubyte", kLabels);    // one packed, the other not
    CHECK(idx_labels_beside(images) == folder / "train-labels-idx1-ubyte");
    write_bytes(folder / "train-labels-idx1-ubyte.gz", kLabels);
    CHECK(idx_labels_beside(images) == folder / "train-labels-idx1-ubyte.gz");
    CHECK(idx_labels_beside(folder / "train-images-idx3-ubyte") == folder / "train-labels-idx1-ubyte");
    CHECK(idx_labels_beside(folder / "pixels").empty());
}
