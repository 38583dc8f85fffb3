#include "engine/autograd.h"

#include <algorithm>
#include <atomic>
#include <queue>

#include "engine/ops/copy/copy.h"

namespace lull {

namespace {

std::atomic<std::uint64_t> nodes_created = 0;
thread_local bool recording_enabled = true;

// Where gradients end: a parameter, or any tensor that the user asked about.
struct Leaf final : Node {
    void backward(const Tensor&, Gradients&) override {}
};

struct LaterFirst {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const { return a->number < b->number; }
};

}    // namespace

Node::Node() : number(nodes_created++) {}

// A tape that is dropped without a backward can be a chain of any length: it is taken apart in a loop, not by recursion.
Node::~Node() {
    thread_local std::vector<std::shared_ptr<Node>> doomed;
    thread_local bool busy = false;
    for (auto& input : inputs) {
        if (input) doomed.push_back(std::move(input));
    }
    if (busy) return;
    busy = true;
    while (!doomed.empty()) {
        const auto node = std::move(doomed.back());
        doomed.pop_back();
    }
    busy = false;
}

NoGrad::NoGrad() : before_(recording_enabled) { recording_enabled = false; }
NoGrad::~NoGrad() { recording_enabled = before_; }

bool recording() { return recording_enabled; }

Tensor connect(Tensor output, std::span<const Tensor> inputs, std::shared_ptr<Node> node) {
    for (const Tensor& input : inputs) node->inputs.push_back(input.node());
    node->shape = output.shape();
    node->dtype = output.dtype();
    node->device = output.device();
    output.set_node(std::move(node));
    return output;
}

Node& Gradients::input(int i) {
    check(needs(i), "autograd", "input ", i, " of this operation wants no gradient: ask needs() first");
    Node& target = *node_.inputs[static_cast<std::size_t>(i)];
    check(!target.done_, "backward", "a second backward through the same computation: its saved tensors are gone");
    return target;
}

Into Gradients::into(int i) {
    Node& target = input(i);
    if (!target.written_) {
        if (!target.grad_.defined()) {
            target.grad_ = empty(target.shape, target.dtype, target.device);
            target.own_ = true;
        }
        target.written_ = true;
        return {target.grad_, false};
    }
    // What give() kept may be seen by others too: then the sum needs a buffer of its own.
    const bool shared = target.grad_.storage().use_count() > 1 || !target.grad_.is_contiguous();
    if (shared && !target.fixed_ && !target.own_) {
        target.grad_ = target.grad_.clone();
        target.own_ = true;
    }
    return {target.grad_, true};
}

void Gradients::give(int i, const Tensor& grad) {
    Node& target = input(i);
    check(grad.shape() == target.shape && grad.dtype() == target.dtype, "autograd", "expected a gradient of ", target.dtype, ' ',
          target.shape, ", got ", grad);
    check(grad.device() == target.device, "autograd", "expected a gradient on ", target.device, ", got ", grad, " on ",
          grad.device());
    if (!target.written_ && !target.fixed_) {
        target.grad_ = grad;
        target.own_ = false;
        target.written_ = true;
        return;
    }
    const auto [sum, add] = into(i);
    if (add)
        accumulate(grad, sum);
    else
        copy(grad, sum);
}

Tensor make_leaf(const Tensor& data, const Tensor& grad) {
    check(grad.shape() == data.shape() && grad.dtype() == data.dtype() && grad.device() == data.device(), "make_leaf",
          "expected a gradient like ", data, ", got ", grad);
    const auto leaf = std::make_shared<Leaf>();
    leaf->is_leaf_ = leaf->fixed_ = true;
    leaf->grad_ = grad;
    return connect(data.detach(), {}, leaf);
}

void begin_step(const Tensor& leaf) {
    check(leaf.has_gradient() && leaf.node()->is_leaf_, "begin_step",
          "expected a leaf: call requires_grad() or make_leaf() first");
    leaf.node()->written_ = false;
    if (!leaf.node()->fixed_) leaf.node()->grad_ = {};    // others may hold it still
}

bool gradient_written(const Tensor& leaf) {
    check(leaf.has_gradient() && leaf.node()->is_leaf_, "gradient_written",
          "expected a leaf: call requires_grad() or make_leaf() first");
    return leaf.node()->written_;
}

Tensor& Tensor::requires_grad() {
    check(is_floating(), "requires_grad", "expected a floating tensor, got ", *this);
    const auto leaf = std::make_shared<Leaf>();
    leaf->is_leaf_ = true;
    *this = connect(*this, {}, leaf);
    return *this;
}

Tensor Tensor::grad() const {
    check(node_ && node_->is_leaf_, "grad", "only leaves keep their gradient: call requires_grad() before the computation");
    node_->own_ = false;    // the caller reads it, too, from here on
    return node_->written_ ? node_->grad_ : Tensor();
}

void Tensor::backward() const {
    check(elements() == 1, "backward", "expected a scalar loss, got ", *this);
    check(has_gradient(), "backward", "this tensor depends on nothing that requires a gradient");

    std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, LaterFirst> ready;
    Leaf above;    // hands the loss its gradient, 1, as a consumer would
    above.inputs.push_back(node_);
    Gradients(above).give(0, ones(shape_, dtype_, device()));
    if (!node_->is_leaf_) ready.push(node_);
    while (!ready.empty()) {
        const std::shared_ptr<Node> node = ready.top();
        ready.pop();
        node->done_ = true;
        const auto waiting = [](const std::shared_ptr<Node>& input) { return input && !input->is_leaf_ && !input->written_; };
        std::vector<std::shared_ptr<Node>> first_time;
        std::copy_if(node->inputs.begin(), node->inputs.end(), std::back_inserter(first_time), waiting);
        {
            const Tensor dy = std::exchange(node->grad_, {}).contiguous();
            Gradients grad(*node);
            node->backward(dy, grad);
        }
        node->inputs.clear();
        std::sort(first_time.begin(), first_time.end());
        first_time.erase(std::unique(first_time.begin(), first_time.end()), first_time.end());
        for (const auto& input : first_time) {
            if (input->written_) ready.push(input);
        }
    }
}

}    // namespace lull
