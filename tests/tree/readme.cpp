// The README's example: it compiles, runs, and stands in the README word for word.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <sstream>
#include <string>

#include "diffusion/denoiser.h"
#include "diffusion/objective.h"
#include "diffusion/preconditioner.h"
#include "diffusion/samplers.h"
#include "diffusion/sigmas.h"
#include "engine/io/image_grid.h"
#include "engine/io/png.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/random.h"
#include "nn/data/fashion_mnist.h"
#include "nn/init.h"
#include "nn/optim.h"
#include "nn/trainer.h"
#include "nn/unet.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// The lines of a text between two that contain `begin` and `end`, without their indentation.
std::string lines_between(const std::string& text, const std::string& begin, const std::string& end) {
    std::istringstream in(text);
    std::string result;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (inside && line.find(end) != std::string::npos) break;
        if (inside) result += line.substr(std::min(line.size(), line.find_first_not_of(' '))) + '\n';
        if (line.find(begin) != std::string::npos) inside = true;
    }
    return result;
}

// Images of 4×4 pixels, so that a step of the real network takes milliseconds.
ImageDataset tiny_images() { return {.name = "tiny", .pixels = (255 * random_uniform({16, 4, 4, 1}, {})).to(DType::u8)}; }

Tensor readme_example(const ImageDataset& data, const std::int64_t steps, const Shape& image,
                      const std::filesystem::path& picture) {
    // begin: README
    const EdmPreconditioner edm{.sigma_data = data.statistics().std};
    const TrainingStream stream{.seed = 0};

    UNet unet(UNetConfig::s16());
    initialise_lesson(unet, /*seed=*/0);
    Parameters parameters(unet);
    AdamW optimizer({.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-5, .max_norm = 1});

    const auto loss = [&](Positions batch) {
        const Tensor y = stream.batch(data, batch).images;                          // (N, H, W, C)
        const NoisyImages noisy = add_noise(y, LogNormal{}, stream.seed, batch);    // x = y + σ n
        return denoising_loss(std::ref(unet), edm, y, noisy).loss;
    };
    train(parameters, optimizer, loss, {.steps = steps, .batch = 64, .schedule = OneCycle{4e-3, steps}});

    const UNet averaged = parameters.averaged(unet);    // the EMA weights
    const std::array<std::uint64_t, 4> seeds{0, 1, 2, 3};
    const Tensor images = sample_heun(denoiser(averaged, edm), start_noise(seeds, image, 80), karras_sigmas(18));
    write_png(picture, {image_grid(images), {}});
    // end: README
    return images;
}

}    // namespace

TEST_CASE("the README's example runs") {
    const TemporaryFolder folder;
    const Tensor images = readme_example(tiny_images(), 2, {4, 4, 1}, folder / "x.png");
    CHECK(images.shape() == Shape{4, 4, 4, 1});
    for (const double value : images.values()) CHECK(std::isfinite(value));
    CHECK(read_png(folder / "x.png").pixels.shape() == Shape{14, 14, 1});
}

TEST_CASE("the README's example is the one that was tested") {
    const std::filesystem::path root = source_dir();
    const std::string tested = lines_between(read_bytes(root / "tests/tree/readme.cpp"), "// begin: README", "// end: README");
    const std::string shown = lines_between(read_bytes(root / "README.md"), "```cpp", "```");
    REQUIRE(tested.find("sample_heun") != std::string::npos);
    CHECK_MESSAGE(shown.ends_with(tested), "README.md shows:\n", shown, "\ntests/tree/readme.cpp has:\n", tested);
}
