#include "engine/ops/resnet_block/resnet_block.h"

#include "engine/ops/bf16.h"
#include "engine/ops/resnet_block/kernels.h"

namespace lull {

namespace {

// Calls f on every weight.
template <class F>
ResnetBlockWeights transformed(const ResnetBlockWeights& w, const F& f) {
    return {f(w.norm1_weight), f(w.norm1_bias),   f(w.conv1_weight), f(w.conv1_bias),      f(w.norm2_weight),
            f(w.norm2_bias),   f(w.conv2_weight), f(w.conv2_bias),   f(w.shortcut_weight), f(w.shortcut_bias)};
}

struct ResnetBlockBackward {
    Tensor x, skip, emb, h, statistics1, statistics2;
    ResnetBlockWeights given_weights;    // which in bf16 are half of what they are when widened
    ResnetBlockOptions options;

    void backward(const Tensor& dy, Gradients& grad) {
        const ResnetBlockWeights weights = transformed(given_weights, wide);
        const auto wanted = [&](int i) { return grad.needs(i) ? grad.into(i) : Into{}; };
        const ResnetBlockGradients gradients{.x = wanted(0),
                                             .skip = wanted(1),
                                             .emb = wanted(2),
                                             .norm1_weight = wanted(3),
                                             .norm1_bias = wanted(4),
                                             .conv1_weight = wanted(5),
                                             .conv1_bias = wanted(6),
                                             .norm2_weight = wanted(7),
                                             .norm2_bias = wanted(8),
                                             .conv2_weight = wanted(9),
                                             .conv2_bias = wanted(10),
                                             .shortcut_weight = wanted(11),
                                             .shortcut_bias = wanted(12)};
        dispatch(dy, cpu::resnet_block_backward, cuda::resnet_block_backward)(x, skip, emb, weights, options, h, statistics1,
                                                                              statistics2, dy, gradients);
    }
};

void check_arguments(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& w,
                     const ResnetBlockOptions& options) {
    constexpr auto kName = "resnet_block";
    check(x.rank() == 4, kName, "expected x (N, H, W, C), got ", x);
    check(!skip.defined() || (skip.rank() == 4 && skip.dtype() == x.dtype() && skip.size(0) == x.size(0) &&
                              skip.size(1) == x.size(1) && skip.size(2) == x.size(2)),
          kName, "expected skip of x's type, images and size, ", x, ", got ", skip);
    check(w.conv1_weight.defined() && w.conv1_weight.rank() == 4, kName, "expected conv1 weight (O, 3, 3, C), got ",
          w.conv1_weight);
    const std::int64_t C = x.size(3) + (skip.defined() ? skip.size(3) : 0), O = w.conv1_weight.size(0);
    const auto expect = [&](const char* what, const Tensor& t, const Shape& shape) {
        check(t.defined() && t.shape() == shape && t.dtype() == x.dtype(), kName, "expected ", what, ' ', x.dtype(), ' ', shape,
              ", got ", t);
    };
    expect("norm1 weight", w.norm1_weight, {C});
    expect("norm1 bias", w.norm1_bias, {C});
    expect("conv1 weight", w.conv1_weight, {O, 3, 3, C});
    expect("conv1 bias", w.conv1_bias, {O});
    expect("norm2 weight", w.norm2_weight, {O});
    expect("norm2 bias", w.norm2_bias, {O});
    expect("conv2 weight", w.conv2_weight, {O, 3, 3, O});
    expect("conv2 bias", w.conv2_bias, {O});
    if (emb.defined()) expect("emb", emb, {x.size(0), O});
    if (w.shortcut_weight.defined()) {
        expect("shortcut weight", w.shortcut_weight, {O, 1, 1, C});
        expect("shortcut bias", w.shortcut_bias, {O});
    } else {
        check(C == O, kName, "expected a shortcut weight (", O, ", 1, 1, ", C, ") where the channels change, got none");
    }
    check(options.groups >= 1 && C % options.groups == 0 && O % options.groups == 0, kName, "expected groups that divide ", C,
          " and ", O, " channels, got ", options.groups);
}

}    // namespace

Tensor resnet_block(const Tensor& x_any, const Tensor& skip_any, const Tensor& emb_any, const ResnetBlockWeights& w,
                    const ResnetBlockOptions& options) {
    check_arguments(x_any, skip_any, emb_any, w, options);
    const auto contiguous = [](const Tensor& t) { return t.defined() ? t.contiguous() : t; };
    const Tensor x = contiguous(x_any), skip = contiguous(skip_any), emb = wide(contiguous(emb_any));
    const ResnetBlockWeights given_weights = transformed(w, contiguous), weights = transformed(given_weights, wide_weight);
    const bool record_it = recording(x, skip, emb, weights.norm1_weight, weights.norm1_bias, weights.conv1_weight,
                                     weights.conv1_bias, weights.norm2_weight, weights.norm2_bias, weights.conv2_weight,
                                     weights.conv2_bias, weights.shortcut_weight, weights.shortcut_bias);

    const Tensor y = empty_beside(x, {x.size(0), x.size(1), x.size(2), weights.conv1_weight.size(0)});
    const DType compute = weights.conv1_weight.dtype();
    const DType h_type = x.device() == Device::cpu ? compute : x.dtype();
    const Tensor h = record_it ? empty(y.shape(), h_type, x.device()) : Tensor();
    const Tensor statistics1 = empty({x.size(0), options.groups, 2}, compute, x.device()), statistics2 = empty_like(statistics1);
    dispatch(x, cpu::resnet_block_forward, cuda::resnet_block_forward)(x, skip, emb, weights, options, y, h, statistics1,
                                                                       statistics2);
    if (!record_it) return y;
    return record<ResnetBlockBackward>(
        y,
        {x, skip, emb, weights.norm1_weight, weights.norm1_bias, weights.conv1_weight, weights.conv1_bias, weights.norm2_weight,
         weights.norm2_bias, weights.conv2_weight, weights.conv2_bias, weights.shortcut_weight, weights.shortcut_bias},
        x, skip, emb, h, statistics1, statistics2,
        transformed(given_weights, [](const Tensor& t) { return t.defined() ? t.detach() : t; }), options);
}

}    // namespace lull
