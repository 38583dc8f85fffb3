#include "benchmarks/op_cases.h"

#include <cmath>
#include <map>
#include <memory>
#include <sstream>

#include "benchmarks/unet_layers.h"
#include "engine/autograd.h"
#include "engine/ops/attention/attention.h"
#include "engine/ops/attention_block/attention_block.h"
#include "engine/ops/batch_norm/batch_norm.h"
#include "engine/ops/conv2d/conv2d.h"
#include "engine/ops/cross_entropy/cross_entropy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/group_norm/group_norm.h"
#include "engine/ops/linear/linear.h"
#include "engine/ops/pool/pool.h"
#include "engine/ops/resnet_block/resnet_block.h"
#include "engine/ops/upsample/upsample.h"
#include "engine/random.h"
#include "nn/init.h"
#include "nn/optim.h"
#include "nn/parameters.h"
#include "nn/unet.h"

namespace lull {
namespace {

using Inputs = std::vector<Tensor>;
using Op = std::function<Tensor(const Inputs&)>;
using Kind = LayerShape::Kind;

template <class... Parts>
std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

// N(0, 1); a shape without elements stands for something absent.
Tensor random(const Shape& shape, std::uint64_t index, DType dtype) {
    if (shape.elements() == 0) return {};
    return random_normal(shape, {.seed = 1, .purpose = Purpose::data, .index = index}).to(dtype);
}

// One pass of an operation: forward if no input is named, otherwise what its node does for the gradients of these inputs.
struct Pass {
    std::string name;
    std::vector<std::size_t> gradients;
    double flops, bytes;
};

// As in training, where weights have changed since the last step: what is packed of them is packed each time. (Under NoGrad, as
// in sampling, it would be kept.)
std::function<void()> forward(const Op& op, const Inputs& inputs) {
    return [op, inputs] { op(inputs); };
}

std::function<void()> backward(const Op& op, Inputs inputs, const std::vector<std::size_t>& gradients) {
    Inputs leaves;
    for (const std::size_t i : gradients) {
        if (!inputs[i].defined()) continue;
        inputs[i] = make_leaf(inputs[i], empty_like(inputs[i]));
        leaves.push_back(inputs[i]);
    }
    const Tensor y = op(inputs);
    const Tensor dy = random(y.shape(), inputs.size(), y.dtype());
    return [leaves, y, dy] {
        for (const Tensor& leaf : leaves) begin_step(leaf);
        Gradients grad(*y.node());
        y.node()->backward(dy, grad);
    };
}

class Table {
  public:
    Table(std::int64_t images, DType dtype) : images_(images), dtype_(dtype) { count_layers(); }

    std::vector<OpCase> cases() {
        for (const auto& [layer, counts] : layers_) add_layer(layer, counts);
        add_of_other_networks();
        for (const char* model : {"s16", "m32"}) add_optimizer(model);
        return std::move(cases_);
    }

  private:
    struct Counts {
        int s16 = 0, m32 = 0;
    };

    void count_layers() {
        for (const LayerShape& layer : layers_of(UNetConfig::s16(), 32)) ++layers_[layer].s16;
        for (const LayerShape& layer : layers_of(UNetConfig::m32(), 32)) ++layers_[layer].m32;
        // In neither network, but the narrowest and the deepest matrix products that their convolutions would be.
        layers_[{.kind = Kind::linear, .size = 32, .in = 16, .out = 16}];
        layers_[{.kind = Kind::linear, .size = 32, .in = 144, .out = 16}];
        layers_[{.kind = Kind::linear, .size = 4, .in = 2304, .out = 256}];
    }

    double bytes(double elements) const { return elements * size_of(dtype_); }

    void add(const std::string& name, Counts counts, const std::vector<Shape>& shapes, const Op& op,
             const std::vector<Pass>& passes) {
        for (const Pass& pass : passes) {
            const auto prepare = [dtype = dtype_, shapes, op, pass] {
                Inputs inputs;
                for (const Shape& shape : shapes) inputs.push_back(random(shape, inputs.size(), dtype));
                return pass.gradients.empty() ? forward(op, inputs) : backward(op, inputs, pass.gradients);
            };
            cases_.push_back({.name = text(name, ' ', pass.name),
                              .flops = pass.flops,
                              .bytes = pass.bytes,
                              .in_s16 = counts.s16,
                              .in_m32 = counts.m32,
                              .prepare = prepare});
        }
    }

