#include "apps/lull/data_options.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/lull/options.h"
#include "engine/io/png.h"
#include "tests/apps/workshop.h"

using namespace lull;
using namespace lull::test;

namespace {

DataOptions parsed(std::vector<std::string> arguments) {
    CLI::App app;
    DataOptions options;
    add_data_options(app, options);
    std::reverse(arguments.begin(), arguments.end());    // as CLI11 wants it
    app.parse(arguments);
    return options;
}

}    // namespace

TEST_CASE("data options: flags say what is read and how") {
    const DataOptions options = parsed({"--data", "x", "--size", "48x32", "--fit", "pad", "--grey", "--split", "test",
                                        "--data-labels", "l", "--skip-broken", "--no-cache"});
    CHECK(options.path == "x");
    CHECK(options.load.size == ImageSize{48, 32});
    CHECK(options.load.fit == Fit::pad);
    CHECK(options.load.colours == Colours::grey);
    CHECK(options.load.split == Split::test);
    CHECK(options.load.labels == "l");
    CHECK(options.load.skip_broken);
    CHECK_FALSE(options.use_cache);
    CHECK(parsed({"--size", "64"}).load.size == ImageSize{64, 64});
    CHECK(parsed({"--colour"}).load.colours == Colours::colour);
    CHECK(run({"train", "--fit", "strech"}).err ==
          "lull: --fit: unknown way to fit 'strech'; did you mean 'stretch'? (crop, pad, stretch)\n");
    CHECK(run({"train", "--split", "tset"}).err == "lull: --split: unknown part 'tset'; did you mean 'test'? (train, test)\n");
    for (const std::string size : {"", "0", "32x", "x32", "32x0", "3 2", "-8", "32x32x3"})
        CHECK(error_of([&] {
                  parsed({"--size", size});
              }) == "--size: expected pixels, such as 32, or width and height, such as 48x32, got '" + size + "'");
}

TEST_CASE("data options: a description finds the same data again") {
    const TemporaryFolder folder;
    write_png(folder / "1.png", {full({20, 30, 3}, 7, DType::u8), {}});
    DataOptions options =
        parsed({"--data", folder.path().string(), "--size", "16x8", "--fit", "stretch", "--colour", "--no-cache"});
    const ImageDataset data = load_data(options);
    const nlohmann::json description = describe(data, options);
    CHECK(description.at("width") == 16);
    CHECK(description.at("height") == 8);
    CHECK(description.at("channels") == 3);
    DataOptions again = data_options_from_json(nlohmann::json::parse(description.dump()));
    again.use_cache = false;
    const ImageDataset back = load_data(again);
    CHECK(back.fingerprint() == data.fingerprint());
    check_same_data(back, description, "run");
    CHECK(data_options_from_json(nlohmann::json::object()).path.empty());
    CHECK(error_of([&] {
              data_options_from_json({{"source", {{"data", 3}}}});
          }).starts_with("[data] the description of the data is damaged: "));

    write_png(folder / "1.png", {full({20, 30, 3}, 8, DType::u8), {}});
    CHECK(error_of([&] { check_same_data(load_data(again), description, "run"); }) ==
          "run: was trained on other data: on 1 images of 16×8 in colour, this is 1 images of 16×8 in colour, but not the same "
          "ones; --data names the folder, if it was moved");
    again.load.colours = Colours::grey;
    CHECK(error_of([&] {
              check_same_data(load_data(again), description, "run");
          }).find("on 1 images of 16×8 in colour, this is 1 images of 16×8 in grey; ") != std::string::npos);
}

TEST_CASE("data options: a data set's name becomes a part of file names") {
    const auto name = [](const char* of) { return file_name_of(ImageDataset{.name = of, .pixels = {}}); };
    CHECK(name("Fashion-MNIST") == "fashion-mnist");
    CHECK(name("my  pictures (2)!") == "my-pictures-2");
    CHECK(name("été") == "t");
    CHECK(name("...") == "data");
}

TEST_CASE("a path that is not UTF-8 is refused, as a run's files cannot say it") {
    CHECK(error_of([] { to_json(DataOptions{.path = "/caf\xe9", .load = {}}); }) ==
          "/caf\xe9: has a path that is not UTF-8; rename the folder");
}
