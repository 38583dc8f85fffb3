#include "apps/lull/denoising.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/lull/train_settings.h"
#include "diffusion/objective.h"
#include "engine/io/png.h"
#include "engine/ops/concat/concat.h"
#include "nn/data/fashion_mnist.h"
#include "nn/init.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// A shop with made-up networks of random weights.
struct Studio : Workshop {
    Studio() {
        write("model.safetensors", config());
        ModelConfig conditional = config();
        conditional.unet.class_embed = ClassEmbedType::table;
        conditional.unet.classes = 10;
        write("conditional.safetensors", conditional);
    }

    static ModelConfig config() {
        ModelConfig config{.unet = network_config("tiny"), .preconditioner = EdmPreconditioner{.sigma_data = 0.6, .mean = -0.5}};
        config.unet.in_channels = config.unet.out_channels = 1;
        return config;
    }
    void write(const std::string& name, const ModelConfig& config) const {
        UNet unet(config.unet);
        initialise_pytorch(unet, 3);
        save(name, unet, config);
    }
    void save(const std::string& name, UNet& unet, const ModelConfig& config) const {
        const Parameters parameters(unet);
        save_checkpoint(folder / name, parameters,
                        {{"model", to_json(config)}, {"data", {{"classes", {"zero", "one", "two", "three"}}}}});
    }

    // The tensors that `lull denoise MODEL … --save` writes.
    std::map<std::string, Tensor> denoise(const std::string& model, std::vector<std::string> more) const {
        const std::string file = path("denoised.safetensors");
        fs::remove(file);
        more.insert(more.begin(), {"denoise", path(model), "--quiet", "--save", file});
        const Result result = run(more);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return load_safetensors(file).tensors;
    }
    std::vector<std::string> made_up_images() const { return {"--data", folder.path().string(), "--split", "train"}; }
};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}    // namespace

TEST_CASE("denoise saves what the library computes, bit for bit") {
    const Studio shop;
    const auto tensors =
        shop.denoise("model.safetensors",
                     shop.made_up_images() + std::vector<std::string>{"--sigma", "0.5,7", "--index", "3,30", "--seed", "9"});
    CHECK(tensors.size() == 3);
    CHECK(tensors.at("sigma").values() == std::vector<double>{0.5, 0.5, 7, 7});
    CHECK(tensors.at("x").shape() == Shape{4, 1, 32, 32});

    const std::array<std::int64_t, 2> index{3, 30};
    const Tensor y = fashion_mnist(Split::train, shop.folder.path()).gather(index).images;
    const Denoiser D = load_model(shop.path("model.safetensors")).denoiser();
    for (const std::int64_t i : {0, 1}) {
        const double sigma = i == 0 ? 0.5 : 7;
        Tensor n = empty(y.shape());
        fill_normal(n, std::array{RandomStream{9, Purpose::noise, 3}, RandomStream{9, Purpose::noise, 30}});
        const Tensor x = y + sigma * n;
        CHECK(same_bits(tensors.at("x").slice(0, 2 * i, 2 * i + 2), to_pytorch_layout(x)));
        CHECK(same_bits(tensors.at("denoised").slice(0, 2 * i, 2 * i + 2), to_pytorch_layout(D(x, sigma))));
    }
}

TEST_CASE("a network that answers 0 is the preconditioner alone: D = mean + c_skip (x - mean)") {
    const Studio shop;
    UNet unet(Studio::config().unet);
    initialise_lesson(unet, 0);    // conv_out's filters start at zero
    unet.conv_out.bias = zeros({1});
    shop.save("zero.safetensors", unet, Studio::config());
    const auto tensors =
        shop.denoise("zero.safetensors", shop.made_up_images() + std::vector<std::string>{"--sigma", "0.8", "--count", "3"});
    const std::vector<double> x = tensors.at("x").values(), denoised = tensors.at("denoised").values();
    REQUIRE(x.size() == 3 * 32 * 32);
    // c_skip = 0.36 / (0.64 + 0.36). f32: a few roundings of numbers up to 4.
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(denoised[i] - (-0.5 + 0.36 * (x[i] + 0.5))));
    CHECK(worst < 1e-6);
}

