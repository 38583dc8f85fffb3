#include "engine/ops/dropout/dropout.h"

#include <vector>

#include "engine/ops/bf16.h"
#include "engine/ops/dropout/kernels.h"

namespace lull {

namespace {

void drop(const Tensor& x, double p, std::span<const RandomStream> streams, Into y) {
    dispatch(x, cpu::dropout_forward, cuda::dropout_forward)(x, p, streams, y);
}

struct DropoutBackward {
    double p;
    std::vector<RandomStream> streams;
    void backward(const Tensor& dy, Gradients& grad) { drop(dy, p, streams, grad.into(0)); }
};

}    // namespace

Tensor dropout(const Tensor& input, double p, std::span<const RandomStream> streams) {
    check(p >= 0 && p < 1, "dropout", "expected a probability in [0, 1), got ", p);
    check(input.rank() >= 1 && input.size(0) == static_cast<std::int64_t>(streams.size()), "dropout",
          "expected x (N, …) and N streams, got ", input, " and ", streams.size());
    if (widens(input)) return rounded(dropout(wide(input), p, streams));
    const Tensor x = input.contiguous();
    Tensor y = empty_like(x);
    drop(x, p, streams, {y, false});
    return recording(x) ? record<DropoutBackward>(y, {x}, p, std::vector(streams.begin(), streams.end())) : y;
}

}    // namespace lull
