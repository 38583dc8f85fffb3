#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/denoising.h"
#include "apps/lull/seeds.h"

namespace lull {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  lull denoise runs/ten    # four images, from hardly any noise to hardly anything else\n"
    "  lull denoise runs/ten --index 10-15 --split test    # images that it was not trained on\n"
    "  lull denoise runs/cosine --t 0.25,0.5,0.75    # by the times of its schedule\n"
    "  lull denoise runs/ten --loss --split test --count 10000    # its evaluation loss\n"
    "  lull denoise runs/ten --input x.safetensors --sigma 80 --save d.safetensors\n"
    "The table has the errors of D(x; sigma): rmse, the root of their mean square, and weighted, the mean\n"
    "square times the weight that it has in training: the loss, about 1 before anything is learnt.\n"
    "A model whose training had a schedule shows the times of its noise levels.\n"
    "The picture shows the first 8 images at most, noisy ones scaled down to the data's contrast.\n"
    "The file of --save has all images at the first noise level, then all at the next.";

// What comes as text and becomes something else.
struct DenoiseText {
    DenoiseSettings settings;
    std::string sigmas, times, index;

    DenoiseSettings parsed() const {
        DenoiseSettings s = settings;
        if (!sigmas.empty()) s.sigmas = reading("--sigma", [&] { return parse_sigmas(sigmas); });
        if (!times.empty()) s.times = reading("--t", [&] { return parse_times(times); });
        if (!index.empty()) s.index = reading("--index", [&] { return parse_seeds(index); });
        return s;
    }
};

void add_image_options(CLI::App& app, DenoiseText& text) {
    const std::string group = "Images";
    DenoiseSettings& s = text.settings;
    app.add_option("--count", s.count, "how many images, from the first; at most all")
        ->type_name("N")
        ->check(whole_number(1, 1'000'000))
        ->capture_default_str()
        ->group(group);
    app.add_option("--index", text.index, "or which images: numbers and ranges such as 0-7,12")
        ->type_name("LIST")
        ->excludes("--count")
        ->group(group);
    app.add_option("--seed", s.seed, "of the noise, which is the same at every noise level")
        ->type_name("N")
        ->check(seed_number())
        ->capture_default_str()
        ->group(group);
    app.add_option("--input", s.input,
                   "instead: a safetensors file with x, (N, C, H, W) f32, taken as it is at every noise level")
        ->type_name("FILE")
        ->excludes("--data")
        ->excludes("--fit")
        ->excludes("--split")
        ->excludes("--data-labels")
        ->excludes("--skip-broken")
        ->excludes("--count")
        ->excludes("--index")
        ->excludes("--seed")
        ->group(group);
    app.add_option("--labels", s.labels,
                   "classes for a conditional model: one for all images or one for each, such as 3, 0-3 or sandal (default: the "
                   "data set's)")
        ->type_name("LIST")
        ->group(group);
}

void add_output_options(CLI::App& app, DenoiseText& text) {
    const std::string group = "Output";
    DenoiseSettings& s = text.settings;
    CLI::Option* loss = app.add_flag("--loss", s.loss,
                                     "instead of a picture and a table: the loss of training over the images, each at a noise "
                                     "level drawn as in training (with --split test --count 10000: the evaluation loss)");
    loss->excludes("--sigma")->excludes("--t")->excludes("--input")->group(group);
    app.add_option("--outdir", s.outdir, "folder of the picture denoise-IMAGES.png (default: the model's)")
        ->type_name("DIR")
        ->group(group);
    app.add_option("--save", s.save, "also write the safetensors file with x and denoised, (N, C, H, W) f32, and sigma, (N) f64")
        ->type_name("FILE")
        ->group(group);
    add_scale_option(app, s.scale, group);
    for (const char* flag : {"--outdir", "--save", "--scale"}) loss->excludes(flag);
}

}    // namespace

void add_denoise_command(CLI::App& app) {
    const auto text = std::make_shared<DenoiseText>();
    CLI::App& denoise = *app.add_subcommand("denoise", "Show what a model makes of noisy images in one step, D(x; sigma)");
    denoise.footer(kExamples);
    add_model_argument(denoise, text->settings.model);
    denoise
        .add_option("--sigma", text->sigmas,
                    "noise levels, in units of the data's range (default: 0.02,0.1,0.3,1,3,10,80; of a model with a schedule, "
                    "--t 0.01,0.1,0.3,0.5,0.7,0.9,0.99)")
        ->type_name("LIST")
        ->group("Noise");
    denoise.add_option("--t", text->times, "or times between 0 and 1 of the model's schedule, or else of the cosine schedule")
        ->type_name("LIST")
        ->excludes("--sigma")
        ->group("Noise");
    add_model_data_options(denoise, text->settings.data);
    add_image_options(denoise, *text);
    add_output_options(denoise, *text);
    add_model_options(denoise, text->settings.model_options);
    add_precision_option(denoise, text->settings.precision, "Model",
                         "f32, or bf16: the network's weights and values rounded to 8 significant bits");
    add_machine_options(denoise, text->settings.machine);
    denoise.final_callback([text] {
        const DenoiseSettings settings = text->parsed();
        if (settings.loss)
            print_held_out_loss(settings, std::cout);
        else
            std::cout << denoise_images(settings).string() << '\n';
    });
}

}    // namespace lull
