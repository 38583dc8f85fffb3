// Models from run folders, checkpoints and diffusers folders; export and inspect as a user types them.
#include "apps/lull/model.h"

#include <doctest/doctest.h>

#include "apps/lull/options.h"
#include "engine/random.h"
#include "nn/diffusers.h"
#include "nn/init.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

UNet some_unet(UNetConfig config = {.channels = {4, 8}, .attention = {false, false}, .layers_per_block = 1, .groups = 2}) {
    UNet unet(config);
    initialise_pytorch(unet, 4);
    return unet;
}

// A diffusers folder that lull did not write: its weights' file says nothing.
void write_foreign(const fs::path& folder, const UNet& unet, std::int64_t height = 8, std::int64_t width = 8) {
    write_diffusers(folder, unet, height, width, {});
    SafetensorsFile file = load_safetensors(folder / kDiffusersWeights);
    file.metadata = {{"format", "pt"}};
    save_safetensors(folder / kDiffusersWeights, file);
}

}    // namespace

TEST_CASE("a diffusers folder is EDM around its network, unless flags say otherwise") {
    const TemporaryFolder folder;
    const UNet unet = some_unet();
    write_foreign(folder / "model", unet, 8, 12);
    const Model model = load_model(folder / "model");
    CHECK(std::get<EdmPreconditioner>(model.config.preconditioner).sigma_data == 0.5);
    CHECK(mean_of(model.config.preconditioner) == 0);
    CHECK(Named<TimeInput>::name_of(time_input_of(model.config.preconditioner)) == "quarter_log_sigma");
    CHECK(model.config.image() == Shape{8, 12, 1});
    CHECK(model.config.black == -1);
    CHECK(model.config.white == 1);
    CHECK(model.description.is_null());

    const Tensor x = random_normal({2, 8, 12, 1}, {1, Purpose::data, 0});
    const NoGrad no_grad;
    const auto by_hand = [&](const Preconditioner& edm) {
        return denoise([&](const Tensor& in, const Tensor& time) { return unet(in, time); }, edm, x, 0.7);
    };
    CHECK(same_bits(model.denoiser()(x, 0.7), by_hand(EdmPreconditioner{.sigma_data = 0.5})));

    const Model told = load_model(
        folder / "model",
        {.sigma_data = 0.25, .mean = -0.5, .time_input = SigmaItself{}, .black = 0, .white = 255, .height = 16, .width = 4});
    CHECK(same_bits(told.denoiser()(x, 0.7),
                    by_hand(EdmPreconditioner{.sigma_data = 0.25, .mean = -0.5, .time_input = SigmaItself{}})));
    CHECK(told.config.white == 255);
    // A network of diffusers' own training: it answers the noise, and is told VP's time, 0 to 999.
    const Model eps = load_model(folder / "model", {.objective = EpsPreconditioner{}, .time_input = VpSchedule{}});
    CHECK(same_bits(eps.denoiser()(x, 0.7), by_hand(EpsPreconditioner{.time_input = VpSchedule{}})));
    CHECK(error_of([&] { load_model(folder / "model", {.objective = EpsPreconditioner{}, .sigma_data = 1}); }) ==
          "--sigma-data: does nothing with --objective eps, only with edm");
    CHECK(told.config.image() == Shape{16, 4, 1});
}

TEST_CASE("a pipeline's folder is the U-Net in it, and a file of weights the folder that it is in") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "pipeline");
    write_foreign(folder / "pipeline/unet", some_unet());
    const fs::path file = folder / "pipeline/unet" / kDiffusersWeights;
    CHECK(find_model(folder / "pipeline") == file);
    CHECK(model_hash(load_model(folder / "pipeline")) == model_hash(load_model(file)));
    CHECK(load_model(folder / "pipeline").config.image() == Shape{8, 8, 1});
}

TEST_CASE("an image size that nobody gives is asked for when it is needed") {
    const TemporaryFolder folder;
    write_foreign(folder / "model", some_unet(), 0, 0);
    CHECK(error_of([&] { load_model(folder / "model").config.image(); }) ==
          "[model] its description has no image size; give --image-size");
    CHECK(run({"sample", (folder / "model").string(), "--steps", "1", "--seeds", "0", "--quiet", "--image-size", "4x6"}).status ==
          0);
}

TEST_CASE("the denoiser of a conditional model follows its labels, and wants them") {
    const TemporaryFolder folder;
    write_foreign(folder / "model", some_unet({.channels = {4, 8},
                                               .attention = {false, false},
                                               .layers_per_block = 1,
                                               .groups = 2,
                                               .class_embed = ClassEmbedType::table,
                                               .classes = 3}));
    const Model model = load_model(folder / "model");
    const Tensor x = random_normal({1, 8, 8, 1}, {1, Purpose::data, 0});
    const auto with = [&](double label) { return model.denoiser(from_values({label}, {1}, DType::i32))(x, 1); };
    CHECK(relative_error(with(0), with(2)) > 1e-4);
    CHECK(error_of([&] { model.denoiser()(x, 1); }) ==
          "[unet] expected labels, one per image, as the model is conditional, got none");
}

