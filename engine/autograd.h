// Reverse-mode automatic differentiation: an eager tape.
//
// Every operation on a tensor that needs a gradient records a Node: a small struct that stands next to the operation's
// forward, with the tensors its backward reads as named members. Edges lead from a node to the nodes of its inputs, never
// to tensors. backward() runs the nodes by descending number (the order of creation, so every consumer comes before its
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

    // What an input of this node needs to know about itself: its own node, or null where no gradient is wanted,
    // and the shape and type that its gradient has.
    struct Edge {
        std::shared_ptr<Node> node;
        Shape shape;
        DType dtype;
    };
    std::vector<Edge> inputs;
    std::uint64_t number;       // order of creation

  protected:
    friend class Gradients;
    friend struct Tape;
    friend class Tensor;
    // A gradient that consumers have filled so far; undefined before the first. A leaf's is where the user reads it.
    Tensor grad_;
    bool written_ = false;      // grad_ holds values of this backward
    bool is_leaf_ = false;
    bool done_ = false;         // backward has passed: what it saved is gone
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
    bool needs(int i) const { return node_.inputs[static_cast<std::size_t>(i)].node != nullptr; }

    // Where the gradient of input i goes: contiguous, of the input's shape. A parameter's slice of the flat gradient
    // buffer, the buffer that another consumer has filled, or a fresh one.
    Into into(int i);

    // Hands over a gradient that already exists, or adds it to what other consumers gave. Kept without a copy where it
    // can be, so the giver must not write to it afterwards.
    void give(int i, const Tensor& grad);

  private:
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

void connect(Node& node, std::span<const Tensor> inputs);

// Makes `output` the result of a new NodeType whose edges lead to `inputs` (undefined tensors get no edge) and whose
// members are initialised from `saved`. Saved tensors must be detached: a node that held its own output's handle would
// keep itself alive. `saved_tensors` below does it.
template <class NodeType, class... Saved>
Tensor record(Tensor output, std::initializer_list<Tensor> inputs, Saved&&... saved) {
    const auto unhook = []<class T>(T&& value) -> decltype(auto) {
        if constexpr (std::is_same_v<std::remove_cvref_t<T>, Tensor>) return value.defined() ? value.detach() : Tensor();
        else return std::forward<T>(value);
    };
    auto node = std::make_shared<NodeType>(unhook(std::forward<Saved>(saved))...);
    connect(*node, std::span(inputs.begin(), inputs.size()));
    output.set_node(std::move(node));
    return output;
}

// A leaf over existing memory: gradients of `data` are written to `grad` (equal shape), a slice of a flat buffer.
// The first write of a step overwrites; begin_step says when a step begins.
Tensor make_leaf(const Tensor& data, const Tensor& grad);

// The next gradient that reaches this leaf overwrites what is there, instead of adding to it.
void begin_step(const Tensor& leaf);
// Whether a gradient has reached the leaf since begin_step.
bool gradient_written(const Tensor& leaf);

}    // namespace lull
