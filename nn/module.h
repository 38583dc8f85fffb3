// Modules: plain structs that list their parts once.
//
//     struct Mlp {
//         Linear linear_1, linear_2;
//         Tensor operator()(const Tensor& x) const { return linear_2(silu(linear_1(x))); }
//         template <class V>
//         void visit(V& v) {
//             v("linear_1", linear_1);
//             v("linear_2", linear_2);
//         }
//     };
//
// A part is a Tensor (a parameter), a Buffer (state that is not learned), a module, a std::vector of these (named 0, 1, …), or
// a std::optional of one. The dotted names that come of it ("down_blocks.0.resnets.1.conv1.weight") are diffusers' names. Modules
// keep no pointers to themselves: they can be copied and moved, and a copy shares the parameters, as tensors do.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace lull {

// State that belongs to a module as its parameters do, but is not learned: BatchNorm's running statistics. It is named, saved
// and averaged with the parameters (nn/parameters.h), and no gradient flows to it.
struct Buffer {
    Tensor tensor;
};

struct AnyVisitor {
    void operator()(std::string_view, auto&) {}
};

template <class M>
concept Module = requires(std::remove_const_t<M>& module, AnyVisitor& visitor) {
    module.visit(visitor);
};

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
}    // namespace detail

// Calls f(name, part) for every part whose type f takes, in the order of visit; all other parts are looked into. What is
// absent (an undefined tensor, an empty optional) is passed over. f names its types: for_each(unet, [](const std::string&
// name, Tensor& parameter) {…}), or [](const std::string&, Conv2d&) {…}, or an object with several such calls.
template <class Part, class F>
void for_each(Part& part, F&& f, const std::string& name = "") {
    if constexpr (std::same_as<Part, Tensor>) {
        if constexpr (std::invocable<F&, const std::string&, Tensor&>) {
            if (part.defined()) f(name, part);
        }
    } else if constexpr (std::same_as<Part, Buffer>) {
        if constexpr (std::invocable<F&, const std::string&, Buffer&>) {
            if (part.tensor.defined()) f(name, part);
        }
    } else if constexpr (detail::is_optional<Part>) {
        if (part) for_each(*part, f, name);
    } else if constexpr (detail::is_vector<Part>) {
        for (std::size_t i = 0; i < part.size(); ++i) for_each(part[i], f, name + '.' + std::to_string(i));
    } else if constexpr (std::invocable<F&, const std::string&, Part&>) {
        f(name, part);
    } else {
        const std::string prefix = name.empty() ? "" : name + '.';
        auto child = [&](std::string_view child_name, auto& child_part) {
            for_each(child_part, f, prefix + std::string(child_name));
        };
        part.visit(child);
    }
}

// The same, reading: f takes const parts. visit is written for the other case only, hence the cast.
template <Module M, class F>
void for_each(const M& module, F&& f, const std::string& name = "") {
    auto reading =
        [&f]<class Part>(const std::string& part_name, Part& part) requires std::invocable<F&, const std::string&, const Part&> {
        f(part_name, std::as_const(part));
    };
    for_each(const_cast<M&>(module), reading, name);
}

struct NamedTensor {
    std::string name;
    Tensor tensor;
};

// Every parameter, in the order of visit. A parameter's place in this list is its number: what its initial values are
// drawn with.
template <Module M>
std::vector<NamedTensor> parameters_of(const M& module) {
    std::vector<NamedTensor> list;
    for_each(module, [&](const std::string& name, const Tensor& tensor) { list.push_back({name, tensor}); });
    return list;
}

template <Module M>
std::int64_t parameter_count(const M& module) {
    std::int64_t count = 0;
    for_each(module, [&](const std::string&, const Tensor& tensor) { count += tensor.elements(); });
    return count;
}

namespace detail {
struct Cast {
    DType dtype;
    void operator()(const std::string&, Tensor& tensor) const { tensor = tensor.to(dtype); }
    template <class Part>
    requires Part::keeps_type void operator()(const std::string&, Part&) const {}
};
struct Move {
    Device device;
    void operator()(const std::string&, Tensor& tensor) const { tensor = tensor.to(device); }
    void operator()(const std::string&, Buffer& buffer) const { buffer.tensor = buffer.tensor.to(device); }
};
}    // namespace detail

// A copy whose parameters are the module's in another floating type, converted on the tape: gradients of the copy arrive in
// the module's own parameters. Mixed precision is a pass through cast(unet, DType::bf16), the masters f32. Buffers, and parts
// of a type that says `static constexpr bool keeps_type = true`, stay as they are, and shared.
template <Module M>
M cast(const M& module, DType dtype) {
    M copy = module;
    for_each(copy, detail::Cast{dtype});
    return copy;
}

// A copy whose parameters and buffers lie on that device: for sampling. To train there, see Parameters.
template <Module M>
M moved(const M& module, Device device) {
    M copy = module;
    for_each(copy, detail::Move{device});
    return copy;
}

// Where the parameters lie.
template <Module M>
Device device_of(const M& module) {
    return parameters_of(module).front().tensor.device();
}

void print_tree(std::ostream& out, const std::vector<NamedTensor>& parameters);

// The tree of parts, with the shapes of parameters and their numbers.
template <Module M>
std::ostream& operator<<(std::ostream& out, const M& module) {
    print_tree(out, parameters_of(module));
    return out;
}

}    // namespace lull
