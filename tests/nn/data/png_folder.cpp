#include "nn/data/png_folder.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/png.h"
#include "engine/threads.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

using Lines = std::vector<std::string>;

// A folder of pictures, and what is said while it is read.
struct Album {
    TemporaryFolder folder, cache;
    LoadOptions options;
    Lines said;

    Album() {
        fs::create_directory(folder / "album");
        options.cache = cache.path();
        options.say = [this](const std::string& line) { said.push_back(line); };
    }
    fs::path path(const std::string& name) const { return folder / ("album/" + name); }
    // One colour all over.
    void add(const std::string& name, std::int64_t width, std::int64_t height, const std::vector<int>& colour) const {
        fs::create_directories(path(name).parent_path());
        std::vector<double> values;
        for (std::int64_t i = 0; i < width * height; ++i)
            for (const int value : colour) values.push_back(value);
        write_png(path(name), {from_values(values, {height, width, std::ssize(colour)}, DType::u8), {}});
    }
    ImageDataset load() {
        said.clear();
        return png_folder(path(""), options);
    }
    std::string complaint() {
        return error_of([&] { load(); });
    }
};

// The first value of each image.
std::vector<double> corners(const ImageDataset& data) {
    return data.pixels.slice(1, 0, 1).slice(2, 0, 1).slice(3, 0, 1).values();
}

const std::vector<int> kRed{200, 10, 20};

}    // namespace

TEST_CASE("png folder: pictures of several sizes become 32×32, in the order of their names") {
    Album album;
    album.add("b.png", 40, 50, {70});
    album.add("a.png", 100, 20, {80});
    album.add("c.png", 40, 50, {90});
    const ImageDataset data = album.load();
    CHECK(data.pixels.shape() == Shape{3, 32, 32, 1});
    CHECK(corners(data) == std::vector<double>{80, 70, 90});
    CHECK_FALSE(data.labels.defined());
    CHECK(data.name == "album");
    CHECK(album.said ==
          Lines{"album: 3 grey images of 2 sizes, resized so that the shorter side is 32 and cropped in the middle"});
}

TEST_CASE("png folder: pictures of one sensible size stay as they are, square or not") {
    Album album;
    album.add("cat/1.png", 48, 32, kRed);
    album.add("dog/1.png", 48, 32, {10, 20, 30});
    const ImageDataset data = album.load();
    CHECK(data.pixels.shape() == Shape{2, 32, 48, 3});
    CHECK(data.labels.values() == std::vector<double>{0, 1});
    CHECK(data.classes == Lines{"cat", "dog"});
    CHECK(data.pixels.slice(0, 0, 1).slice(1, 5, 6).slice(2, 7, 8).values() == std::vector<double>{200, 10, 20});
    CHECK(album.said == Lines{"album: 2 colour images of 48×32 in 2 classes"});
}

TEST_CASE("png folder: size and fit can be asked for, and are said") {
    Album album;
    album.add("1.png", 40, 20, {70});
    album.options.size = ImageSize{16, 24};
    const auto said = [&](Fit fit) {
        album.options.fit = fit;
        CHECK(album.load().pixels.shape() == Shape{1, 24, 16, 1});
        return album.said.at(0);
    };
    const std::string found = "album: 1 grey image of 40×20, ";
    CHECK(said(Fit::crop) == found + "resized to cover 16×24 and cropped in the middle");
    CHECK(said(Fit::pad) == found + "made smaller where larger, with black around them up to 16×24");
    CHECK(said(Fit::stretch) == found + "stretched to 16×24");
}

TEST_CASE("png folder: grey or colour is decided by the files, and can be decided otherwise") {
    Album album;
    album.add("1.png", 8, 8, {70});
    album.add("2.png", 8, 8, {90, 90, 90});    // stored as colour, but grey
    CHECK(album.load().pixels.shape() == Shape{2, 8, 8, 1});
    CHECK(corners(album.load()) == std::vector<double>{70, 90});
    album.options.colours = Colours::colour;
    CHECK(album.load().pixels.shape() == Shape{2, 8, 8, 3});
    album.options.colours = Colours::as_files;
    album.add("3.png", 8, 8, kRed);
    CHECK(album.load().pixels.shape() == Shape{3, 8, 8, 3});
    CHECK(corners(album.load()) == std::vector<double>{70, 90, 200});
    album.options.colours = Colours::grey;
    CHECK(album.load().pixels.shape() == Shape{3, 8, 8, 1});
    CHECK(corners(album.load()) == std::vector<double>{70, 90, 68});    // .299·200 + .587·10 + .114·20
}

TEST_CASE("png folder: what is left aside is counted aloud, and JPEG files need converting") {
    Album album;
    album.add("1.png", 8, 8, {70});
    album.add(".2.png", 8, 8, {70});
    write_bytes(album.path("x.txt"), "");
    write_bytes(album.path("y.jpg"), "");
    CHECK(album.load().size() == 1);
    CHECK(album.said ==
          Lines{"album: 1 grey image of 8×8", "ignored 1 hidden file or folder and 1 file of other kinds",
                "ignored 1 JPEG file: lull reads PNG; ImageMagick converts, for instance: mogrify -format png FOLDER/*.jpg"});
    fs::remove(album.path("1.png"));
    CHECK(album.complaint() == album.path("").string() +
                                   ": has no PNG pictures but 1 JPEG file, which must be converted; ImageMagick does it, for "
                                   "instance: mogrify -format png FOLDER/*.jpg");
    fs::remove(album.path("y.jpg"));
    CHECK(album.complaint() == album.path("").string() + ": has no PNG pictures, neither in itself nor in folders inside");
}