    // Two reads and a write backward for each read and write forward.
    void add_moving(const std::string& name, Counts counts, const std::vector<Shape>& shapes, const Op& op, double read,
                    double written) {
        std::vector<std::size_t> gradients;
        for (std::size_t i = 0; i < shapes.size(); ++i) gradients.push_back(i);
        add(name, counts, shapes, op,
            {{"forward", {}, 0, bytes(read + written)}, {"backward", gradients, 0, bytes(2 * read + written)}});
    }

    void add_layer(const LayerShape& layer, Counts counts);
    void add_conv(const LayerShape& layer, Counts counts);
    void add_resnet_block(const LayerShape& layer, Counts counts);
    void add_attention_block(const LayerShape& layer, Counts counts);
    void add_of_other_networks();
    void add_optimizer(const std::string& model);

    std::int64_t images_;
    DType dtype_;
    std::map<LayerShape, Counts> layers_;
    std::vector<OpCase> cases_;
};

void Table::add_conv(const LayerShape& layer, Counts counts) {
    const std::string stride = layer.upsample > 1 ? text('*', layer.upsample) : layer.stride > 1 ? text('/', layer.stride) : "";
    const Conv2dOptions options{.stride = layer.stride, .padding = layer.kernel / 2, .upsample = layer.upsample};
    const double flops = layer.flops() * static_cast<double>(images_);
    add(text("conv", layer.kernel, 'x', layer.kernel, stride, ' ', layer.size, "^2 ", layer.in, "->", layer.out), counts,
        {{images_, layer.size, layer.size, layer.in}, {layer.out, layer.kernel, layer.kernel, layer.in}, {layer.out}},
        [options](const Inputs& in) { return conv2d(in[0], in[1], in[2], options); },
        {{"forward", {}, flops, 0}, {"backward-data", {0}, flops, 0}, {"backward-weights", {1, 2}, flops, 0}});
}

void Table::add_resnet_block(const LayerShape& layer, Counts counts) {
    const int in = layer.in, out = layer.out, x = in - layer.skip, shortcut = in == out ? 0 : out;
    const double flops = layer.flops() * static_cast<double>(images_);
    add(text("resnet_block ", layer.size, "^2 ", x, '+', layer.skip, "->", out), counts,
        {{images_, layer.size, layer.size, x},
         {images_, layer.size, layer.size, layer.skip},
         {images_, out},
         {in},
         {in},
         {out, 3, 3, in},
         {out},
         {out},
         {out},
         {out, 3, 3, out},
         {out},
         {shortcut, 1, 1, in},
         {shortcut}},
        [](const Inputs& t) {
            return resnet_block(t[0], t[1], t[2], {t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12]}, {});
        },
        {{"forward", {}, flops, 0}, {"backward", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2 * flops, 0}});
}

void Table::add_attention_block(const LayerShape& layer, Counts counts) {
    const int C = layer.in;
    const double flops = layer.flops() * static_cast<double>(images_);
    add(text("attention_block ", layer.size, "^2 ", C), counts,
        {{images_, layer.size, layer.size, C}, {C}, {C}, {C, C}, {C}, {C, C}, {C}, {C, C}, {C}, {C, C}, {C}},
        [heads = layer.heads](const Inputs& t) {
            return attention_block(t[0], {t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10]}, {.heads = heads});
        },
        {{"forward", {}, flops, 0}, {"backward", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2 * flops, 0}});
}

