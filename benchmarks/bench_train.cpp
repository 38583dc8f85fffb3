// One EDM training step on random images: what benchmarks/peers/train_step.py times in PyTorch. Prints one line of JSON.
//
//     bench_train [model = s16] [batch = 128] [threads = 2] [steps = 5]
//
// cpu_ms is the processor time of all threads: on a busy machine, cpu_ms / threads says more than the wall's clock.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "diffusion/objective.h"
#include "engine/random.h"
#include "engine/threads.h"
#include "nn/init.h"
#include "nn/optim.h"
#include "nn/parameters.h"
#include "nn/unet.h"

using namespace lull;

namespace {

struct Milliseconds {
    double wall, cpu;
};

Milliseconds now() {
    timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now().time_since_epoch();
    return {wall.count(), 1e3 * static_cast<double>(cpu.tv_sec) + 1e-6 * static_cast<double>(cpu.tv_nsec)};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}    // namespace

int main(int argc, char** argv) {
    const std::string model = argc > 1 ? argv[1] : "s16";
    const std::int64_t batch = argc > 2 ? std::atoi(argv[2]) : 128;
    const int threads = argc > 3 ? std::atoi(argv[3]) : 2, steps = argc > 4 ? std::atoi(argv[4]) : 5;
    constexpr int kWarmup = 2;
    set_thread_count(threads);

    UNet unet(UNetConfig::preset(model));
    initialise_lesson(unet, 0);
    Parameters parameters(unet);
    AdamW optimizer({.beta2 = 0.99, .eps = 1e-5, .weight_decay = 0.01, .max_norm = 1});
    const EdmPreconditioner edm{.sigma_data = 0.6636};    // of Fashion-MNIST in [-1, 1], padded to 32×32
    const Tensor images = random_uniform({batch, 32, 32, 1}, {.seed = 1, .purpose = Purpose::data, .index = 0});

    std::vector<double> wall, cpu;
    for (int step = 0; step < kWarmup + steps; ++step) {
        const Milliseconds begin = now();
        std::vector<std::uint64_t> positions(static_cast<std::size_t>(batch));
        std::iota(positions.begin(), positions.end(), static_cast<std::uint64_t>(step * batch));
        parameters.begin_step();
        edm_loss(std::cref(unet), edm, images, add_noise(images, {.mean = -1.2, .std = 1.2}, 0, positions)).loss.backward();
        parameters.finish_step();
        optimizer.step(parameters, {.learning_rate = 1e-3, .beta1 = {}}, 0.999);
        const Milliseconds end = now();
        wall.push_back(end.wall - begin.wall);
        cpu.push_back(end.cpu - begin.cpu);
    }
    const double first = wall.front();
    wall.erase(wall.begin(), wall.begin() + kWarmup);
    cpu.erase(cpu.begin(), cpu.begin() + kWarmup);

    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    std::cout << nlohmann::ordered_json{{"what", "training"},
                                        {"model", model},
                                        {"images", batch},
                                        {"threads", threads},
                                        {"median_ms", median(wall)},
                                        {"min_ms", *std::min_element(wall.begin(), wall.end())},
                                        {"max_ms", *std::max_element(wall.begin(), wall.end())},
                                        {"cpu_ms", median(cpu)},
                                        {"first_ms", first},
                                        {"images_per_s", 1e3 * static_cast<double>(batch) / median(wall)},
                                        {"peak_rss_mib", usage.ru_maxrss / 1024}}
              << '\n';
}
