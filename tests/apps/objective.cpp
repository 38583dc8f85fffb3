// Runs with other objectives, schedules and time inputs than EDM's, through every command.
#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "apps/lull/model.h"
#include "apps/lull/train_settings.h"
#include "engine/io/png.h"
#include "engine/ops/reduce/reduce.h"
#include "nn/data/fashion_mnist.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// The lesson's run with a network for trials: the last of a flag's values counts.
const std::vector<std::string> kCosine{"--preset", "ddim-cosine", "--network", "tiny", "--sample-count", "0"};

// What a dry run of the shop's data says with these flags, without its comments.
std::string dry_run(const Workshop& shop, const std::vector<std::string>& flags) {
    const Result result =
        run(std::vector<std::string>{"train", "--dry-run", "--quiet", "--data", shop.folder.path().string()} + flags);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return result.out;
}

bool says(const std::string& settings, const std::string& line) { return settings.find('\n' + line + '\n') != std::string::npos; }

Model trained(const Workshop& shop, const std::string& name, const std::vector<std::string>& flags) {
    const Result result = shop.train(name, flags);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return load_model(shop.path(name));
}

}    // namespace

TEST_CASE("the lesson's preset has the lesson's settings, and flags and files win over it") {
    const Workshop shop;
    const std::string preset = dry_run(shop, {"--preset", "ddim-cosine"});
    for (const char* line :
         {"preset = \"ddim-cosine\"", "network = \"m32\"", "objective = \"eps\"", "noise = \"cosine\"", "time-input = \"cosine\"",
          "range-low = -0.5", "range-high = 0.5", "batch = 512", "lr = 0.004", "eps = 1e-05", "beta2 = 0.999"})
        CHECK_MESSAGE(says(preset, line), line << " in\n" << preset);
    CHECK(says(preset, "steps = 2"));    // 25 epochs of 40 images, 512 at a time
    CHECK(preset.find("P-mean") == std::string::npos);
    CHECK(preset.find("sigma-data") == std::string::npos);

    const std::vector<std::string> mine{"--lr", "1e-3", "--steps", "7", "--network", "tiny", "--noise", "vp", "--objective", "v"};
    for (const std::string& changed : {dry_run(shop, mine + std::vector<std::string>{"--preset", "ddim-cosine"}),
                                       dry_run(shop, std::vector<std::string>{"--preset", "ddim-cosine"} + mine)}) {
        for (const char* line : {"network = \"tiny\"", "objective = \"v\"", "noise = \"vp\"", "time-input = \"vp\"", "lr = 0.001",
                                 "steps = 7", "batch = 512"})
            CHECK_MESSAGE(says(changed, line), line << " in\n" << changed);
        // The printed settings are a file that says the same, whatever the order of its lines; flags win over it, too.
        write_bytes(shop.path("settings.toml"), changed);
        CHECK(dry_run(shop, {"--config", shop.path("settings.toml")}) == changed);
        const std::string again = dry_run(shop, {"--config", shop.path("settings.toml"), "--lr", "0.5", "--no-t"});
        CHECK(says(again, "lr = 0.5"));
        CHECK(says(again, "time-input = \"none\""));
        CHECK(says(again, "noise = \"vp\""));
    }
    CHECK(says(dry_run(shop, {"--epochs", "2.5"}), "steps = 2"));    // 100 images, 64 at a time
    CHECK(says(dry_run(shop, {}), "time-input = \"quarter_log_sigma\""));
}