TEST_CASE("png folder: broken pictures are named, or left out when asked") {
    Album album;
    album.add("a/1.png", 8, 8, {70});
    album.add("b/2.png", 8, 8, {80});
    album.add("b/3.png", 8, 8, {90});
    album.add("b/4.png", 8, 8, {100});
    const std::string whole = read_bytes(album.path("b/2.png"));
    write_bytes(album.path("b/2.png"), whole.substr(0, whole.size() - 20));    // its header is there, its pixels are not
    CHECK(album.complaint().starts_with(album.path("b/2.png").string() + ": damaged: "));
    CHECK(album.complaint().ends_with("; --skip-broken leaves such files out"));
    write_bytes(album.path("b/3.png"), "not a picture");
    CHECK(album.complaint().ends_with(" (and 1 more); --skip-broken leaves such files out"));
    album.options.skip_broken = true;
    const ImageDataset data = album.load();
    CHECK(corners(data) == std::vector<double>{70, 100});
    CHECK(data.labels.values() == std::vector<double>{0, 1});
    REQUIRE(album.said.size() == 2);
    CHECK(album.said[0] == "album: 2 grey images of 8×8 in 2 classes");
    CHECK(album.said[1].starts_with("left out 2 broken files: " + album.path("b/2.png").string() + ": damaged: "));
    for (const char* name : {"a/1.png", "b/4.png"}) write_bytes(album.path(name), "");
    CHECK(album.complaint().ends_with(" (and 3 more): no picture is left"));
}

TEST_CASE("png folder: a header that promises more than the file can hold asks for no memory") {
    Album album;
    album.add("1.png", 8, 8, {70});
    std::string bytes = read_bytes(album.path("1.png"));
    bytes.replace(16, 8, from_hex("000fffff000fffff"));    // the size in IHDR: a million pixels each way
    write_bytes(album.path("1.png"), bytes);
    CHECK(album.complaint().find("damaged: header says 1048575×1048575 pixels; the file's") != std::string::npos);
}

TEST_CASE("png folder: one thread and three read the same images") {
    Album album;
    for (int i = 0; i < 30; ++i) album.add(std::to_string(i) + ".png", 20 + i, 50 - i, {8 * i, 255 - 8 * i, 3 * i});
    album.options.cache.clear();
    const int before = thread_count();
    set_thread_count(1);
    const ImageDataset one = album.load();
    set_thread_count(3);
    const ImageDataset three = album.load();
    set_thread_count(before);
    CHECK(same_bits(one.pixels, three.pixels));
}

TEST_CASE("png folder: the second time, images come from the cache, and the same is said") {
    Album album;
    album.add("cat/1.png", 40, 20, kRed);
    album.add("dog/1.png", 20, 40, {7, 8, 9});
    const ImageDataset first = album.load();
    const Lines said = album.said;
    REQUIRE(album.cache.files() == 1);
    // Same size and time, other contents: only a cache can still give what was there.
    const auto time = fs::last_write_time(album.path("cat/1.png"));
    const auto bytes = fs::file_size(album.path("cat/1.png"));
    write_bytes(album.path("cat/1.png"), std::string(bytes, 'x'));
    fs::last_write_time(album.path("cat/1.png"), time);
    const ImageDataset second = album.load();
    CHECK(second.fingerprint() == first.fingerprint());
    CHECK(second.classes == first.classes);
    CHECK(second.name == first.name);
    CHECK(album.said == said);
    album.options.cache.clear();
    CHECK(album.complaint().find("not a PNG file") != std::string::npos);
}

TEST_CASE("png folder: a stale or damaged cache is not used") {
    Album album;
    album.add("1.png", 16, 16, {70});
    album.add("2.png", 16, 16, {80});
    CHECK(corners(album.load()) == std::vector<double>{70, 80});

    album.add("3.png", 16, 16, {90});    // a file more
    CHECK(corners(album.load()) == std::vector<double>{70, 80, 90});
    fs::remove(album.path("1.png"));    // one less
    CHECK(corners(album.load()) == std::vector<double>{80, 90});
    fs::rename(album.path("2.png"), album.path("4.png"));    // another name
    CHECK(corners(album.load()) == std::vector<double>{90, 80});

    // Another picture of as many bytes, a second later.
    const auto time = fs::last_write_time(album.path("3.png"));
    album.add("3.png", 16, 16, {91});
    fs::last_write_time(album.path("3.png"), time + std::chrono::seconds(1));
    CHECK(corners(album.load()) == std::vector<double>{91, 80});

    album.options.size = ImageSize{8, 8};    // another setting
    CHECK(album.load().pixels.shape() == Shape{2, 8, 8, 1});
    album.options.size.reset();
    CHECK(album.load().pixels.shape() == Shape{2, 16, 16, 1});

    CHECK(album.cache.files() == 2);    // one for each setting: new states take the place of old ones
    for (const auto& entry : fs::directory_iterator(album.cache.path())) write_bytes(entry.path(), "damaged");
    CHECK(corners(album.load()) == std::vector<double>{91, 80});

    for (const auto& entry : fs::directory_iterator(album.cache.path())) {    // a pixel that is not what it was
        std::string bytes = read_bytes(entry.path());
        const std::size_t at = bytes.find(std::string(256, 91));
        if (at != std::string::npos) bytes[at] = 17;
        write_bytes(entry.path(), bytes);
    }
    CHECK(corners(album.load()) == std::vector<double>{91, 80});
}

TEST_CASE("png folder: a cache that cannot be written is told, and nothing else happens") {
    Album album;
    album.add("1.png", 8, 8, {70});
    write_bytes(album.cache / "file", "");
    album.options.cache = album.cache / "file/below";
    CHECK(album.load().size() == 1);
    REQUIRE(album.said.size() == 2);
    CHECK(album.said[0].starts_with("the decoded pictures are not kept for the next time: " + album.options.cache.string()));
}