TEST_CASE("an input is taken as it is at every noise level") {
    const Studio shop;
    const Tensor x = random_normal({70, 1, 32, 32}, {4, Purpose::data, 0});    // more than a batch
    const std::string input = shop.path("mine.safetensors");
    save_safetensors(input, {{{"x", x}}, {}});
    const auto tensors = shop.denoise("model.safetensors", {"--input", input, "--sigma", "0.5,80"});
    CHECK(same_bits(tensors.at("x"), concat({x, x}, 0)));
    const Denoiser D = load_model(shop.path("model.safetensors")).denoiser();
    const Tensor y = from_pytorch_layout(x).contiguous();
    CHECK(same_bits(tensors.at("denoised"), to_pytorch_layout(concat({D(y, 0.5), D(y, 80)}, 0))));
    CHECK(fs::exists(shop.path("denoise-mine.png")));
}

TEST_CASE("labels reach the network, and are the data set's unless given") {
    const Studio shop;
    const auto images =
        shop.made_up_images() + std::vector<std::string>{"--sigma", "1", "--index", "5,17"};    // of classes 5 and 7
    const auto denoised = [&](const std::vector<std::string>& labels) {
        return shop.denoise("conditional.safetensors", images + labels).at("denoised");
    };
    const Tensor own = denoised({});
    CHECK(same_bits(own, denoised({"--labels", "5,7"})));
    CHECK_FALSE(same_bits(own, denoised({"--labels", "5,6"})));
    CHECK(same_bits(denoised({"--labels", "three"}), denoised({"--labels", "3,3"})));

    // Sampling: image by image as the library has it, and all classes in turn unless given.
    const auto sampled = [&](const std::vector<std::string>& more) { return shop.images("conditional.safetensors", more); };
    const Tensor in_turn = sampled({});
    CHECK(same_bits(in_turn, sampled({"--labels", "0-7", "--batch", "3"})));
    CHECK(same_bits(in_turn.slice(0, 3, 4), sampled({"--labels", "three"}).slice(0, 3, 4)));
    CHECK(read_png(shop.path("samples-heun-3-seeds-0-7.png")).text.at("Labels") == "0-7");
}

TEST_CASE("denoise takes the images that the model was trained on, prepared as they were for it, unless told otherwise") {
    const Studio shop;
    const TemporaryFolder elsewhere;
    fs::create_directory(elsewhere / "pictures");
    for (std::uint64_t i = 0; i < 3; ++i) {
        const Tensor noise = 255 * random_uniform({20, 30, 3}, {.seed = 1, .index = i});
        write_png(elsewhere / ("pictures/" + std::to_string(i) + ".png"), {noise.to(DType::u8), {}});
    }
    const std::string pictures = (elsewhere / "pictures").string();
    const Result trained = shop.train(
        "run", {"--data", pictures, "--size", "16", "--fit", "stretch", "--no-cache", "--steps", "2", "--sample-count", "0"});
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    const auto x = [&](const std::vector<std::string>& more) {
        return shop.denoise("run", std::vector<std::string>{"--no-cache", "--sigma", "0.001"} + more).at("x");
    };
    const Tensor own = x({});    // four images are the default, three are there
    CHECK(own.shape() == Shape{3, 3, 16, 16});
    CHECK(same_bits(own, x({"--data", pictures, "--fit", "stretch"})));
    CHECK_FALSE(same_bits(own, x({"--fit", "crop"})));
    CHECK(same_bits(x({"--fit", "crop"}), x({"--data", pictures})));
    CHECK(x({"--data", shop.folder.path().string(), "--count", "2"}).shape() == Shape{2, 3, 16, 16});    // grey ones, as colour

    fs::rename(pictures, elsewhere / "moved");
    CHECK(run({"denoise", shop.path("run")}).err == "lull: " + pictures + ": no such file or folder\n");
}

TEST_CASE("denoise falls back to Fashion-MNIST, and says so, when the model does not say what it was trained on") {
    const Studio shop;
    const char* before = std::getenv("LULL_DATA");
    const std::string kept = before ? before : "";
    ::setenv("LULL_DATA", shop.folder.path().c_str(), 1);
    const Result result = run({"denoise", shop.path("model.safetensors"), "--sigma", "1"});
    const Result other = run({"denoise", shop.path("model.safetensors"), "--sigma", "1", "--data", shop.folder.path().string()});
    before ? ::setenv("LULL_DATA", kept.c_str(), 1) : ::unsetenv("LULL_DATA");
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const std::string line =
        "the model does not say what it was trained on: these are images of Fashion-MNIST; --data names others\n";
    CHECK(result.out.starts_with(line + "Fashion-MNIST: 40 grey images"));
    CHECK(other.out.find(line) == std::string::npos);
}

