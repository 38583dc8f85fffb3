// How long the whole network takes: a training step, and sampling. benchmarks/peers/bench_unet.py answers the same in PyTorch,
// with the same options. Prints one line of JSON.
//
//     bench_unet train --model s16 --images 128
//     bench_unet sample --model m32 --images 64 --precision bf16
//     bench_unet replay MODEL BATCHES OUTPUT        (replay.h)
#include <CLI/CLI.hpp>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "benchmarks/measure.h"
#include "benchmarks/replay.h"
#include "benchmarks/unet_layers.h"
#include "diffusion/objective.h"
#include "diffusion/samplers.h"
#include "engine/machine.h"
#include "engine/peak_memory.h"
#include "engine/random.h"
#include "engine/threads.h"
#include "nn/init.h"
#include "nn/unet.h"

namespace {

using namespace lull;

constexpr int kSize = 32;             // images are 32 × 32 × 1
constexpr int kSamplingSteps = 18;    // of Heun: 35 evaluations

struct Settings {
    std::string model = "s16";
    std::int64_t images = 128;
    DType precision = DType::f32;
    int threads = thread_count(), warmup = 2, repeats = 5;
    bool on_request = false;
};

struct Timing {
    std::vector<double> wall, cpu;    // ms of each counted run
    double first_s = 0;               // from the start of the process to the end of the first run
};

// Runs `work` warmup times, and then `repeats` times or, on request, once for each line of standard input, answering with its
// time: so two programs can take turns without starting anew.
Timing measure(const Settings& settings, const std::function<void()>& work) {
    Timing timing;
    for (int i = 0; i < std::max(1, settings.warmup); ++i) {
        work();
        if (i == 0) timing.first_s = seconds_since_process_start();
    }
    const auto run = [&] {
        const Milliseconds begin = now();
        work();
        const Milliseconds taken = now() - begin;
        timing.wall.push_back(taken.wall);
        timing.cpu.push_back(taken.cpu);
    };
    if (settings.on_request) {
        std::cout << "ready" << std::endl;
        for (std::string line; std::getline(std::cin, line);) {
            run();
            std::cout << timing.wall.back() << std::endl;
        }
    } else {
        for (int i = 0; i < settings.repeats; ++i) run();
    }
    return timing;
}

// flops: of one run.
void report(const std::string& what, const Settings& settings, const Timing& timing, double flops) {
    nlohmann::ordered_json line{{"what", what},
                                {"model", settings.model},
                                {"images", settings.images},
                                {"precision", name_of(settings.precision)},
                                {"threads", settings.threads},
                                {"first_s", timing.first_s},
                                {"gflop", 1e-9 * flops},
                                {"peak_memory_mib", peak_memory_mib()}};
    if (!timing.wall.empty()) {
        const double ms = median(timing.wall);
        line.update({{"median_ms", ms},
                     {"min_ms", *std::min_element(timing.wall.begin(), timing.wall.end())},
                     {"max_ms", *std::max_element(timing.wall.begin(), timing.wall.end())},
                     {"cpu_ms", median(timing.cpu)},
                     {"images_per_s", 1e3 * static_cast<double>(settings.images) / ms},
                     {"gflops", 1e-6 * flops / ms}});
    }
    std::cout << line << std::endl;
}

void bench_training(const Settings& settings) {
    UNet unet(UNetConfig::preset(settings.model));
    initialise_pytorch(unet, 0);
    Parameters parameters(unet);
    AdamW optimizer(kBenchmarkAdamW);
    const Tensor images = random_uniform({settings.images, kSize, kSize, 1}, {.seed = 1, .purpose = Purpose::data, .index = 0});
    std::vector<std::uint64_t> positions(static_cast<std::size_t>(settings.images));
    std::iota(positions.begin(), positions.end(), 0);

    const Timing timing = measure(settings, [&] {
        for (std::uint64_t& position : positions) position += positions.size();
        parameters.begin_step();
        const NoisyImages noisy = add_noise(images, LogNormal{}, /*seed=*/0, positions);
        denoising_loss(network_of(unet, settings.precision), kBenchmarkEdm, images, noisy).loss.backward();
        parameters.finish_step();
        optimizer.step(parameters, {.learning_rate = 1e-3, .beta1 = {}}, /*ema_decay=*/0.999);
    });
    report("train", settings, timing, training_flops(unet.config, kSize) * static_cast<double>(settings.images));
}

void bench_sampling(const Settings& settings) {
    UNet unet(UNetConfig::preset(settings.model));
    initialise_pytorch(unet, 0);
    const Denoiser D = denoiser(network_of(unet, settings.precision), kBenchmarkEdm);
    const std::vector<double> sigmas = karras_sigmas(kSamplingSteps);
    std::vector<std::uint64_t> seeds(static_cast<std::size_t>(settings.images));
    std::iota(seeds.begin(), seeds.end(), 0);

    const Timing timing = measure(settings, [&] {
        const Tensor images = sample_heun(D, start_noise(seeds, {kSize, kSize, 1}, sigmas.front()), sigmas);
        check(std::isfinite(images.values().back()), "bench_unet", "expected finite images");
    });
    constexpr int kEvaluations = 2 * kSamplingSteps - 1;
    report("sample", settings, timing, forward_flops(unet.config, kSize) * static_cast<double>(settings.images * kEvaluations));
}

void add_options(CLI::App& app, Settings& settings, const std::string& images_help) {
    app.add_option("--model", settings.model, "s16 or m32")->check(CLI::IsMember({"s16", "m32"}))->capture_default_str();
    app.add_option("--images", settings.images, images_help)->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--warmup", settings.warmup, "runs before the timed ones")->capture_default_str();
    app.add_option("--repeats", settings.repeats, "timed runs")->capture_default_str();
    app.add_flag("--on-request", settings.on_request,
                 "say \"ready\", then time one run for each line of standard input, answering with its milliseconds");
}

int run(int argc, char** argv) {
    CLI::App app("How long lull's U-Nets take to train and to sample, or what they compute on given data.");
    app.require_subcommand(1);
    Settings settings;
    Replay replay;
    CLI::App& train = *app.add_subcommand("train", "EDM training steps: noise, forward, backward, clipping, AdamW, EMA");
    CLI::App& sample = *app.add_subcommand("sample", "Heun's method, 18 steps, from noise to images");
    CLI::App& again = *app.add_subcommand("replay", "Train on given batches from given weights; write losses and gradients");
    add_options(train, settings, "per step");
    add_options(sample, settings, "drawn at once");
    again.add_option("MODEL", replay.model, "a diffusers folder")->required();
    again.add_option("BATCHES", replay.batches, "a safetensors file with images, sigma, noise and start")->required();
    again.add_option("OUTPUT", replay.output, "the safetensors file to write")->required();
    for (CLI::App* command : {&train, &sample, &again}) {
        command->add_option("--threads", settings.threads, "of lull's pool")->capture_default_str();
        command->add_option("--precision", settings.precision, "f32, or bf16 with f32 weights, moments and sums")
            ->transform(CLI::CheckedTransformer(std::map<std::string, DType>{{"f32", DType::f32}, {"bf16", DType::bf16}}));
    }
    CLI11_PARSE(app, argc, argv);

    check_machine();
    set_thread_count(settings.threads);
    if (train.parsed()) bench_training(settings);
    if (sample.parsed()) bench_sampling(settings);
    replay.precision = settings.precision;
    if (again.parsed()) replay.run();
    return 0;
}

}    // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& error) {
    std::cerr << "bench_unet: " << error.what() << '\n';
    return 1;
}
