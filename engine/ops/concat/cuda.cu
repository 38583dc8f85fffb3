// Concatenation and its parts: rows of bytes from one pitch to another.
//
// Around the axis a tensor is (rows, length): the axes before it, and it together with those behind. Bytes moved: every part read
// once and written once, the minimum, in accesses of 16 bytes where lengths and addresses allow it, else of one element.
#include "engine/cuda/device.h"
#include "engine/ops/concat/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

struct alignas(16) Sixteen {
    std::uint64_t at[2];
};

// to[r, i] ← from[r, i] for i in [0, length), rows from_pitch and to_pitch apart, all in Units.
template <class Unit>
__global__ void copy_rows_kernel(const Unit* from, Unit* to, std::int64_t from_pitch, std::int64_t to_pitch, std::int64_t length,
                                 std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    const std::int64_t row = i / length, at = i % length;
    to[row * to_pitch + at] = from[row * from_pitch + at];
}

// dx (rows, length) ← dx + dy, whose rows are `pitch` apart.
template <class T>
__global__ void add_rows_kernel(const T* dy, T* dx, std::int64_t pitch, std::int64_t length, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    dx[i] = from_float<T>(to_float(dx[i]) + to_float(dy[i / length * pitch + i % length]));
}

// Rows of bytes.
void copy_rows(const std::byte* from, std::byte* to, std::int64_t rows, std::int64_t length, std::int64_t from_pitch,
               std::int64_t to_pitch, std::int64_t element) {
    const auto run = [&](auto unit) {
        using Unit = decltype(unit);
        constexpr std::int64_t size = sizeof(Unit);
        const std::int64_t n = rows * length / size;
        launch<copy_rows_kernel<Unit>>({.grid = {blocks_for(n, kThreads)}, .block = {kThreads}},
                                       reinterpret_cast<const Unit*>(from), reinterpret_cast<Unit*>(to), from_pitch / size,
                                       to_pitch / size, length / size, n);
    };
    const auto places = reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
    if ((places | static_cast<std::uintptr_t>(length | from_pitch | to_pitch)) % 16 == 0) return run(Sixteen());
    switch (element) {
        case 1:
            return run(std::uint8_t());
        case 2:
            return run(std::uint16_t());
        case 4:
            return run(std::uint32_t());
        default:
            return run(std::uint64_t());
    }
}

// (rows, length) in bytes.
struct Rows {
    std::int64_t count = 1, length, inner;    // inner: the axes behind
    Rows(const Tensor& x, int axis) : inner(size_of(x.dtype())) {
        for (int i = 0; i < axis; ++i) count *= x.size(i);
        for (int i = axis + 1; i < x.rank(); ++i) inner *= x.size(i);
        length = x.size(axis) * inner;
    }
};

}    // namespace

void concat_forward(std::span<const Tensor> parts, int axis, Tensor& y) {
    const std::int64_t pitch = Rows(y, axis).length;
    std::int64_t begin = 0;
    for (const Tensor& part : parts) {
        const Rows in(part, axis);
        copy_rows(part.raw(), y.raw() + begin, in.count, in.length, in.length, pitch, size_of(y.dtype()));
        begin += in.length;
    }
}

void concat_backward(const Tensor& dy, int axis, std::int64_t begin, Into dx) {
    const Rows out(dy, axis), in(dx.tensor, axis);
    const std::int64_t element = size_of(dy.dtype()), offset = begin * out.inner;
    if (!dx.add) return copy_rows(dy.raw() + offset, dx.tensor.raw(), in.count, in.length, out.length, in.length, element);
    with_device_dtype("concat", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t n = dx.tensor.elements();
        launch<add_rows_kernel<T>>({.grid = {blocks_for(n, kThreads)}, .block = {kThreads}}, dy.data<T>() + offset / element,
                                   dx.tensor.data<T>(), out.length / element, in.length / element, n);
    });
}

}    // namespace lull::cuda