TEST_CASE("a cosine run is a model for every command and every sampler") {
    const Workshop shop;
    const Model model = trained(shop, "run", kCosine + std::vector<std::string>{"--epochs", "0.5"});
    CHECK(model.description.at("step") == 5);
    CHECK(Named<Preconditioner>::name_of(model.config.preconditioner) == "eps");
    CHECK(model.config.black == -0.5);
    CHECK(model.config.white == 0.5);
    const json data = model.description.at("data");
    CHECK(data.at("range") == json({-0.5, 0.5}));

    // D is x - σ ε̂(x/√(1+σ²), t).
    const Tensor x = random_normal({2, 32, 32, 1}, {4, Purpose::data, 0});
    const NoGrad no_grad;
    const Tensor eps = model.unet(x / std::sqrt(1 + sq(1.0)), full({2}, 0.5));    // t(1) = 0.5
    CHECK(relative_error(model.denoiser()(x, 1), x - eps) < 1e-6);

    for (const std::string sampler : {"euler", "ancestral", "heun", "lms", "ddim"}) {
        CAPTURE(sampler);
        const Tensor images = shop.images("run", {"--sampler", sampler});
        CHECK(images.shape() == Shape{8, 1, 32, 32});
        CHECK(same_bits(images.slice(0, 5, 6), shop.images("run", {"--sampler", sampler, "--batch", "3"}).slice(0, 5, 6)));
    }
    const std::string inspected = run({"inspect", shop.path("run")}).out;
    CHECK(inspected.find("eps, mean 0, time input cosine") != std::string::npos);
    CHECK(inspected.find("black at -0.5, white at 0.5") != std::string::npos);

    REQUIRE(run({"export", shop.path("run"), shop.path("exported")}).status == 0);
    CHECK(same_bits(shop.images("exported", {"--sampler", "ddim"}), shop.images("run", {"--sampler", "ddim"})));
}

TEST_CASE("the ddim sampler takes the lesson's way: x_t from N(0, I) down the cosine schedule") {
    const Workshop shop;
    const Model model = trained(shop, "run", kCosine + std::vector<std::string>{"--steps", "2"});
    const std::vector<std::uint64_t> seeds{0, 1, 2, 3, 4, 5, 6, 7};
    const std::vector<double> sigmas = cosine_sigmas(9);
    const Tensor start = start_noise(seeds, {32, 32, 1}, std::sqrt(1 + sq(sigmas[0])));
    const auto by_hand = [&](const DdimOptions& options) {
        return to_pytorch_layout(sample_ddim(model.denoiser(), start, sigmas, options, {.seeds = seeds}));
    };
    const auto sampled = [&](const std::vector<std::string>& more) {
        return shop.images("run", std::vector<std::string>{"--sampler", "ddim", "--steps", "9"} + more);
    };
    CHECK(same_bits(sampled({}), by_hand({.eta = 1})));
    CHECK(same_bits(sampled({"--eta", "0.5", "--clip", "0.25"}), by_hand({.eta = 0.5, .clip = 0.25})));
    CHECK(same_bits(sampled({"--eta", "0", "--clip", "0"}), by_hand({.eta = 0, .clip = HUGE_VAL})));
    const auto text = read_png(shop.path("run") + "/samples-ddim-9-seeds-0-7.png").text;
    CHECK(text.at("Sampler") == "ddim, eta 1, clip 1.5");
    CHECK(text.at("Sigmas") == "cosine, 5.67128 to 0");
    // Any sampler takes the grid, and this one EDM's.
    CHECK(same_bits(shop.images("run", {"--sampler", "euler", "--grid", "cosine", "--steps", "9"}),
                    to_pytorch_layout(sample_euler(model.denoiser(), start_noise(seeds, {32, 32, 1}, sigmas[0]), sigmas))));
    CHECK_FALSE(same_bits(sampled({}), sampled({"--grid", "karras"})));
}

TEST_CASE("runs of every objective, schedule and time input go on bit for bit") {
    const Workshop shop;
    const std::vector<std::vector<std::string>> choices{{"--objective", "eps", "--noise", "cosine", "--range-low", "-0.5"},
                                                        {"--objective", "v", "--noise", "vp", "--no-t"},
                                                        {"--objective", "ve", "--noise", "ve", "--center"},
                                                        {"--objective", "edm", "--noise", "linear", "--time-input", "linear"}};
    int number = 0;
    for (const auto& choice : choices) {
        CAPTURE(choice);
        const std::string whole = "whole" + std::to_string(++number), parts = "parts" + std::to_string(number);
        const auto flags = choice + std::vector<std::string>{"--steps", "4", "--sample-count", "1", "--sample-every", "2"};
        trained(shop, whole, flags);
        trained(shop, parts, flags + std::vector<std::string>{"--stop-after", "3"});
        const Result resumed = run({"train", "--quiet", "--resume", shop.path(parts)});
        REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
        for (const char* file :
             {"/checkpoint.safetensors", "/training_state.safetensors", "/samples/step-000004.png", "/loss.png"})
            CHECK_MESSAGE(read_bytes(shop.path(whole) + file) == read_bytes(shop.path(parts) + file), file);
    }
}

