#include "nn/module.h"

#include <doctest/doctest.h>

#include <sstream>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "nn/layers/conv2d.h"
#include "nn/layers/linear.h"

namespace lull {
namespace {

struct Inner {
    Linear linear = Linear(3, 2);
    std::optional<Linear> extra;

    template <class V>
    void visit(V& v) {
        v("linear", linear);
        v("extra", extra);
    }
};

struct Outer {
    std::vector<Inner> inners = std::vector<Inner>(2);
    Linear unbiased = Linear(1200, 1, false);
    Tensor scale = ones({5});

    template <class V>
    void visit(V& v) {
        v("inners", inners);
        v("to_out.0", unbiased);
        v("scale", scale);
    }
};

struct Stateful {
    Tensor scale = ones({5});
    std::vector<Buffer> counts = {{zeros({2})}, {}};

    template <class V>
    void visit(V& v) {
        v("scale", scale);
        v("counts", counts);
    }
};

TEST_CASE("buffers are visited where they are asked for, and are no parameters") {
    Stateful module;
    CHECK(parameters_of(module).size() == 1);
    std::vector<std::string> names;
    for_each(module, [&](const std::string& name, Buffer& buffer) { names.push_back(name), buffer.tensor = ones({2}); });
    CHECK(names == std::vector<std::string>{"counts.0"});    // the other one is undefined
    for_each(std::as_const(module), [](const std::string&, const Buffer& buffer) { CHECK(buffer.tensor.values()[0] == 1); });
}

TEST_CASE("a cast has parameters of the other type, whose gradients arrive in the module's, buffers are shared") {
    Stateful module;
    module.scale.requires_grad();
    const Stateful half = cast(module, DType::bf16);
    CHECK(half.scale.dtype() == DType::bf16);
    CHECK(half.counts[0].tensor.storage() == module.counts[0].tensor.storage());
    CHECK(module.scale.dtype() == DType::f32);
    sum(half.scale * half.scale).backward();
    CHECK(module.scale.grad().values() == std::vector<double>(5, 2));
}

static_assert(Module<Outer> && Module<Linear> && !Module<Tensor> && !Module<int>);

TEST_CASE("parameters have dotted names, in the order of visit, and absent parts have none") {
    Outer outer;
    outer.inners[1].extra.emplace(4, 4);
    std::vector<std::string> names;
    for (const NamedTensor& parameter : parameters_of(outer)) names.push_back(parameter.name);
    CHECK(names == std::vector<std::string>{"inners.0.linear.weight", "inners.0.linear.bias", "inners.1.linear.weight",
                                            "inners.1.linear.bias", "inners.1.extra.weight", "inners.1.extra.bias",
                                            "to_out.0.weight", "scale"});
    CHECK(parameter_count(outer) == 2 * (6 + 2) + 16 + 4 + 1200 + 5);
}

TEST_CASE("for_each stops at the parts whose type the function takes") {
    Outer outer;
    std::vector<std::string> layers;
    for_each(outer, [&](const std::string& name, Linear&) { layers.push_back(name); });
    CHECK(layers == std::vector<std::string>{"inners.0.linear", "inners.1.linear", "to_out.0"});
    int convolutions = 0;
    for_each(outer, [&](const std::string&, Conv2d&) { ++convolutions; });
    CHECK(convolutions == 0);
}

TEST_CASE("for_each can change what it visits, and a copy of a module shares the parameters that it has not replaced") {
    Outer outer;
    Outer copy = outer;
    CHECK(copy.scale.storage() == outer.scale.storage());
    for_each(copy, [](const std::string&, Tensor& parameter) { parameter = zeros_like(parameter); });
    CHECK(outer.scale.values()[0] == 1);
    CHECK(copy.scale.values()[0] == 0);
}

TEST_CASE("a printed module shows its tree with shapes and parameter counts") {
    std::ostringstream out;
    out << Outer();
    CHECK(out.str() ==
          "parameters                                 1,221  scale (5,)\n"
          "  inners                                      16\n"
          "    0                                          8\n"
          "      linear                                   8  weight (2, 3)  bias (2,)\n"
          "    1                                          8\n"
          "      linear                                   8  weight (2, 3)  bias (2,)\n"
          "  to_out                                   1,200\n"
          "    0                                      1,200  weight (1, 1200)\n");
}

}    // namespace
}    // namespace lull
