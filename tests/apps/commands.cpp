// The commands as a user types them, on made-up images and a network of a few thousand weights.
#include <doctest/doctest.h>
#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "apps/lull/progress.h"
#include "engine/io/png.h"
#include "engine/peak_memory.h"
#include "engine/threads.h"
#include "tests/apps/workshop.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

bool same_bytes(const fs::path& a, const fs::path& b) { return read_bytes(a) == read_bytes(b); }

}    // namespace

TEST_CASE("train fills a run's folder, and sample needs nothing else") {
    const Workshop shop;
    const Result trained = shop.train("run", {"--steps", "3", "--sample-every", "2", "--sample-count", "1"});
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    CHECK(trained.out == shop.path("run") + '\n');
    const fs::path folder = shop.path("run");
    for (const std::string name : {"config.json", "log.jsonl", "loss.png", "checkpoint.safetensors", "training_state.safetensors",
                                   "samples/step-000002.png", "samples/step-000003.png"})
        CHECK_MESSAGE(fs::exists(folder / name), name);

    std::istringstream log(read_bytes(folder / "log.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(log, line);) lines.push_back(nlohmann::json::parse(line));
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].contains("start"));
    for (std::size_t i = 1; i < 4; ++i) CHECK(lines[i].at("step") == i);
    CHECK(lines[3].at("peak_memory_mib") >= lines[1].at("peak_memory_mib"));
    CHECK(lines[3].at("peak_memory_mib") <= peak_memory_mib());
    CHECK(nlohmann::json::parse(read_bytes(folder / "config.json")).at("training").at("steps") == 3);

    const Result sampled = run({"sample", folder.string(), "--steps", "2", "--seeds", "3,5-6", "--quiet"});
    REQUIRE_MESSAGE(sampled.status == 0, sampled.err);
    CHECK(sampled.out == (folder / "samples-heun-2-seeds-3,5-6.png\n").string());
    const PngImage picture = read_png(folder / "samples-heun-2-seeds-3,5-6.png");
    CHECK(picture.text.at("Seeds") == "3,5-6");
    CHECK(picture.text.at("Steps") == "2");
    CHECK(picture.text.at("Sampler") == "heun");

    const Result again = run({"sample", folder.string(), "--steps", "2", "--seeds", "3,5-6", "--quiet"});
    CHECK(again.out == (folder / "samples-heun-2-seeds-3,5-6-2.png\n").string());
}

TEST_CASE("train and sample end with the time and the memory that they took") {
    const Workshop shop;
    const std::regex took("took \\d:\\d\\d  peak memory \\d+ MiB\n$");
    const Result trained = run({"train", "--preset", "tiny", "--data", shop.folder.path().string(), "--batch", "4", "--steps",
                                "2", "--sample-count", "0", "--outdir", shop.path("run")});
    CHECK_MESSAGE(std::regex_search(trained.err, took), trained.err);
    const Result sampled = run({"sample", shop.path("run"), "--steps", "2", "--seeds", "1"});
    CHECK_MESSAGE(std::regex_search(sampled.err, took), sampled.err);
}

TEST_CASE("an image is the same, bit for bit, in batches of 8, 3 and 1") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "3", "--sample-count", "0"}).status == 0);
    const std::vector<std::vector<std::string>> samplers{
        {"--sampler", "euler"}, {"--sampler", "ancestral"}, {"--sampler", "lms"}, {"--S-churn", "2", "--S-noise", "1.01"}};
    for (const auto& sampler : samplers) {
        CAPTURE(sampler.back());
        const auto images = [&](const char* batch) {
            std::vector<std::string> arguments = sampler;
            arguments.insert(arguments.end(), {"--batch", batch});
            return shop.images("run", arguments);
        };
        const Tensor whole = images("8");
        CHECK(whole.shape() == Shape{8, 1, 32, 32});
        CHECK(whole.values() == images("3").values());
        CHECK(whole.values() == images("1").values());
    }
}