TEST_CASE("a network that is told no time answers the same at every noise level") {
    const Workshop shop;
    const Model blind = trained(shop, "blind", kCosine + std::vector<std::string>{"--steps", "3", "--no-t"});
    CHECK(Named<TimeInput>::name_of(time_input_of(blind.config.preconditioner)) == "none");
    const Tensor input = random_normal({1, 32, 32, 1}, {4, Purpose::data, 0});
    const auto answer = [&](double sigma) {    // ε̂ of c_in x = input
        const Tensor x = std::sqrt(1 + sq(sigma)) * input;
        return (x - blind.denoiser()(x, sigma)) / sigma;
    };
    CHECK(relative_error(answer(8), answer(0.5)) < 1e-5);    // x - D is a difference of larger numbers

    // EDM's network is blind, its c_in, c_skip and c_out are not.
    const Model edm = trained(shop, "edm", {"--steps", "3", "--no-t", "--sample-count", "0"});
    CHECK(Named<TimeInput>::name_of(time_input_of(edm.config.preconditioner)) == "none");
    CHECK(std::get<EdmPreconditioner>(edm.config.preconditioner).sigma_data > 0);
    CHECK(run({"inspect", shop.path("edm")}).out.find("time input none") != std::string::npos);
}

TEST_CASE("denoise shows a cosine run by its times, which other models can have, too") {
    const Workshop shop;
    trained(shop, "run", kCosine + std::vector<std::string>{"--steps", "2"});
    trained(shop, "blind", kCosine + std::vector<std::string>{"--steps", "2", "--no-t"});
    trained(shop, "edm", {"--steps", "2", "--sample-count", "0"});
    const auto denoise = [&](const std::string& name, const std::vector<std::string>& more) {
        const Result result = run(std::vector<std::string>{"denoise", shop.path(name), "--count", "2"} + more);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return result.out;
    };
    const std::string heading = "           t       sigma        rmse    weighted\n";
    for (const std::string name : {"run", "blind"}) {    // the second's network is not told of the schedule that it has
        const std::string out = denoise(name, {});
        CHECK(out.find(heading + "        0.01     0.01571 ") != std::string::npos);
        CHECK(out.find("\n         0.5           1 ") != std::string::npos);
        CHECK(out.find("\n        0.99       63.66 ") != std::string::npos);
    }
    CHECK(read_png(shop.path("run") + "/denoise-0-1.png").text.at("Times") == "0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99");
    CHECK(denoise("run", {"--sigma", "1"}).find(heading + "         0.5           1 ") != std::string::npos);
    CHECK(denoise("edm", {"--t", "0.5"}).find(heading + "         0.5           1 ") != std::string::npos);
    CHECK(denoise("edm", {"--sigma", "1"}).find("\n       sigma        rmse    weighted\n           1 ") != std::string::npos);

    const std::string file = shop.path("tensors.safetensors");
    denoise("run", {"--t", "0.5", "--save", file});
    const auto tensors = load_safetensors(file).tensors;
    CHECK(tensors.at("sigma").values()[0] == doctest::Approx(1).epsilon(1e-15));
    const std::array<std::int64_t, 2> index{0, 1};
    const Tensor y = fashion_mnist(Split::train, shop.folder.path()).range(-0.5, 0.5).gather(index).images;
    CHECK(std::abs(mean(from_pytorch_layout(tensors.at("x")) - y).item()) <
          0.1);    // unit noise over 2,048 pixels: 4 standard errors
}

TEST_CASE("a run from before there was a choice is EDM's") {
    TrainSettings now;
    now = now.resolved({.mean = 0, .std = 0.5});
    json old = to_json(now);
    for (const char* key : {"network", "range_low", "range_high", "objective", "noise", "time_input"}) old.erase(key);
    CHECK(to_json(train_settings_from_json(old)) == to_json(now));
    json broken = to_json(now);
    broken["objective"] = "esp";
    CHECK(error_of([&] {
              const TrainSettings read = train_settings_from_json(broken);
              read.preconditioner({.mean = 0, .std = 0.5});
          }) == "[objective] unknown objective 'esp'; did you mean 'eps'? (edm, eps, v, ve)");
}