TEST_CASE("denoise in bf16 is near f32, and its picture says so") {
    const Studio shop;
    const auto images = shop.made_up_images() + std::vector<std::string>{"--sigma", "1"};
    const auto f32 = shop.denoise("model.safetensors", images);
    const auto bf16 = shop.denoise("model.safetensors", images + std::vector<std::string>{"--precision", "bf16"});
    CHECK(same_bits(f32.at("x"), bf16.at("x")));
    CHECK_FALSE(same_bits(f32.at("denoised"), bf16.at("denoised")));
    CHECK(test::relative_error(bf16.at("denoised"), f32.at("denoised")) < 0.02);    // 8 significant bits: 0.004 each
    CHECK(read_png(shop.path("denoise-0-3.png")).text.at("Precision") == "f32");
    CHECK(read_png(shop.path("denoise-0-3-2.png")).text.at("Precision") == "bf16");
}

TEST_CASE("denoise prints a table of errors and writes a picture of at most eight images") {
    const Studio shop;
    std::vector<std::string> command{"denoise", shop.path("model.safetensors")};
    const Result shown = run(command + shop.made_up_images() + std::vector<std::string>{"--sigma", "0.02,80", "--count", "12"});
    REQUIRE_MESSAGE(shown.status == 0, shown.err);
    CHECK(shown.out.find(": 40 grey images of 28×28 in 10 classes") < shown.out.find('\n'));
    CHECK(shown.out.find("\n       sigma        rmse    weighted\n        0.02") == shown.out.find('\n'));
    CHECK(shown.out.ends_with('\n' + shop.path("denoise-0-11.png") + '\n'));
    CHECK(std::count(shown.out.begin(), shown.out.end(), '\n') == 5);
    const PngImage picture = read_png(shop.path("denoise-0-11.png"));
    CHECK(picture.pixels.size(1) > 24 * 66);
    CHECK(picture.pixels.size(1) < 25 * 66 + 100);
    CHECK(picture.text.at("Sigmas") == "0.02, 80");
    CHECK(picture.text.at("Model SHA-256") == model_hash(load_model(shop.path("model.safetensors"))));
}

TEST_CASE("the loss on other images is training's, at levels as training draws them, whatever the batches") {
    const Workshop shop;
    for (const std::vector<std::string>& how :
         {std::vector<std::string>{"--conditional"}, {"--objective", "eps", "--noise", "cosine", "--no-t"}}) {
        CAPTURE(how.back());
        const std::string name = "run" + how.back();
        REQUIRE(shop.train(name, how + std::vector<std::string>{"--steps", "3", "--sample-count", "0"}).status == 0);
        const std::vector<std::string> command{"denoise", shop.path(name), "--loss",  "--quiet",
                                               "--split", "train",         "--count", "30"};
        const Result result = run(command + std::vector<std::string>{"--seed", "5"});
        REQUIRE_MESSAGE(result.status == 0, result.err);
        double loss = 0, error = 0;
        REQUIRE(std::sscanf(result.out.c_str(), "loss %lf +- %lf", &loss, &error) == 2);
        CHECK(result.out.find("  images 0-29 of ") != std::string::npos);

        const Model model = load_model(shop.path(name));
        const auto settings = train_settings_from_json(model.description.at("training"));
        DataOptions options;
        options.path = shop.folder.path();
        options.load.split = Split::train;
        const ImageDataset data = load_data(options).range(-1, 1);
        std::vector<std::int64_t> index(30);
        std::vector<std::uint64_t> positions;
        std::iota(index.begin(), index.end(), 0);
        for (const std::int64_t i : index) positions.push_back(kBeyondTraining + static_cast<std::uint64_t>(i));
        const Batch batch = data.gather(index);
        const bool classes = how.front() == "--conditional";
        const std::vector<double> wanted =
            denoising_loss(network_of(model.unet, DType::f32, classes ? batch.labels : Tensor()), model.config.preconditioner,
                           batch.images, settings.noise_distribution(), 5, positions)
                .per_image.values();
        const double mean = std::accumulate(wanted.begin(), wanted.end(), 0.0) / 30;
        double variance = 0;
        for (const double each : wanted) variance += (each - mean) * (each - mean) / 30;
        CHECK(loss == doctest::Approx(mean).epsilon(1e-4));
        CHECK(error == doctest::Approx(std::sqrt(variance / 30)).epsilon(1e-2));

        std::vector<std::int32_t> labels;
        if (classes) labels.assign(batch.labels.data<std::int32_t>(), batch.labels.data<std::int32_t>() + 30);
        CHECK(held_out_loss(model, batch.images, labels, 5).loss == doctest::Approx(mean).epsilon(1e-6));
        CHECK(held_out_loss(model, batch.images, labels, 6).loss != doctest::Approx(mean).epsilon(1e-3));
    }
    const Studio studio;
    CHECK(
        run({"denoise", studio.path("model.safetensors"), "--loss", "--data", studio.folder.path().string(), "--split", "train"})
            .err == "lull: " + studio.path("model.safetensors") + ": does not say how its training drew noise levels\n");
}