TEST_CASE("one thread and two train the same weights and draw the same images, bit for bit") {
    const Workshop shop;
    const int before = thread_count();
    REQUIRE(shop.train("one", {"--steps", "4", "--threads", "1", "--sample-every", "4", "--sample-count", "2"}).status == 0);
    const Tensor one = shop.images("one", {"--threads", "1"});
    REQUIRE(shop.train("two", {"--steps", "4", "--threads", "2", "--sample-every", "4", "--sample-count", "2"}).status == 0);
    CHECK(one.values() == shop.images("two", {"--threads", "2"}).values());
    set_thread_count(before);
    for (const std::string name : {"checkpoint.safetensors", "training_state.safetensors", "samples/step-000004.png"})
        CHECK_MESSAGE(same_bytes(shop.folder.path() / "one" / name, shop.folder.path() / "two" / name), name);
}

TEST_CASE("minutes become a number of steps") {
    const Workshop shop;
    const Result result = shop.train("run", {"--minutes", "0.001", "--sample-count", "0"});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(nlohmann::json::parse(read_bytes(shop.folder.path() / "run" / "config.json")).at("training").at("steps") >= 1);
}

TEST_CASE("a run's folder is never written over") {
    const Workshop shop;
    fs::create_directory(shop.path("run"));
    write_bytes(shop.folder.path() / "run" / "mine.txt", "mine");
    const Result result = shop.train("run", {"--steps", "1"});
    CHECK(result.status == 1);
    CHECK(result.err == "lull: " + shop.path("run") + ": exists and is not empty; choose another --outdir\n");
    CHECK(std::distance(fs::directory_iterator(shop.path("run")), fs::directory_iterator()) == 1);
}

TEST_CASE("what is wrong with a command line is said in one line, with exit status 2") {
    struct Case {
        std::vector<std::string> arguments;
        std::string message;
    };
    const std::vector<Case> cases{
        {{}, "expected a command; lull help lists them"},
        {{"trian"}, "unknown command 'trian'; did you mean 'train'? (lull help lists the commands)"},
        {{"--quiet", "train"}, "--quiet: expected after the command: lull train --quiet"},
        {{"train", "--steps"}, "--steps: expected a value"},
        {{"train", "--batch", "1000000000"}, "--batch: expected a whole number from 1 to 65536, got '1000000000'"},
        {{"train", "--stpes", "3"}, "unknown option '--stpes'; did you mean '--steps'?"},
        {{"sample", "run", "--nonsense"}, "unknown option '--nonsense'"},
        {{"sample", "run", "--sampler", "DDIM"},
         "--sampler: unknown sampler 'DDIM'; did you mean 'ddim'? (euler, ancestral, heun, lms, ddim)"},
        {{"train", "--objective", "epsilon"}, "--objective: unknown objective 'epsilon'; did you mean 'eps'? (edm, eps, v, ve)"},
        {{"train", "--steps", "0"}, "--steps: expected a whole number, at least 1, got '0'"},
        {{"train", "--steps", "many"}, "--steps: expected a whole number, at least 1, got 'many'"},
        {{"train", "--steps", "3", "--minutes", "1"}, "--steps: excludes --minutes; give one of them"},
        {{"train", "--lr", "-1"}, "--lr: expected a number above 0, got '-1'"},
        {{"train", "--preset", "s61"}, "--preset: unknown preset 's61'; did you mean 's16'? (s16, m32, tiny, ddim-cosine)"},
        {{"train", "--device", "gpu"}, "--device: unknown device 'gpu'; did you mean 'cpu'? (cpu, cuda)"},
        {{"sample"}, "expected lull sample MODEL [OPTIONS]"},
        {{"sample", "x", "--sampler", "huen"},
         "--sampler: unknown sampler 'huen'; did you mean 'heun'? (euler, ancestral, heun, lms, ddim)"},
        {{"sample", "x", "--seeds", ""}, "--seeds: expected a value, got nothing"},
        {{"sample", "x", "--sigma-min", "90"}, "--sigma-min: expected less than --sigma-max 80, got 90"},
        {{"sample", "x", "--order", "5"}, "--order: expected a whole number from 1 to 4, got '5'"},
        {{"sample", "x", "--S-churn", "1", "--S-min", "2", "--S-max", "1"}, "--S-min: expected at most --S-max 1, got 2"},
    };
    for (const Case& c : cases) {
        const Result result = run(c.arguments);
        CHECK(result.err == "lull: " + c.message + '\n');
        CHECK(result.status == 2);
    }
}

