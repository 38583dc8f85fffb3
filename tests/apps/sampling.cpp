#include "apps/lull/sampling.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "engine/io/png.h"
#include "engine/threads.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// A shop with a trained model, "run".
struct Gallery : Workshop {
    Gallery() { REQUIRE(train("run", {"--steps", "1", "--sample-count", "0"}).status == 0); }

    Result sample(std::vector<std::string> more) const {
        more.insert(more.begin(), {"sample", path("run"), "--quiet"});
        return run(more);
    }
};

}    // namespace

TEST_CASE("an image that is not finite ends the work at once, and nothing is written") {
    const Gallery shop;
    const long before = std::distance(fs::directory_iterator(shop.path("run")), fs::directory_iterator());
    // Two batches of a million steps: the first step is enough to tell.
    const Result result = shop.sample({"--steps", "1000000", "--seeds", "5,9", "--batch", "1", "--sigma-max", "1e300",
                                       "--sigma-min", "1e299", "--save", shop.path("run") + "/images.safetensors"});
    CHECK(result.status == 1);
    CHECK(result.err.starts_with("lull: [sample] step 1 of 1000000, σ "));
    CHECK(result.err.ends_with(": the image of seed 5 is not finite\n"));
    CHECK(std::distance(fs::directory_iterator(shop.path("run")), fs::directory_iterator()) == before);
}

TEST_CASE("Ctrl-C ends sampling after a step with one line and status 130, and nothing is written") {
    const Gallery shop;
    const fs::path save = shop.path("images.safetensors"), started = save.string() + ".tmp0";
    std::thread user([&] {
        for (int i = 0; i < 60'000 && !fs::exists(started); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (fs::exists(started)) ::kill(::getpid(), SIGINT);
    });
    const Result result = shop.sample({"--steps", "1000000", "--seeds", "0", "--save", save.string()});
    user.join();
    CHECK(result.status == 130);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("lull: stopped after "));
    CHECK(result.err.ends_with(" of 1000000 sampler steps; nothing was written\n"));
    CHECK_FALSE(fs::exists(save));
    CHECK_FALSE(fs::exists(started));
}

TEST_CASE("the picture and the file say how the images were made") {
    const Gallery shop;
    const std::string save = shop.path("images.safetensors");
    const Result result =
        shop.sample({"--steps", "3", "--seeds", "5,0-1", "--sampler", "ancestral", "--eta", "0.5", "--save", save});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const auto text = read_png(shop.path("run") + "/samples-ancestral-3-seeds-5,0-1.png").text;
    CHECK(text.at("Sampler") == "ancestral, eta 0.5");
    CHECK(text.at("Seeds") == "5,0-1");
    CHECK(text.at("Sigmas") == "80 to 0.002, rho 7");
    CHECK(text.at("Precision") == "f32");
    CHECK(text.at("Software").starts_with("lull "));
    CHECK(text.at("Model") == shop.path("run") + "/checkpoint.safetensors");
    CHECK(text.at("Model SHA-256") == model_hash(load_model(shop.path("run"))));
    CHECK(text == load_safetensors(save).metadata);
}

TEST_CASE("outputs that are there are not written over") {
    const Gallery shop;
    const std::string save = shop.path("images.safetensors");
    write_bytes(save, "mine");
    const Result result = shop.sample({"--steps", "1000000", "--save", save});
    CHECK(result.err == "lull: " + save + ": exists; choose another name for --save\n");
    CHECK(read_bytes(save) == "mine");
}

TEST_CASE("pictures are bounded, files are not") {
    CHECK(most_in_picture({32, 32, 1}, 2) == 4096);
    CHECK(most_in_picture({512, 512, 3}, 1) == 256);
    CHECK(most_in_picture({4096, 4096, 3}, 64) == 1);
    const Gallery shop;
    const Result result = shop.sample({"--seeds", "0-999999"});
    CHECK(result.status == 2);
    CHECK(result.err ==
          "lull: --seeds: 1000000 images are more than a picture shows (4096); give --save FILE for the file that takes them "
          "all\n");

    const std::string save = shop.path("images.safetensors");
    const Result saved = shop.sample({"--seeds", "7,8", "--scale", "64", "--steps", "1", "--save", save});
    REQUIRE_MESSAGE(saved.status == 0, saved.err);
    CHECK(load_safetensors(save).tensors.at("images").size(0) == 2);
}

TEST_CASE("large images come in smaller batches, but not fewer at a time than there are threads") {
    const int before = thread_count();
    set_thread_count(3);
    CHECK(default_batch({32, 32, 1}) == 64);
    CHECK(default_batch({8, 8, 1}) == 64);
    CHECK(default_batch({64, 64, 3}) == 16);
    CHECK(default_batch({1024, 1024, 3}) == 3);
    set_thread_count(before);
}

TEST_CASE("the trajectory is a second picture beside the first, and leaves the images as they are") {
    const Gallery shop;
    REQUIRE(shop.sample({"--steps", "3", "--seeds", "0-9"}).status == 0);
    const fs::path folder = shop.path("run");
    const Result result = shop.sample({"--steps", "3", "--seeds", "0-9", "--batch", "3", "--trajectory"});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const fs::path picture = folder / "samples-heun-3-seeds-0-9-2.png",
                   film = folder / "samples-heun-3-seeds-0-9-2-trajectory.png";
    CHECK(result.out == picture.string() + '\n' + film.string() + '\n');
    CHECK(same_bits(read_png(picture).pixels, read_png(folder / "samples-heun-3-seeds-0-9.png").pixels));
    CHECK(read_png(film).text.at("Images") == "the first 8 of the seeds");
}
