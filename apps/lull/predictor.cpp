#include "apps/lull/predictor.h"

#include <algorithm>
#include <numeric>

#include "apps/lull/interrupt.h"
#include "apps/lull/model.h"
#include "diffusion/objective.h"
#include "engine/autograd.h"
#include "engine/io/file.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

json to_json(const PredictorConfig& config) {
    return {{"resnet", to_json(config.resnet)},
            {"target", name_of(config.task.target)},
            {"sigma_min", config.task.least()},
            {"sigma_max", config.task.most()},
            {"image",
             {{"height", config.resnet.height},
              {"width", config.resnet.width},
              {"channels", config.resnet.in_channels},
              {"range", {config.black, config.white}}}}};
}

PredictorConfig predictor_config_from_json(const json& all) try {
    PredictorConfig config{.resnet = resnet_config_from_json(all.at("resnet")),
                           .task = {.target = parse_level_target(all.at("target").get<std::string>()),
                                    .sigma_min = all.at("sigma_min"),
                                    .sigma_max = all.at("sigma_max")},
                           .black = all.at("image").at("range").at(0),
                           .white = all.at("image").at("range").at(1)};
    check(config.resnet.outputs == 1, "noise_level", "expected a network with one output, got ", config.resnet.outputs);
    check(0 < config.task.sigma_min && config.task.sigma_min < config.task.sigma_max, "noise_level",
          "expected 0 < sigma_min < sigma_max, got ", config.task.sigma_min, " and ", config.task.sigma_max);
    check(config.black < config.white, "noise_level", "expected a range from low to high, got ", config.black, " to ",
          config.white);
    return config;
} catch (const json::exception& error) { fail("noise_level", "the description of the predictor is incomplete: ", error.what()); }

NoiseLevelPredictor Predictor::function() const {
    return noise_level_predictor(config.task, [net = net, there = device_of(net)](const Tensor& input) {
        return net(input.to(there)).to(input.device());
    });
}

bool is_predictor(const fs::path& path) try {
    const SafetensorsFile contents = load_safetensors(find_model(path));
    const auto config = contents.metadata.find("config");
    return config != contents.metadata.end() && json::parse(config->second, nullptr, false).contains(kPredictorPart);
} catch (const Error&) { return false; }

Predictor load_predictor(const fs::path& path, Weights weights) {
    const fs::path file = find_model(path);
    SafetensorsFile contents = load_safetensors(file);
    check_file(!contents.metadata.contains("training"), file, "is a training state; name the run's folder");
    check_file(contents.metadata.contains("config"), file, "is no noise-level predictor; lull noise-level train makes one");
    const Checkpoint checkpoint = as_checkpoint(file, std::move(contents));
    check_file(checkpoint.config.contains(kPredictorPart), file, "is no noise-level predictor; lull noise-level train makes one");
    try {
        const PredictorConfig config = predictor_config_from_json(checkpoint.config.at(kPredictorPart));
        Predictor predictor{config, ResNet(config.resnet), checkpoint.config, file, has_averages(checkpoint)};
        load_weights(predictor.net, checkpoint, weights);
        return predictor;
    } catch (const Error& error) { throw Error(file.string() + ": " + error.what()); }
}

std::string predictor_hash(const Predictor& predictor) {
    std::vector<NamedTensor> weights = parameters_of(predictor.net);
    for_each(predictor.net, [&](const std::string& name, const Buffer& buffer) { weights.push_back({name, buffer.tensor}); });
    return weights_hash(weights);
}

LevelAnswers ask(const PredictorConfig& config, const ResNet& net, const ImageDataset& data, std::int64_t count,
                 std::uint64_t seed) {
    constexpr std::int64_t kBatch = 256;
    const NoGrad no_grad;
    LevelAnswers all;
    double squares = 0;
    for (std::int64_t first = 0; first < count; first += kBatch) {
        if (interrupted()) throw Interrupted("stopped after " + std::to_string(first) + " images; nothing was written");
        std::vector<std::int64_t> index(static_cast<std::size_t>(std::min(kBatch, count - first)));
        std::iota(index.begin(), index.end(), first);
        std::vector<std::uint64_t> positions;
        for (std::int64_t& i : index) {
            positions.push_back(kBeyondTraining + static_cast<std::uint64_t>(i));
            i %= data.size();
        }
        const Tensor y = data.gather(index).images;
        const auto [x, sigma, n] = add_noise(y, config.task.distribution(), seed, positions);
        const Tensor answers = net(config.task.input(x, sigma).to(device_of(net))).to(Device::cpu);
        squares += sum(sq(answers - config.task.answer(sigma))).item();
        const std::vector<double> levels = sigma.values(), predicted = config.task.sigma(answers);
        all.sigma.insert(all.sigma.end(), levels.begin(), levels.end());
        all.predicted.insert(all.predicted.end(), predicted.begin(), predicted.end());
    }
    all.loss = squares / static_cast<double>(count);
    return all;
}

}    // namespace lull