TEST_CASE("a hash names weights: it changes with any of them and with nothing else") {
    const TemporaryFolder folder;
    Model model{{}, some_unet()};
    const std::string hash = model_hash(model);
    CHECK(hash.size() == 64);
    model.config.height = 7;
    CHECK(hash == model_hash(model));
    Tensor bias = model.unet.conv_out.bias;    // a handle: the model's own
    bias.data<float>()[0] += 1e-6f;
    CHECK(hash != model_hash(model));
}

TEST_CASE("what is exported is the same model, to lull and in diffusers' files") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "2", "--sample-count", "0"}).status == 0);
    for (const std::string weights : {"ema", "raw"}) {
        CAPTURE(weights);
        const std::string out = shop.path("out-" + weights);
        const Result exported = run({"export", shop.path("run"), out, "--weights", weights});
        REQUIRE_MESSAGE(exported.status == 0, exported.err);
        CHECK(exported.out == out + '\n');
        CHECK(shop.images("out-" + weights, {}).values() == shop.images("run", {"--weights", weights}).values());
        CHECK(run({"inspect", out, "--hash"}).out == run({"inspect", shop.path("run"), "--weights", weights, "--hash"}).out);
        CHECK(json::parse(read_bytes(fs::path(out) / "config.json")).at("sample_size") == 32);
        CHECK(run({"export", shop.path("run"), out}).err ==
              "lull: " + out + ": exists and is not empty; choose another folder\n");
    }
    CHECK(run({"inspect", shop.path("out-ema"), "--hash"}).out != run({"inspect", shop.path("out-raw"), "--hash"}).out);
}

TEST_CASE("inspect says what a newcomer asks for, and as JSON what a program does") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "2", "--sample-count", "0", "--seed", "5"}).status == 0);
    const std::string text = run({"inspect", shop.path("run")}).out;
    for (const char* part : {"checkpoint.safetensors, ", "32x32, 1 channel, black at -1, white at 1", "none: unconditional",
                             "edm, sigma_data ", "averaged (ema)", "2 of 2", "conv_in", "weight (8, 3, 3, 1)  bias (8,)"})
        CHECK_MESSAGE(text.find(part) != std::string::npos, part);
    const json all = json::parse(run({"inspect", shop.path("run"), "--json"}).out);
    CHECK(all.at("training").at("seed") == 5);
    CHECK(all.at("step") == 2);
    CHECK(all.at("parameters") == 40'489);
    CHECK(all.at("tensors").at("conv_in.weight") == json({8, 1, 3, 3}));    // PyTorch's order
    CHECK(all.at("sha256").get<std::string>() + '\n' == run({"inspect", shop.path("run"), "--hash"}).out);
}

TEST_CASE("what is no model, and flags that contradict one, are refused in one line") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "1", "--sample-count", "0"}).status == 0);
    const auto refusal = [&](const std::string& path, const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"inspect", shop.path(path)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(arguments).err;
    };
    const std::string keeps = ": cannot be given for this model, which says with what it was trained\n";
    CHECK(refusal("run", {"--sigma-data", "0.5"}) == "lull: --sigma-data" + keeps);
    CHECK(refusal("run", {"--mean", "0"}) == "lull: --mean" + keeps);
    CHECK(refusal("run", {"--time-input", "sigma"}) == "lull: --time-input" + keeps);
    CHECK(refusal("run", {"--time-input", "sgima"}) ==
          "lull: --time-input: unknown time input 'sgima'; did you mean 'sigma'? (quarter_log_sigma, sigma, none, cosine, "
          "linear, vp, ve)\n");
    CHECK(refusal("run", {"--weights", "emma"}) == "lull: --weights: unknown weights 'emma'; did you mean 'ema'? (ema, raw)\n");
    CHECK(refusal("run", {"--image-size", "32x"}) ==
          "lull: --image-size: expected pixels, such as 32, or width and height, such as 48x32, got '32x'\n");
    CHECK(refusal("run", {"--range-low", "2"}) == "lull: --range-low: expected less than the range's high end 1, got 2\n");

    fs::create_directory(shop.path("empty"));
    CHECK(refusal("empty") == "lull: " + shop.path("empty") +
                                  ": no checkpoint.safetensors and no diffusion_pytorch_model.safetensors in this folder\n");
    write_bytes(shop.path("empty") + "/diffusion_pytorch_model.bin", "pickled");
    CHECK(refusal("empty").find("; it has diffusion_pytorch_model.bin: save the model as one safetensors file") !=
          std::string::npos);
    write_foreign(shop.path("foreign"), some_unet());
    json config = json::parse(read_bytes(shop.path("foreign") + "/config.json"));
    config["act_fn"] = "gelu";
    write_bytes(shop.path("foreign") + "/config.json", config.dump());
    CHECK(refusal("foreign") ==
          "lull: " + shop.path("foreign") + "/config.json: [unet] act_fn: expected silu, swish, relu or mish, got \"gelu\"\n");
    config["act_fn"] = "silu";
    config["sample_size"] = {8, 8, 8};
    write_bytes(shop.path("foreign") + "/config.json", config.dump());
    CHECK(refusal("foreign") == "lull: " + shop.path("foreign") +
                                    "/config.json: [model] sample_size: expected one number, or height and width, got [8,8,8]\n");
}
