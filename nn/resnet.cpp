#include "nn/resnet.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/ops/dropout/dropout.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/pool/pool.h"

namespace lull {

using nlohmann::json;

namespace {

constexpr std::int64_t kMostFeatures = std::numeric_limits<int>::max();

// Of a config whose numbers are each in bounds.
std::int64_t features_of(const ResNetConfig& c) {
    std::int64_t h = c.height, w = c.width;
    for (std::size_t i = 1; i < c.channels.size(); ++i) {
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
    return h * w * c.channels.back();
}

}    // namespace

void ResNetConfig::validate() const {
    constexpr int kMost = 1 << 16;
    const auto fits = [](int value) { return value >= 1 && value <= kMost; };
    check(fits(in_channels) && fits(outputs) && fits(height) && fits(width), "resnet",
          "expected in_channels, outputs, height and width of 1 to ", kMost, ", got ", in_channels, ", ", outputs, ", ", height,
          " and ", width);
    check(!channels.empty() && channels.size() <= 16 && std::all_of(channels.begin(), channels.end(), fits), "resnet",
          "expected 1 to 16 numbers of channels of 1 to ", kMost, ", got ", json(channels).dump());
    check(features_of(*this) <= kMostFeatures, "resnet", "expected at most ", kMostFeatures, " features to be left of ", height,
          "×", width, " pixels, got ", features_of(*this), ": more numbers of channels halve the image more often");
    check(std::isfinite(slope) && std::isfinite(shift), "resnet", "expected a finite slope and shift, got ", slope, " and ",
          shift);
    check(dropout >= 0 && dropout < 1, "resnet", "expected a dropout in [0, 1), got ", dropout);
}

int ResNetConfig::features() const { return static_cast<int>(features_of(*this)); }

json to_json(const ResNetConfig& c) {
    return {{"in_channels", c.in_channels},
            {"channels", c.channels},
            {"outputs", c.outputs},
            {"height", c.height},
            {"width", c.width},
            {"dropout", c.dropout},
            {"slope", c.slope},
            {"shift", c.shift}};
}

ResNetConfig resnet_config_from_json(const json& all) try {
    ResNetConfig c;
    all.at("in_channels").get_to(c.in_channels);
    all.at("channels").get_to(c.channels);
    all.at("outputs").get_to(c.outputs);
    all.at("height").get_to(c.height);
    all.at("width").get_to(c.width);
    all.at("dropout").get_to(c.dropout);
    all.at("slope").get_to(c.slope);
    all.at("shift").get_to(c.shift);
    c.validate();
    return c;
} catch (const json::exception& error) { fail("resnet", "the config is incomplete or wrong: ", error.what()); }

std::vector<RandomStream> dropout_streams(std::uint64_t seed, std::span<const std::uint64_t> positions) {
    std::vector<RandomStream> streams;
    for (const std::uint64_t position : positions) streams.push_back({seed, Purpose::dropout, position});
    return streams;
}

ResNet::Block::Block(const ResNetConfig& config, int in, int out, int kernel, int stride)
    : conv1(in, out, kernel, {.padding = kernel / 2}, false),
      conv2(out, out, kernel, {.stride = stride, .padding = kernel / 2}, false),
      norm1(out),
      norm2(out),
      slope(config.slope),
      shift(config.shift) {
    if (in != out) shortcut.emplace(in, out, 1);
}

Tensor ResNet::Block::forward(const Tensor& x, bool training) const {
    const auto normalise = [&](const BatchNorm& norm, const Tensor& h) { return training ? norm.train(h) : norm(h); };
    Tensor h = leaky_relu(normalise(norm1, conv1(x)), slope, shift);
    h = normalise(norm2, conv2(h));
    // Rounded up, as a convolution of stride 2 with padding rounds.
    const Tensor same_size = conv2.options.stride == 2 ? avg_pool2d(x, {.ceil_mode = true}) : x;
    return leaky_relu(h + (shortcut ? (*shortcut)(same_size) : same_size), slope, shift);
}

ResNet::ResNet(const ResNetConfig& resnet_config)
    : config((resnet_config.validate(), resnet_config)),
      stem(config, config.in_channels, config.channels.front(), 5, 1),
      linear(config.features(), config.outputs, false) {
    for (std::size_t i = 1; i < config.channels.size(); ++i)
        blocks.emplace_back(config, config.channels[i - 1], config.channels[i], 3, 2);
}

void ResNet::check_images(const Tensor& x) const {
    check(x.rank() == 4 && x.size(1) == config.height && x.size(2) == config.width && x.size(3) == config.in_channels, "resnet",
          "expected x (N, ", config.height, ", ", config.width, ", ", config.in_channels, "), got ", x);
}

Tensor ResNet::train(const Tensor& x, std::span<const RandomStream> streams) const {
    check_images(x);
    Tensor h = stem.train(x);
    for (const Block& block : blocks) h = block.train(h);
    return linear(dropout(flatten(h), config.dropout, streams));
}

Tensor ResNet::features(const Tensor& x) const {
    check_images(x);
    Tensor h = stem(x);
    for (const Block& block : blocks) h = block(h);
    return flatten(h);
}

}    // namespace lull
