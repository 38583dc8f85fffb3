// Training on each kind of data.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/io/png.h"
#include "engine/io/safetensors.h"
#include "nn/checkpoint.h"
#include "tests/apps/workshop.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// lull train of a few small steps.
Result train_on(const fs::path& data, const fs::path& outdir, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"train",         "--preset",       "tiny", "--data",  data.string(), "--no-cache",
                                       "--quiet",       "--steps",        "3",    "--batch", "4",           "--outdir",
                                       outdir.string(), "--sample-count", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
}

// Colours on red and blue ground, in two class folders.
void paint(const fs::path& folder, std::int64_t width, std::int64_t height, int count = 6) {
    for (int i = 0; i < count; ++i) {
        const fs::path place = folder / (i % 2 ? "red" : "blue");
        fs::create_directories(place);
        const Tensor noise = 200 * random_uniform({height, width, 3}, {.seed = 1, .index = static_cast<std::uint64_t>(i)});
        write_png(place / (std::to_string(i) + ".png"), {noise.to(DType::u8), {}});
    }
}

nlohmann::json description_of(const fs::path& run) { return read_checkpoint(run / "checkpoint.safetensors").config; }

}    // namespace

TEST_CASE("training on a folder of colour pictures that are not square, and drawing from the model") {
    const TemporaryFolder folder;
    paint(folder / "pictures", 30, 20);
    const fs::path run_folder = folder / "run";
    const Result trained = train_on(folder / "pictures", run_folder, {"--size", "24x16"});
    REQUIRE_MESSAGE(trained.status == 0, trained.err);

    const nlohmann::json description = description_of(run_folder);
    const nlohmann::json& data = description.at("data");
    CHECK(data.at("name") == "pictures");
    CHECK(data.at("images") == 6);
    CHECK(data.at("classes") == std::vector<std::string>{"blue", "red"});
    CHECK(data.at("source").at("data") == (folder / "pictures").string());
    CHECK(data.at("source").at("size") == "24x16");
    CHECK(data == nlohmann::json::parse(read_bytes(run_folder / "config.json")).at("data"));
    CHECK(description.at("model").at("unet").at("in_channels") == 3);

    const fs::path images = folder / "images.safetensors";
    const Result sampled =
        run({"sample", run_folder.string(), "--quiet", "--steps", "2", "--seeds", "0-1", "--save", images.string()});
    REQUIRE_MESSAGE(sampled.status == 0, sampled.err);
    CHECK(load_safetensors(images).tensors.at("images").shape() == Shape{2, 3, 16, 24});
    CHECK(read_png(run_folder / "samples/step-000003.png").pixels.size(2) == 3);
}

TEST_CASE("training on CIFAR-10's binary files") {
    const TemporaryFolder folder;
    for (char number = '1'; number <= '5'; ++number) {
        std::string record(3073, number);
        record[0] = '\x03';
        write_bytes(folder / (std::string("data_batch_") + number + ".bin"), record);
    }
    const Result trained = train_on(folder.path(), folder / "run");
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    CHECK(description_of(folder / "run").at("data").at("name") == "CIFAR-10");
    CHECK(description_of(folder / "run").at("model").at("image").at("channels") == 3);
}

TEST_CASE("a run's config.toml names its data, and trains on it again") {
    const TemporaryFolder folder;
    paint(folder / "pictures", 30, 20);
    REQUIRE(train_on(folder / "pictures", folder / "run", {"--size", "16", "--fit", "pad", "--grey"}).status == 0);
    const Result again = run({"train", "--config", (folder / "run/config.toml").string(), "--quiet", "--no-cache", "--outdir",
                              (folder / "again").string()});
    REQUIRE_MESSAGE(again.status == 0, again.err);
    CHECK(read_bytes(folder / "run/checkpoint.safetensors") == read_bytes(folder / "again/checkpoint.safetensors"));
}

TEST_CASE("a resumed run finds its pictures again, also where they were moved to, and refuses others") {
    const TemporaryFolder folder;
    paint(folder / "pictures", 30, 20);
    const std::vector<std::string> size{"--size", "16", "--fit", "stretch"};
    REQUIRE(train_on(folder / "pictures", folder / "whole", size).status == 0);
    REQUIRE(train_on(folder / "pictures", folder / "parts", {"--size", "16", "--fit", "stretch", "--stop-after", "2"}).status ==
            0);
    const auto resume = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments{"train", "--resume", (folder / "parts").string(), "--quiet", "--no-cache"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(arguments);
    };
    const std::string refusal =
        "lull: " + (folder / "parts").string() + ": was trained on other data: on 6 images of 16×16 in colour, this is ";

    fs::rename(folder / "pictures/red/1.png", folder / "1.png");    // one picture less
    CHECK(resume({}).err == refusal + "5 images of 16×16 in colour; --data names the folder, if it was moved\n");
    fs::rename(folder / "1.png", folder / "pictures/red/1.png");
    fs::rename(folder / "pictures/red", folder / "pictures/amber");    // the same pictures in another order
    CHECK(resume({}).err.starts_with(refusal + "6 images of 16×16 in colour, but not the same ones"));
    fs::rename(folder / "pictures/amber", folder / "pictures/red");
    fs::rename(folder / "pictures", folder / "elsewhere");
    CHECK(resume({}).err == "lull: " + (folder / "pictures").string() + ": no such file or folder; " +
                                (folder / "parts").string() + " was trained on it: name where it is now with --data\n");

    fs::rename(folder / "elsewhere", folder / "pictures");
    const Result resumed = resume({});
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    CHECK(read_bytes(folder / "whole/checkpoint.safetensors") == read_bytes(folder / "parts/checkpoint.safetensors"));
    CHECK(resume({"--size", "32"}).err == "lull: --size: cannot be given with --resume: the run keeps its settings\n");
}

TEST_CASE("a size that the network cannot halve is refused before training, with one that will do") {
    const TemporaryFolder folder;
    paint(folder / "pictures", 40, 30);
    const auto refusal = [&](const char* preset, const char* size) {
        const Result result = train_on(folder / "pictures", folder / "run", {"--preset", preset, "--size", size});
        CHECK(result.status == 2);
        CHECK_FALSE(fs::exists(folder / "run"));
        return result.err;
    };
    CHECK(refusal("s16", "30") ==
          "lull: --size: expected multiples of 4 for this network of 3 levels, got 30×30; --size 32 will do\n");
    CHECK(refusal("m32", "36x20") ==
          "lull: --size: expected multiples of 8 for this network of 4 levels, got 36×20; --size 40x24 will do\n");
    CHECK(refusal("tiny", "1") ==
          "lull: --size: expected multiples of 2 for this network of 2 levels, got 1×1; --size 2 will do\n");
}