void Table::add_layer(const LayerShape& layer, Counts counts) {
    const std::int64_t pixels = layer.size * layer.size, rows = images_ * pixels;
    const double elements = static_cast<double>(rows * layer.in), flops = layer.flops() * static_cast<double>(images_);
    const std::string at = text(' ', layer.size, "^2 ", layer.in);
    const Shape image{images_, layer.size, layer.size, layer.in};
    switch (layer.kind) {
        case Kind::conv:
            return add_conv(layer, counts);
        case Kind::resnet_block:
            return add_resnet_block(layer, counts);
        case Kind::attention_block:
            return add_attention_block(layer, counts);
        case Kind::linear:
            return add(text("linear ", layer.size, "^2 ", layer.in, "->", layer.out), counts,
                       {{rows, layer.in}, {layer.out, layer.in}, {layer.out}},
                       [](const Inputs& t) { return linear(t[0], t[1], t[2]); },
                       {{"forward", {}, flops, 0}, {"backward-data", {0}, flops, 0}, {"backward-weights", {1, 2}, flops, 0}});
        case Kind::attention: {
            const Shape tokens{images_, pixels, layer.in};
            return add("attention" + at, counts, {tokens, tokens, tokens},
                       [heads = layer.heads](const Inputs& t) { return attention(t[0], t[1], t[2], heads); },
                       {{"forward", {}, flops, 0}, {"backward", {0, 1, 2}, 2 * flops, 0}});
        }
        case Kind::group_norm:
            return add_moving(
                "group_norm+silu" + at, counts, {image, {layer.in}, {layer.in}},
                [](const Inputs& t) { return group_norm(t[0], t[1], t[2], {.activation = Activation::silu}); }, elements,
                elements);
    }
}

// What classifiers and noise-level predictors have besides.
void Table::add_of_other_networks() {
    const Shape image{images_, 32, 32, 32}, halved{images_, 16, 16, 32};
    const double x = static_cast<double>(image.elements()), y = static_cast<double>(halved.elements());
    add_moving(
        "silu 32^2 32", {}, {image}, [](const Inputs& t) { return silu(t[0]); }, x, x);
    add_moving(
        "leaky_relu 32^2 32", {}, {image}, [](const Inputs& t) { return leaky_relu(t[0], 0.1, 0.4); }, x, x);
    add_moving(
        "batch_norm 32^2 32", {}, {image, {32}, {32}}, [](const Inputs& t) { return batch_norm_train(t[0], t[1], t[2]).y; }, x,
        x);
    add("upsample 16^2 32", {}, {halved}, [](const Inputs& t) { return upsample_nearest(t[0]); },
        {{"forward", {}, 0, bytes(x + y)}, {"backward", {0}, 0, bytes(x + y)}});
    add("avg_pool 32^2 32", {}, {image}, [](const Inputs& t) { return avg_pool2d(t[0]); },
        {{"forward", {}, 0, bytes(x + y)}, {"backward", {0}, 0, bytes(x + y)}});
    add("max_pool 32^2 32", {}, {image}, [](const Inputs& t) { return max_pool2d(t[0]); },
        {{"forward", {}, 0, bytes(x + y)}, {"backward", {0}, 0, bytes(2 * x + 2 * y)}});

    constexpr std::int64_t kClasses = 1000;
    const double logits = static_cast<double>(images_ * kClasses);
    const Tensor labels = zeros({images_}, DType::i32);
    add_moving(
        "cross_entropy 1000", {}, {{images_, kClasses}}, [labels](const Inputs& t) { return cross_entropy(t[0], labels); },
        logits, 0);
}

// Its own numbers are f32 whatever the network computes in.
void Table::add_optimizer(const std::string& model) {
    constexpr double kMoved = 1 + 5 + 4;    // the gradient for its norm; it, weights, moments and EMA in; all but it out
    const double parameters = static_cast<double>(parameter_count(UNet(UNetConfig::preset(model))));
    const auto prepare = [model] {
        auto unet = std::make_shared<UNet>(UNetConfig::preset(model));
        initialise_pytorch(*unet, 0);
        auto state = std::make_shared<Parameters>(*unet);
        Tensor gradients = state->gradients.reshape({1, -1});
        fill_normal(gradients, std::vector<RandomStream>{{.seed = 3}});
        return [unet, state, optimizer = AdamW({.max_norm = 1})]() mutable { optimizer.step(*state, {1e-6, {}}, 0.999); };
    };
    cases_.push_back({.name = "adamw+ema " + model, .bytes = kMoved * parameters * sizeof(float), .prepare = prepare});
}

}    // namespace

std::vector<OpCase> op_cases(std::int64_t images, DType dtype) { return Table(images, dtype).cases(); }

}    // namespace lull
