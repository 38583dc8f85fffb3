#include "engine/ops/pool/pool.h"

#include "engine/ops/bf16.h"
#include "engine/ops/pool/kernels.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {

namespace {

struct AvgPoolBackward {
    PoolOptions options;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::avg_pool_backward, cuda::avg_pool_backward)(dy, options, grad.into(0));
    }
};

struct MaxPoolBackward {
    Tensor x, y;
    PoolOptions options;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::max_pool_backward, cuda::max_pool_backward)(x, y, dy, options, grad.into(0));
    }
};

PoolOptions resolved(const char* name, const Tensor& x, PoolOptions options) {
    check(x.rank() == 4 && x.is_floating(), name, "expected a floating x (N, H, W, C), got ", x);
    if (options.stride == 0) options.stride = options.kernel;
    check(options.kernel >= 1 && options.stride >= 1, name, "expected kernel ≥ 1 and stride ≥ 1, got ", options.kernel, " and ",
          options.stride);
    check(options.padding >= 0 && 2 * options.padding <= options.kernel, name, "expected a padding of 0 to half the kernel ",
          options.kernel, ", got ", options.padding);
    return options;
}

// H' of H. The last window of ceil_mode begins inside the image or its padding on the left.
std::int64_t pooled(const char* name, std::int64_t extent, const PoolOptions& o, const Tensor& x) {
    const std::int64_t room = extent + 2 * o.padding - o.kernel + (o.ceil_mode ? o.stride - 1 : 0);
    check(room >= 0, name, "expected a window of ", o.kernel, " that fits the padded image, got ", x);
    std::int64_t count = room / o.stride + 1;
    if (o.ceil_mode && (count - 1) * o.stride >= extent + o.padding) --count;
    return count;
}

Tensor empty_pooled(const char* name, const Tensor& x, const PoolOptions& options) {
    return empty_beside(x, {x.size(0), pooled(name, x.size(1), options, x), pooled(name, x.size(2), options, x), x.size(3)});
}

}    // namespace

Tensor avg_pool2d(const Tensor& x_any, const PoolOptions& any) {
    const PoolOptions options = resolved("avg_pool2d", x_any, any);
    if (widens(x_any)) return rounded(avg_pool2d(wide(x_any), options));
    const Tensor x = x_any.contiguous(), y = empty_pooled("avg_pool2d", x, options);
    dispatch(x, cpu::avg_pool_forward, cuda::avg_pool_forward)(x, options, y);
    return recording(x) ? record<AvgPoolBackward>(y, {x}, options) : y;
}

Tensor max_pool2d(const Tensor& x_any, const PoolOptions& any) {
    const PoolOptions options = resolved("max_pool2d", x_any, any);
    if (widens(x_any)) return rounded(max_pool2d(wide(x_any), options));
    const Tensor x = x_any.contiguous(), y = empty_pooled("max_pool2d", x, options);
    dispatch(x, cpu::max_pool_forward, cuda::max_pool_forward)(x, options, y);
    return recording(x) ? record<MaxPoolBackward>(y, {x}, x, y, options) : y;
}

Tensor global_avg_pool2d(const Tensor& x) {
    check(x.rank() == 4 && x.is_floating(), "global_avg_pool2d", "expected a floating x (N, H, W, C), got ", x);
    return mean(x, {1, 2}).reshape({x.size(0), x.size(3)});
}

}    // namespace lull
