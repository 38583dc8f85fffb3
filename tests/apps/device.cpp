// --device of training and sampling.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "apps/lull/options.h"
#include "engine/cuda/runtime.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;
using Flags = std::vector<std::string>;

namespace {

const Flags kLength{"--steps", "4", "--sample-count", "0"};

Flags operator+(Flags a, const Flags& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Tensor first_filter(const Workshop& shop, const std::string& name) {
    return load_safetensors(shop.path(name) + "/checkpoint.safetensors").tensors.at("conv_in.weight");
}

}    // namespace

TEST_CASE("the device is the one that was asked for, if there is one") {
    MachineOptions options;
    CHECK(options.chosen_device() == Device::cpu);
    options.device = "cuda";
    CHECK(options.chosen_device() == (cuda::available() ? Device::cuda : Device::cpu));
}

// Four steps apart by f32's rounding alone, which AdamW hardly magnifies.
TEST_CASE("a run on CUDA is near the one on the CPU, says where it was, and goes on there bit for bit") {
    if (!cuda::available()) return;
    const Workshop shop;
    const Flags on_cuda{"--device", "cuda"};
    REQUIRE(shop.train("here", kLength).status == 0);
    const Result trained = shop.train("there", kLength + on_cuda);
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    const auto config = nlohmann::json::parse(read_bytes(shop.path("there") + "/config.json"));
    CHECK(config.at("machine").at("device") == "cuda");
    CHECK(relative_error(first_filter(shop, "there"), first_filter(shop, "here")) < 1e-4);

    REQUIRE(shop.train("part", kLength + on_cuda + Flags{"--stop-after", "2"}).status == 0);
    const Result resumed = run(Flags{"train", "--resume", shop.path("part"), "--quiet"} + on_cuda);
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    CHECK(read_bytes(shop.path("part") + "/checkpoint.safetensors") ==
          read_bytes(shop.path("there") + "/checkpoint.safetensors"));

    const Tensor here = shop.images("there", {}), there = shop.images("there", on_cuda);
    CHECK(relative_error(there, here) < 1e-4);
    CHECK(run(Flags{"denoise", shop.path("there"), "--quiet", "--count", "2", "--sigma", "0.5"} + on_cuda).status == 0);
}