TEST_CASE("what cannot be done is said in one line, with exit status 1") {
    const Workshop shop;
    const std::string nowhere = shop.path("nowhere"), text = shop.path("text");
    write_bytes(text, "not a checkpoint");
#ifndef LULL_WITH_CUDA
    CHECK(run({"train", "--device", "cuda"}).err == "lull: --device cuda: this build has no CUDA\n");
#endif
    CHECK(run({"sample", nowhere}).err == "lull: " + nowhere + ": no such run, checkpoint or diffusers folder\n");
    const Result no_data = run({"train", "--data", nowhere});
    CHECK(no_data.status == 1);
    CHECK(no_data.err == "lull: " + nowhere + ": no such file or folder\n");
    for (const std::string& path : {text, shop.folder.path().string()}) {
        const Result result = run({"sample", path});
        CHECK(result.status == 1);
        CHECK(result.err.starts_with("lull: " + path + ": "));
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    }
}

TEST_CASE("a folder that cannot take the images is noticed before they are drawn") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "1", "--sample-count", "0"}).status == 0);
    const std::string nowhere = shop.path("nowhere");
    // A million steps: drawn first, they would take hours.
    const Result result =
        run({"sample", shop.path("run"), "--quiet", "--steps", "1000000", "--save", nowhere + "/x.safetensors"});
    CHECK(result.status == 1);
    CHECK(result.err == "lull: " + nowhere + ": no such folder\n");
}

TEST_CASE("a run's config.toml trains the same model again, bit for bit") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--minutes", "0.001", "--sample-count", "1", "--lr", "0.0031", "--xflip"}).status == 0);
    const std::string config = shop.path("run") + "/config.toml";
    const Result again = run({"train", "--config", config, "--outdir", shop.path("again"), "--quiet"});
    REQUIRE_MESSAGE(again.status == 0, again.err);
    for (const std::string name : {"checkpoint.safetensors", "training_state.safetensors", "config.json", "config.toml"})
        CHECK_MESSAGE(same_bytes(shop.folder.path() / "run" / name, shop.folder.path() / "again" / name), name);
}

TEST_CASE("a dry run says what would be done, as a settings file that does it, and writes nothing") {
    const Workshop shop;
    const Result plan = shop.train("run", {"--steps", "5", "--dry-run", "--P-mean", "-1"});
    REQUIRE_MESSAGE(plan.status == 0, plan.err);
    CHECK(plan.err.empty());
    CHECK(!fs::exists(shop.path("run")));
    CHECK(plan.out.find("40 images (32, 32, 1)") != std::string::npos);
    CHECK(plan.out.find("into " + shop.path("run") + "\n# 5 steps of 4 images: 0.5 epochs\n") != std::string::npos);
    CHECK(plan.out.find("\nsample-every = 1\n") != std::string::npos);

    REQUIRE(shop.train("run", {"--steps", "5", "--P-mean", "-1"}).status == 0);
    const std::string config = read_bytes(shop.folder.path() / "run" / "config.toml");
    CHECK(plan.out.ends_with(config));
    CHECK(shop.train("run", {"--dry-run"}).err ==
          "lull: " + shop.path("run") + ": has a run already; choose another --outdir, or go on with it: lull train --resume " +
              shop.path("run") + '\n');
    CHECK(run({"train", "--resume", shop.path("run"), "--dry-run"}).err ==
          "lull: --dry-run: cannot be given with --resume, which has nothing to resolve; lull inspect RUN shows the run's "
          "settings\n");
}

