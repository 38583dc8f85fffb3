#include "benchmarks/unet_layers.h"

#include "nn/unet.h"

namespace lull {
namespace {

using Kind = LayerShape::Kind;

// Follows an image through the network, as UNet's call does, and writes down what it meets.
class Walk {
  public:
    explicit Walk(int size) : size_(size) {}

    std::vector<LayerShape> through(const UNet& unet) {
        linear(unet.time_embedding.linear_1, 1);
        linear(unet.time_embedding.linear_2, 1);
        conv(unet.conv_in);
        for (const DownBlock& block : unet.down_blocks) {
            blocks(block);
            if (block.downsample) conv(*block.downsample);
        }
        if (const auto& mid = unet.mid_block) {
            resnet(mid->resnets[0]);
            for (const Attention& a : mid->attentions) attention(a);
            resnet(mid->resnets[1]);
        }
        for (const UpBlock& block : unet.up_blocks) {
            blocks(block);
            if (block.upsample) conv(*block.upsample);
        }
        group_norm(channels_);
        conv(unet.conv_out);
        return layers_;
    }

  private:
    static int in(const Conv2d& layer) { return static_cast<int>(layer.weight.size(3)); }
    static int out(const Conv2d& layer) { return static_cast<int>(layer.weight.size(0)); }

    void conv(const Conv2d& layer) {
        layers_.push_back({.kind = Kind::conv,
                           .size = size_,
                           .in = in(layer),
                           .out = out(layer),
                           .kernel = static_cast<int>(layer.weight.size(1)),
                           .stride = layer.options.stride,
                           .upsample = layer.options.upsample});
        size_ = size_ * layer.options.upsample / layer.options.stride;
        channels_ = out(layer);
    }

    void linear(const Linear& layer, int size) {
        const int in = static_cast<int>(layer.weight.size(1)), out = static_cast<int>(layer.weight.size(0));
        layers_.push_back({.kind = Kind::linear, .size = size, .in = in, .out = out});
    }

    void group_norm(int channels) {
        layers_.push_back({.kind = Kind::group_norm, .size = size_, .in = channels, .out = channels});
    }

    void resnet(const ResnetBlock& block) {
        const int in = Walk::in(block.conv1), out = Walk::out(block.conv1);
        layers_.push_back({.kind = Kind::resnet_block, .size = size_, .in = in, .out = out, .skip = in - channels_});
        linear(block.time_emb_proj, 1);
        group_norm(in);
        conv(block.conv1);
        group_norm(out);
        conv(block.conv2);
        if (block.conv_shortcut) conv(*block.conv_shortcut);
    }

    void attention(const Attention& block) {
        const LayerShape shape{
            .kind = Kind::attention_block, .size = size_, .in = channels_, .out = channels_, .heads = block.heads};
        layers_.push_back(shape);
        group_norm(channels_);
        for (const Linear* layer : {&block.to_q, &block.to_k, &block.to_v}) linear(*layer, size_);
        layers_.push_back(shape);
        layers_.back().kind = Kind::attention;
        linear(block.to_out, size_);
    }

    void blocks(const auto& block) {
        for (std::size_t i = 0; i < block.resnets.size(); ++i) {
            resnet(block.resnets[i]);
            if (!block.attentions.empty()) attention(block.attentions[i]);
        }
    }

    int size_, channels_ = 0;
    std::vector<LayerShape> layers_;
};

}    // namespace

double LayerShape::flops() const {
    const double pixels = static_cast<double>(size) * size;    // also attention's tokens
    switch (kind) {
        case Kind::conv:
            return 2 * pixels * upsample * upsample / (stride * stride) * in * out * kernel * kernel;
        case Kind::linear:
            return 2 * pixels * in * out;
        case Kind::attention:    // scores, and their product with the values
            return 2 * 2 * pixels * pixels * in;
        case Kind::resnet_block:
            return 2 * pixels * out * (9 * in + 9 * out + (in == out ? 0 : in));
        case Kind::attention_block:
            return 4 * (2 * pixels * in * in) + 2 * 2 * pixels * pixels * in;
        case Kind::group_norm:
            break;
    }
    return 0;
}

std::vector<LayerShape> layers_of(const UNetConfig& config, int size) { return Walk(size).through(UNet(config)); }

double forward_flops(const UNetConfig& config, int size) {
    double sum = 0;
    for (const LayerShape& layer : layers_of(config, size))
        if (!layer.is_block()) sum += layer.flops();
    return sum;
}

}    // namespace lull
