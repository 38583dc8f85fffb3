// A U-Net as a list of layer shapes: what bench_ops times one by one, and what operations are counted from.
#pragma once

#include <compare>
#include <vector>

#include "nn/unet_config.h"

namespace lull {

struct LayerShape {
    // The last two are made of the others.
    enum class Kind { conv, linear, attention, group_norm, resnet_block, attention_block };

    Kind kind;
    int size;                                    // height and width of what comes in; 1 for a vector per image
    int in, out;                                 // channels
    int skip = 0;                                // how many of `in` come from a second source
    int kernel = 1, stride = 1, upsample = 1;    // of a convolution
    int heads = 0;                               // of attention

    bool is_block() const { return kind == Kind::resnet_block || kind == Kind::attention_block; }
    // Of the forward pass of one image; a multiply-add counts two, and only convolutions, linear layers and attention's two
    // products count. Convolutions count as if computed directly, whatever the kernel does. A block counts what it is made of.
    double flops() const;

    auto operator<=>(const LayerShape&) const = default;
};

// All that one forward pass goes through, in order, for images size × size; each block stands before what it is made of.
// For networks of the usual residual blocks, as the presets are.
std::vector<LayerShape> layers_of(const UNetConfig& config, int size);

// Of the forward pass of one image.
double forward_flops(const UNetConfig& config, int size);
// Forward, and backward to the input and to the weights of every layer.
inline double training_flops(const UNetConfig& config, int size) { return 3 * forward_flops(config, size); }

}    // namespace lull
