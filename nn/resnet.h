// The residual network (He et al. 2015, arXiv 1512.03385) of the classifier and of the noise-level predictor.
//
//     ResNet classifier({.in_channels = 1, .outputs = 10});
//     initialise_he(classifier, 0);                                                   // nn/init.h
//     Parameters parameters(classifier);
//     AdamW optimizer;
//     train(parameters, optimizer, [&](Positions p) {                                 // nn/trainer.h
//         const Batch batch = stream.batch(data, p);
//         return cross_entropy(classifier.train(batch.images, dropout_streams(0, p)), batch.labels);
//     }, {.steps = 2000, .schedule = OneCycle{1e-2, 2000}});
//     const Tensor logits = parameters.averaged(classifier)(images);                  // evaluation: (N, 10)
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <vector>

#include "engine/random.h"
#include "nn/layers/batch_norm.h"
#include "nn/layers/conv2d.h"
#include "nn/layers/linear.h"
#include "nn/module.h"

namespace lull {

// The lesson's noise-level predictor by default; a classifier has as many outputs as classes.
struct ResNetConfig {
    int in_channels = 1;
    std::vector<int> channels = {16, 32, 64, 128, 256, 512};    // of the stem, then of each block that halves the image
    int outputs = 1;
    int height = 32, width = 32;    // of the images
    double dropout = 0.2;           // before the last layer
    double slope = 0.1;             // the activation is leaky_relu(x, slope) - shift
    double shift = 0.4;

    // Throws Error, naming what is wrong.
    void validate() const;
    // Elements of the last block's output: 512 for images of 32 × 32. Of a config that validate() accepts.
    int features() const;

    bool operator==(const ResNetConfig&) const = default;
};

nlohmann::json to_json(const ResNetConfig& config);
// Throws Error when a setting is missing or wrong.
ResNetConfig resnet_config_from_json(const nlohmann::json& json);

// Image n's dropout stream while training: positions[n] is its place in the training stream.
std::vector<RandomStream> dropout_streams(std::uint64_t seed, std::span<const std::uint64_t> positions);

// A stem of 5×5 filters, blocks of stride 2, flatten, dropout, a linear layer without bias. x: (N, height, width, in_channels)
// → (N, outputs). Calling it is evaluation: running statistics, no dropout, an image's output depends on no other. Weights
// are zero until initialised (nn/init.h) or loaded (nn/checkpoint.h).
struct ResNet {
    // act(norm2(conv2(act(norm1(conv1(x))))) + shortcut(average-pool 2(x))); the stride is conv2's. No pooling where it is 1,
    // no shortcut where the channels stay.
    struct Block {
        Conv2d conv1, conv2;    // without bias: BatchNorm would take it out again
        BatchNorm norm1, norm2;
        std::optional<Conv2d> shortcut;
        double slope, shift;

        Block(const ResNetConfig& config, int in, int out, int kernel, int stride);
        Tensor operator()(const Tensor& x) const { return forward(x, false); }
        Tensor train(const Tensor& x) const { return forward(x, true); }

        template <class V>
        void visit(V& v) {
            v("conv1", conv1);
            v("norm1", norm1);
            v("conv2", conv2);
            v("norm2", norm2);
            v("shortcut", shortcut);
        }

      private:
        Tensor forward(const Tensor& x, bool training) const;
    };

    ResNetConfig config;
    Block stem;
    std::vector<Block> blocks;
    Linear linear;

    // Throws Error as ResNetConfig::validate does.
    explicit ResNet(const ResNetConfig& resnet_config);

    Tensor operator()(const Tensor& x) const { return linear(features(x)); }
    // While training: the batch's statistics, which move the running ones (nn/layers/batch_norm.h), and image n's dropout
    // from streams[n].
    Tensor train(const Tensor& x, std::span<const RandomStream> streams) const;
    // In evaluation, what the linear layer reads: (N, config.features()).
    Tensor features(const Tensor& x) const;

    template <class V>
    void visit(V& v) {
        v("stem", stem);
        v("blocks", blocks);
        v("linear", linear);
    }

  private:
    void check_images(const Tensor& x) const;
    Tensor flatten(const Tensor& x) const { return x.reshape({x.size(0), config.features()}); }
};

}    // namespace lull
