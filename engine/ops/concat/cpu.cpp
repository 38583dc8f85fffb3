#include <cstring>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/concat/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 14;    // elements worth a thread's while

// Around an axis, a contiguous tensor is (rows, length): the axes before it, and it together with those behind.
struct Rows {
    std::int64_t count = 1, length = 1, inner = 1;    // inner: the axes behind
    Rows(const Shape& shape, int axis) {
        for (int i = 0; i < axis; ++i) count *= shape[i];
        for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
        length = shape[axis] * inner;
    }
    std::int64_t grain() const { return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, length)); }
};

}    // namespace

void concat_forward(std::span<const Tensor> parts, int axis, Tensor& y) {
    const Rows out(y.shape(), axis);
    const std::int64_t element = size_of(y.dtype());
    std::int64_t begin = 0;
    for (const Tensor& part : parts) {
        const Rows in(part.shape(), axis);
        const auto bytes = static_cast<std::size_t>(in.length * element);
        parallel_ranges(in.count, in.grain(), [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t r = first; r < last; ++r)
                std::memcpy(y.raw() + (r * out.length + begin) * element, part.raw() + r * in.length * element, bytes);
        });
        begin += in.length;
    }
}

void concat_backward(const Tensor& dy, int axis, std::int64_t begin, Into dx) {
    with_compute_dtype("concat", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const Rows out(dy.shape(), axis), in(dx.tensor.shape(), axis);
        const T* from = dy.data<T>() + begin * out.inner;
        T* to = dx.tensor.data<T>();
        parallel_ranges(in.count, in.grain(), [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t r = first; r < last; ++r) {
                const T* source = from + r * out.length;
                T* target = to + r * in.length;
                if (dx.add)
                    map(
                        in.length, target, [](Vec<T> a, Vec<T> b) { return hn::Add(a, b); }, target, source);
                else
                    std::copy_n(source, in.length, target);
            }
        });
    });
}

}    // namespace lull::cpu