TEST_CASE("what denoise cannot do is said in one line, and nothing is written") {
    const Studio shop;
    const std::string model = shop.path("model.safetensors"), conditional = shop.path("conditional.safetensors");
    const std::string input = shop.path("in.safetensors"), other = shop.path("other.safetensors"), there = shop.path("there");
    save_safetensors(input, {{{"y", zeros({1, 1, 32, 32})}}, {}});
    save_safetensors(other, {{{"x", zeros({1, 3, 32, 32})}}, {}});
    const std::string broken = shop.path("broken.safetensors");
    save_safetensors(broken, {{{"x", full({1, 1, 32, 32}, NAN)}}, {}});
    write_bytes(there, "mine");
    struct Case {
        std::vector<std::string> arguments;
        int status;
        std::string message;
    };
    const std::vector<Case> cases{
        {{model, "--sigma", "0"}, 2, "--sigma: expected numbers above 0 such as 0.02,0.3,1, got '0'"},
        {{model, "--sigma", ""}, 2, "--sigma: expected a value, got nothing"},
        {{model, "--sigma", "1,-2"}, 2, "--sigma: expected numbers above 0 such as 0.02,0.3,1, got '1,-2'"},
        {{model, "--sigma", "inf"}, 2, "--sigma: expected numbers above 0 such as 0.02,0.3,1, got 'inf'"},
        {{model, "--loss", "--sigma", "1"}, 2, "--sigma: excludes --loss; give one of them"},
        {{model, "--index", "40"}, 2, "--index: expected numbers of images below 40, got 40"},
        {{model, "--index", "x"}, 2, "--index: expected numbers and ranges such as 0-63 or 0-7,12, got 'x'"},
        {{model, "--labels", "1"}, 2, "--labels: this model knows no classes"},
        {{conditional, "--labels", "10"}, 2, "--labels: expected classes from 0 to 9, got 10"},
        {{conditional, "--labels", "1,2"}, 2, "--labels: expected one class, or one for each of the 4 images, got 2"},
        {{conditional, "--labels", "thre"},
         2,
         "--labels: expected classes such as 3 or 0-9,3, or a name, got 'thre'; did you mean 'three'? (zero, one, two, three)"},
        {{model, "--split", "tset"}, 2, "--split: unknown part 'tset'; did you mean 'test'? (train, test)"},
        {{model, "--input", input}, 1, input + ": has no tensor 'x'"},
        {{model, "--input", other}, 1, other + ": expected 'x' as f32 (N, 1, 32, 32), got f32 (1, 3, 32, 32)"},
        {{model, "--input", broken}, 1, broken + ": 'x' has values that are not finite"},
        {{model, "--input", shop.path("none")}, 1, shop.path("none") + ": no such file"},
        {{model, "--save", there}, 1, there + ": exists; choose another name for --save"},
        {{model, "--save", shop.path("nowhere/x")}, 1, shop.path("nowhere") + ": no such folder"},
        {{shop.path("none")}, 1, shop.path("none") + ": no such run, checkpoint or diffusers folder"},
    };
    const long before = shop.folder.files();
    for (const Case& c : cases) {
        std::vector<std::string> command = std::vector<std::string>{"denoise"} + c.arguments;
        const bool given = std::count(command.begin(), command.end(), "--input") > 0;
        if (!given) command = command + std::vector<std::string>{"--data", shop.folder.path().string()};
        if (!given && std::count(command.begin(), command.end(), "--split") == 0)
            command = command + std::vector<std::string>{"--split", "train"};
        const Result result = run(command);
        CHECK(result.err == "lull: " + c.message + '\n');
        CHECK_MESSAGE(result.status == c.status, c.message);
    }
    CHECK(shop.folder.files() == before);
    CHECK(read_bytes(there) == "mine");
}
