// Reverse-mode automatic differentiation: an eager tape.
//
// Every operation on a tensor that needs a gradient records a node around a small struct that stands next to the
// operation's forward, with the tensors its backward reads as named members. Edges lead from a node to the nodes of its inputs,
// never to tensors. backward() runs the nodes by descending number (the order of creation, so every consumer comes before its
// producer) and lets go of each as it passes. There is no double backward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace lull {

class Gradients;

struct Node {
    Node();
    virtual ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    // dy: the gradient of the output, contiguous, of its shape and type. Writes the gradients of the inputs.
    virtual void backward(const Tensor& dy, Gradients& grad) = 0;

    std::vector<std::shared_ptr<Node>> inputs;    // null where no gradient is wanted
    Shape shape;                                  // of the output, as type and device are, and so of its gradient
    DType dtype = DType::f32;
    Device device = Device::cpu;
    std::uint64_t number;    // order of creation

  protected:
    friend class Gradients;
    friend class Tensor;
    friend Tensor make_leaf(const Tensor& data, const Tensor& grad);
    friend void begin_step(const Tensor& leaf);
    friend bool gradient_written(const Tensor& leaf);

    Tensor grad_;             // what the consumers have given so far; a leaf's is where the user reads it
    bool written_ = false;    // grad_ holds values
    bool own_ = false;        // grad_ was made by into(): no one else reads it, and several kernels' arguments may name it
    bool fixed_ = false;      // grad_ is a slice of a larger buffer: it is written to, never replaced
    bool is_leaf_ = false;
    bool done_ = false;    // backward has passed
};

// A buffer that a backward kernel fills: it writes, or adds to what is there. A kernel that has `add` false must write
// every element.
struct Into {
    Tensor tensor;
    bool add = false;
};

// The gradients of one node's inputs, while its backward runs.
class Gradients {
  public:
    explicit Gradients(Node& node) : node_(node) {}

    // Whether input i wants a gradient. Asking for into() or give() where it does not is an error.
    bool needs(int i) const { return node_.inputs[static_cast<std::size_t>(i)] != nullptr; }

    // Where the gradient of input i goes: contiguous, of the input's shape. A parameter's slice of the flat gradient
    // buffer, the buffer that another consumer has filled, or a fresh one. Two inputs that are one tensor get the same
    // place: the one asked for first is to be written first, the other added.
    Into into(int i);

    // Hands over a gradient that already exists, or adds it to what other consumers gave. Kept without a copy where it
    // can be, so the giver must not write to it afterwards.
    void give(int i, const Tensor& grad);

  private:
    Node& input(int i);

    Node& node_;
};

// While one lives, nothing is recorded on this thread: sampling and evaluation.
class NoGrad {
  public:
    NoGrad();
    ~NoGrad();
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

  private:
    bool before_;
};

bool recording();    // whether this thread records at all

// Whether an operation on these inputs must record.
template <class... Tensors>
bool recording(const Tensor& first, const Tensors&... rest) {
    return recording() && (first.has_gradient() || ... || rest.has_gradient());
}

// Gives `output` its node, with edges to the nodes of `inputs` (undefined tensors get none).
Tensor connect(Tensor output, std::span<const Tensor> inputs, std::shared_ptr<Node> node);

// A node around an operation's gradient: any struct with `void backward(const Tensor& dy, Gradients& grad)`, its named
// members what that reads.
template <class Backward>
struct OperationNode final : Node {
    explicit OperationNode(Backward backward) : saved(std::move(backward)) {}
    void backward(const Tensor& dy, Gradients& grad) override { saved.backward(dy, grad); }
    Backward saved;
};

// Makes `output` the result of an operation whose gradient is Backward{saved…}, with edges to `inputs`. Saved tensors are
// detached on the way: a node that held a handle of its own output would keep itself alive.
template <class Backward, class... Saved>
Tensor record(const Tensor& output, std::initializer_list<Tensor> inputs, Saved&&... saved) {
    [[maybe_unused]] const auto unhook = []<class T>(T&& value) -> decltype(auto) {
        if constexpr (std::is_same_v<std::remove_cvref_t<T>, Tensor>)
            return value.detach();
        else
            return std::forward<T>(value);
    };
    auto node = std::make_shared<OperationNode<Backward>>(Backward{unhook(std::forward<Saved>(saved))...});
    return connect(output, std::span(inputs.begin(), inputs.size()), std::move(node));
}

// A leaf over existing memory: gradients of `data` are written to `grad` (equal shape), a slice of a flat buffer.
// The first write of a step overwrites; begin_step says when a step begins.
Tensor make_leaf(const Tensor& data, const Tensor& grad);

// The next gradient that reaches this leaf overwrites what is there, instead of adding to it.
void begin_step(const Tensor& leaf);
// Whether a gradient has reached the leaf since begin_step.
bool gradient_written(const Tensor& leaf);

}    // namespace lull
