// Networks on CUDA against the CPU: a whole U-Net, its output and every gradient, in f32 and in bf16; parameters that lie there.
#include <doctest/doctest.h>

#include "engine/cuda/runtime.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"
#include "nn/checkpoint.h"
#include "nn/init.h"
#include "nn/parameters.h"
#include "nn/unet.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using test::same_bits;

const UNetConfig kSmall{.channels = {8, 16},
                        .attention = {false, true},
                        .layers_per_block = 1,
                        .head_dim = 8,
                        .groups = 4,
                        .class_embed = ClassEmbedType::table,
                        .classes = 3};

// A U-Net with its parameters on a device, and what one pass through it gives there.
struct Pass {
    UNet unet{kSmall};
    Parameters parameters;
    Tensor out;

    Pass(Device device, DType precision) : parameters((initialise_pytorch(unet, 5), unet), device) {
        const auto numbers = [&](const Shape& shape, std::uint64_t index) {
            return random_normal(shape, {1, Purpose::data, index}).to(device);
        };
        const Tensor labels = from_values({2, 0}, {2}, DType::i32).to(device);
        parameters.begin_step();
        out = cast(unet, precision)(numbers({2, 8, 8, 1}, 0).to(precision), numbers({2}, 1), labels);
        sum(out.to(DType::f32) * numbers({2, 8, 8, 1}, 2)).backward();
        parameters.finish_step();
    }
    Tensor gradient(const Parameter& parameter) const { return Parameters::slice(parameters.gradients, parameter); }
};

// |a - b| / |b| as vectors.
double distance(const Tensor& a, const Tensor& b) {
    const auto x = a.values(), y = b.values();
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        difference += (x[i] - y[i]) * (x[i] - y[i]);
        length += y[i] * y[i];
    }
    return std::sqrt(difference / length);
}

}    // namespace

// 1e-4, as against diffusers: tens of layers, each adding a few roundings of 6e-8 of its largest value.
TEST_CASE("a U-Net on CUDA computes what it does on the CPU, forward and every gradient") {
    if (!cuda::available()) return;
    const Pass here(Device::cpu, DType::f32), there(Device::cuda, DType::f32);
    CHECK(there.out.device() == Device::cuda);
    CHECK(test::relative_error(there.out, here.out) < 1e-4);
    for (const Parameter& parameter : here.parameters.list()) {
        CAPTURE(parameter.name);
        // A key's bias has no part in the output; its gradient is rounding alone, small beside the query's.
        std::string measure = parameter.name;
        if (const auto key = measure.find("to_k.bias"); key != measure.npos) measure.replace(key, 4, "to_q");
        const double scale = test::largest(here.gradient(here.parameters[measure]));
        CHECK(test::absolute_error(there.gradient(there.parameters[parameter.name]), here.gradient(parameter)) < 1e-4 * scale);
    }
    CHECK(same_bits(Pass(Device::cuda, DType::f32).parameters.gradients, there.parameters.gradients));    // from run to run
}

// A few tens of roundings of 2^-9 = 0.002 on the way down and back, as between f32 and bf16 on the CPU.
TEST_CASE("a U-Net in bf16 on CUDA is near the one in f32") {
    if (!cuda::available()) return;
    const Pass here(Device::cpu, DType::f32), there(Device::cuda, DType::bf16);
    CHECK(there.out.dtype() == DType::bf16);
    CHECK(distance(there.out, here.out) < 0.02);
    CHECK(distance(there.parameters.gradients, here.parameters.gradients) < 0.02);
    CHECK(same_bits(Pass(Device::cuda, DType::bf16).parameters.gradients, there.parameters.gradients));
}

TEST_CASE("parameters and averages on CUDA are saved and read back as on the CPU") {
    if (!cuda::available()) return;
    const test::TemporaryFolder folder;
    UNet here(kSmall), there(kSmall);
    initialise_pytorch(here, 5);
    initialise_pytorch(there, 5);
    const Parameters on_cpu(here), on_cuda(there, Device::cuda);
    CHECK(there.conv_in.weight.device() == Device::cuda);
    CHECK(same_bits(on_cuda.weights, on_cpu.weights));
    save_checkpoint(folder / "here.safetensors", on_cpu, {});
    save_checkpoint(folder / "there.safetensors", on_cuda, {});
    const Checkpoint a = read_checkpoint(folder / "here.safetensors"), b = read_checkpoint(folder / "there.safetensors");
    REQUIRE(a.tensors.size() == b.tensors.size());
    for (const auto& [name, tensor] : a.tensors) {
        CAPTURE(name);
        CHECK(same_bits(tensor, b.tensors.at(name)));
    }
    UNet empty(kSmall);
    const Parameters filled(empty, Device::cuda);
    load_weights(empty, b);
    CHECK(same_bits(filled.weights, on_cpu.weights));
    CHECK(same_bits(moved(here, Device::cuda).conv_in.weight, here.conv_in.weight));
    CHECK(moved(here, Device::cuda).conv_in.weight.device() == Device::cuda);
}

}    // namespace lull