TEST_CASE("of the defaults, the file and the command line, the later wins") {
    const Workshop shop;
    const std::string config = shop.path("my.toml");
    write_bytes(config, "sample-count = 0\nsteps = 2\nsample_every = 1\nbatch = 3\nxflip = true\ncenter = true\n");
    const auto settings = [&](const std::string& name, const std::vector<std::string>& more) {
        const Result result = shop.train(name, more);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return nlohmann::json::parse(read_bytes(shop.folder.path() / name / "config.json")).at("training");
    };
    const auto before = settings("before", {"--config", config, "--center=false"});
    CHECK(before.at("steps") == 2);
    CHECK(before.at("sample_every") == 1);
    CHECK(before.at("batch") == 4);    // Workshop's flag
    CHECK(before.at("xflip") == true);
    CHECK(before.at("center") == false);
    CHECK(before.at("lr") == 4e-3);
    CHECK(settings("after", {"--steps", "1", "--config", config}).at("steps") == 1);
    // A flag also wins over a key that it excludes.
    CHECK(settings("minutes", {"--config", config, "--minutes", "1e-9"}).at("steps") == 1);
}

TEST_CASE("what is wrong in a settings file is said with its name and its key") {
    const Workshop shop;
    const std::string config = shop.path("my.toml");
    const std::vector<std::array<std::string, 2>> cases{
        {"stpes = 3", "unknown key 'stpes'; did you mean 'steps'?"},
        {"sample_evry = 3", "unknown key 'sample_evry'; did you mean 'sample-every'?"},
        {"resume = 'x'", "'resume' can only be a flag: --resume"},
        {"steps = 0", "steps: expected a whole number, at least 1, got '0'"},
        {"steps = 'many'", "steps: expected a whole number, at least 1, got 'many'"},
        {"steps = [1, 2]", "steps: expected a whole number, at least 1, got '1,2'"},
        {"lr = true", "lr: expected a number above 0, got 'true'"},
        {"xflip = 2", "xflip: expected true or false, got '2'"},
        {"preset = 's61'", "preset: unknown preset 's61'; did you mean 's16'? (s16, m32, tiny, ddim-cosine)"},
        {"steps = 3\nminutes = 1", "minutes: excludes steps; give one of them"},
        {"sample-every = 3\nsample_every = 4", "'sample-every' is there twice"},
        {"[train]\nsteps = 3", "line 1: tables are not used here; write every setting as key = value, before any [table]"},
    };
    for (const auto& [text, message] : cases) {
        write_bytes(config, text);
        const Result result = run({"train", "--config", config, "--outdir", shop.path("run")});
        CHECK(result.err == "lull: " + config + ": " + message + '\n');
        CHECK_MESSAGE(result.status == 2, text);
    }
    CHECK(run({"train", "--config", shop.path("none.toml")}).err == "lull: " + shop.path("none.toml") + ": no such file\n");
    CHECK(!fs::exists(shop.path("run")));
}

TEST_CASE("of an option that is given twice, the last counts") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "9", "--steps", "1", "--sample-count", "0"}).status == 0);
    const auto config = nlohmann::json::parse(read_bytes(shop.folder.path() / "run" / "config.json"));
    CHECK(config.at("training").at("steps") == 1);
    // Resolved, not "as measured".
    CHECK(config.at("training").at("sigma_data") == config.at("data").at("std"));
}

TEST_CASE("an image of a conditional model is the same whichever images are drawn beside it") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "2", "--sample-count", "0", "--conditional"}).status == 0);
    const auto seven = [&](const char* seeds, std::int64_t place) {
        return shop.images("run", {"--seeds", seeds}).slice(0, place, place + 1).contiguous().values();
    };
    CHECK(seven("7", 0) == seven("0-9", 7));
    CHECK(seven("7", 0) == seven("12,7", 1));
    CHECK(seven("17", 0) != seven("7", 0));
}
