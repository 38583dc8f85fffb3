// --precision of training and sampling.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/io/png.h"
#include "engine/threads.h"
#include "tests/apps/workshop.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;
using Flags = std::vector<std::string>;

namespace {

const Flags kLength{"--steps", "6", "--sample-count", "0", "--precision", "bf16"};

std::string checkpoint(const Workshop& shop, const std::string& name) {
    return read_bytes(shop.path(name) + "/checkpoint.safetensors");
}

}    // namespace

TEST_CASE("a run in bf16 has its own numbers, near those in f32, and a checkpoint in f32") {
    const Workshop shop;
    REQUIRE(shop.train("f32", {"--steps", "6", "--sample-count", "0"}).status == 0);
    const Result trained = shop.train("bf16", kLength);
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    const auto config = nlohmann::json::parse(read_bytes(shop.path("bf16") + "/config.json"));
    CHECK(config.at("training").at("precision") == "bf16");
    const auto f32 = load_safetensors(shop.path("f32") + "/checkpoint.safetensors").tensors;
    const auto bf16 = load_safetensors(shop.path("bf16") + "/checkpoint.safetensors").tensors;
    CHECK(bf16.size() == f32.size());
    for (const auto& [name, tensor] : bf16) CHECK_MESSAGE(tensor.dtype() == DType::f32, name);
    const Tensor& weight = f32.at("conv_in.weight");
    CHECK_FALSE(same_bits(bf16.at("conv_in.weight"), weight));
    CHECK(test::relative_error(bf16.at("conv_in.weight"), weight) < 0.05);
}

TEST_CASE("a run in bf16 that stops and goes on, with other threads, ends as the whole run does, bit for bit") {
    const Workshop shop;
    const int before = thread_count();
    REQUIRE(shop.train("whole", kLength).status == 0);
    Flags part = kLength;
    part.insert(part.end(), {"--stop-after", "2", "--threads", "1"});
    REQUIRE(shop.train("part", part).status == 0);
    const Result resumed =
        run({"train", "--resume", shop.path("part"), "--data", shop.folder.path().string(), "--threads", "3", "--quiet"});
    set_thread_count(before);
    REQUIRE_MESSAGE(resumed.status == 0, resumed.err);
    CHECK(checkpoint(shop, "part") == checkpoint(shop, "whole"));
}

TEST_CASE("images drawn in bf16 are near those drawn in f32, the same in any batch, and say so") {
    const Workshop shop;
    REQUIRE(shop.train("run", {"--steps", "6", "--sample-count", "0"}).status == 0);
    const Tensor f32 = shop.images("run", {}), bf16 = shop.images("run", {"--precision", "bf16"});
    CHECK(bf16.dtype() == DType::f32);
    CHECK_FALSE(same_bits(bf16, f32));
    CHECK(test::relative_error(bf16, f32) < 0.05);
    CHECK(same_bits(shop.images("run", {"--precision", "bf16", "--batch", "3"}), bf16));
    CHECK(read_png(shop.path("run") + "/samples-heun-3-seeds-0-7-2.png").text.at("Precision") == "bf16");
}

TEST_CASE("a precision that is not there is refused") {
    const std::string message = "lull: --precision: unknown precision 'bf61'; did you mean 'bf16'? (f32, bf16)\n";
    for (const Flags& command : {Flags{"train"}, Flags{"sample", "x"}, Flags{"denoise", "x"}}) {
        Flags arguments = command;
        arguments.insert(arguments.end(), {"--precision", "bf61"});
        const Result result = run(arguments);
        CHECK(result.status == 2);
        CHECK(result.err == message);
    }
}
