// All parameters of a module in flat arrays, so that the optimizer, the gradient's norm and the EMA are one kernel each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tensor.h"
#include "nn/module.h"

namespace lull {

// A named slice of the flat arrays.
struct Parameter {
    std::string name;
    Tensor tensor;          // the leaf that the module computes with
    std::int64_t offset;    // where it starts in every array, in elements
};

// Five flat arrays of equal length, f32, on one device: a parameter has the same slice in each. Slices start at multiples of 64
// elements, with zeros between; those that weight decay is for (matrices and filters: at least two axes) come first, in elements
// [0, decayed). The module's buffers come last, from element `learned` on: their gradients and moments stay zero, so that the
// optimizer leaves them as the forward passes wrote them, and averages them as it does the weights.
//
// A training step: begin_step(); any number of forward and backward passes, whose gradients add up; finish_step();
// the optimizer (nn/optim.h).
class Parameters {
  public:
    // Moves the module's parameters and buffers into the arrays, which lie on `device`, and makes the parameters leaves that
    // gather gradients. The EMA starts as a copy of the weights, the moments as zeros. The arrays outlive the module where a copy
    // of it is still in use. Throws Error when a parameter or a buffer is not f32.
    template <Module M>
    explicit Parameters(M& module, Device device = Device::cpu) {
        std::vector<Slot> parameters, buffers;
        for_each(module, [&](const std::string& name, Tensor& tensor) { parameters.push_back({name, &tensor}); });
        for_each(module, [&](const std::string& name, Buffer& buffer) { buffers.push_back({name, &buffer.tensor}); });
        adopt(std::move(parameters), std::move(buffers), device);
    }
    Parameters(const Parameters&) = delete;    // two owners of one set of gradients would be a mistake
    Parameters& operator=(const Parameters&) = delete;
    Parameters(Parameters&&) = default;
    Parameters& operator=(Parameters&&) = default;

    void begin_step();     // the next gradient of every parameter overwrites the last step's
    void finish_step();    // parameters that no backward pass reached have gradient zero

    const std::vector<Parameter>& list() const { return list_; }          // by offset, without buffers
    const std::vector<Parameter>& buffers() const { return buffers_; }    // by offset
    // The parameter or buffer of that name. Throws Error when there is none.
    const Parameter& operator[](std::string_view name) const;
    std::int64_t count() const { return count_; }    // elements of the parameters, without padding
    std::int64_t decayed() const { return decayed_; }
    std::int64_t learned() const { return learned_; }
    Device device() const { return weights.device(); }

    // A parameter's part of one of the arrays, in the parameter's shape.
    static Tensor slice(const Tensor& array, const Parameter& parameter);

    // What the module's buffers hold now, and the way back: for forward passes that must leave no trace.
    Tensor copy_buffers() const;
    void restore_buffers(const Tensor& copy);

    // A copy of the module that computes with the EMA weights, as they are at each moment: for sampling and evaluation. It
    // is no part of autograd. `module` is the one this was made from, or has parameters of the same names.
    template <Module M>
    M averaged(const M& module) const {
        M copy = module;
        for_each(copy, [&](const std::string& name, Tensor& tensor) { tensor = slice(ema, (*this)[name]); });
        for_each(copy, [&](const std::string& name, Buffer& buffer) { buffer.tensor = slice(ema, (*this)[name]); });
        return copy;
    }

    // (n) f32 each. Their elements change; the handles are not to be replaced.
    Tensor weights, gradients, first_moment, second_moment, ema;

  private:
    struct Slot {
        std::string name;
        Tensor* tensor;
    };
    void adopt(std::vector<Slot> parameters, std::vector<Slot> buffers, Device device);

    std::vector<Parameter> list_, buffers_;
    std::int64_t count_ = 0, decayed_ = 0, learned_ = 0;
};

}    // namespace lull
