// Images are independent, and one thread does all of an image: windows may overlap, and the parts of a gradient that fall on
// one pixel add up in the order of the windows.
#include <algorithm>
#include <limits>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/pool/kernels.h"

namespace lull::cpu {

namespace {

// The part of a window that lies in the image along one axis, and its extent with the padding.
struct Span {
    std::int64_t begin, end, counted;

    Span(std::int64_t index, std::int64_t extent, const PoolOptions& o) {
        const std::int64_t first = index * o.stride - o.padding, last = std::min(first + o.kernel, extent + o.padding);
        begin = std::max<std::int64_t>(first, 0);
        end = std::min(last, extent);
        counted = last - first;
    }
};

struct Window {
    Span rows, columns;
    double area() const { return static_cast<double>(rows.counted * columns.counted); }
};

// Image n: for_each_window calls f(offset in y, window) for every window, row by row, and for_each_pixel calls f(offset in x)
// for every pixel under one.
struct Image {
    std::int64_t height, width, channels, out_height, out_width, in, out;    // in, out: where the image begins
    PoolOptions options;

    Image(const Tensor& x, const Tensor& y, const PoolOptions& pool, std::int64_t n)
        : height(x.size(1)),
          width(x.size(2)),
          channels(x.size(3)),
          out_height(y.size(1)),
          out_width(y.size(2)),
          in(n * height * width * channels),
          out(n * out_height * out_width * channels),
          options(pool) {}

    std::int64_t size() const { return height * width * channels; }

    template <class F>
    void for_each_window(const F& f) const {
        for (std::int64_t i = 0; i < out_height; ++i)
            for (std::int64_t j = 0; j < out_width; ++j)
                f(out + (i * out_width + j) * channels, Window{{i, height, options}, {j, width, options}});
    }
    template <class F>
    void for_each_pixel(const Window& w, const F& f) const {
        for (std::int64_t i = w.rows.begin; i < w.rows.end; ++i)
            for (std::int64_t j = w.columns.begin; j < w.columns.end; ++j) f(in + (i * width + j) * channels);
    }
};

template <class T>
void clear(const Image& image, const Into& dx) {
    if (!dx.add) std::fill_n(Tensor(dx.tensor).data<T>() + image.in, image.size(), T(0));
}

}    // namespace

void avg_pool_forward(const Tensor& x, const PoolOptions& options, Tensor y) {
    with_compute_dtype("avg_pool2d", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const from = x.data<T>();
        T* const to = y.data<T>();
        parallel_for(x.size(0), [&](std::int64_t n) {
            const Image image(x, y, options, n);
            image.for_each_window([&](std::int64_t at, const Window& w) {
                const Vec<T> share = hn::Set(Tag<T>(), static_cast<T>(1 / w.area()));
                for_each_vector<T>(image.channels, [&](std::int64_t c, auto lane) {
                    Vec<T> sum = hn::Zero(Tag<T>());
                    image.for_each_pixel(w, [&](std::int64_t pixel) { sum = hn::Add(sum, lane.load(from + pixel + c)); });
                    lane.store(hn::Mul(sum, share), to + at + c);
                });
            });
        });
    });
}

void avg_pool_backward(const Tensor& dy, const PoolOptions& options, Into dx) {
    with_compute_dtype("avg_pool2d", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const from = dy.data<T>();
        T* const to = dx.tensor.data<T>();
        parallel_for(dy.size(0), [&](std::int64_t n) {
            const Image image(dx.tensor, dy, options, n);
            clear<T>(image, dx);
            image.for_each_window([&](std::int64_t at, const Window& w) {
                const Vec<T> share = hn::Set(Tag<T>(), static_cast<T>(1 / w.area()));
                for_each_vector<T>(image.channels, [&](std::int64_t c, auto lane) {
                    const Vec<T> part = hn::Mul(lane.load(from + at + c), share);
                    image.for_each_pixel(
                        w, [&](std::int64_t pixel) { lane.store(hn::Add(lane.load(to + pixel + c), part), to + pixel + c); });
                });
            });
        });
    });
}

void max_pool_forward(const Tensor& x, const PoolOptions& options, Tensor y) {
    with_compute_dtype("max_pool2d", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* const from = x.data<T>();
        T* const to = y.data<T>();
        parallel_for(x.size(0), [&](std::int64_t n) {
            const Image image(x, y, options, n);
            image.for_each_window([&](std::int64_t at, const Window& w) {
                for_each_vector<T>(image.channels, [&](std::int64_t c, auto lane) {
                    Vec<T> top = hn::Set(Tag<T>(), -std::numeric_limits<T>::infinity());
                    image.for_each_pixel(w, [&](std::int64_t pixel) {
                        const Vec<T> value = lane.load(from + pixel + c);
                        top = hn::IfThenElse(hn::Or(hn::Gt(value, top), hn::IsNaN(value)), value, top);    // a NaN stays
                    });
                    lane.store(top, to + at + c);
                });
            });
        });
    });
}

void max_pool_backward(const Tensor& x, const Tensor& y, const Tensor& dy, const PoolOptions& options, Into dx) {
    with_compute_dtype("max_pool2d", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const T *const x_data = x.data<T>(), *const y_data = y.data<T>(), *const from = dy.data<T>();
        T* const to = dx.tensor.data<T>();
        parallel_for(x.size(0), [&](std::int64_t n) {
            const Image image(x, y, options, n);
            clear<T>(image, dx);
            image.for_each_window([&](std::int64_t at, const Window& w) {
                for_each_vector<T>(image.channels, [&](std::int64_t c, auto lane) {
                    const Vec<T> top = lane.load(y_data + at + c);
                    Vec<T> part = lane.load(from + at + c);    // what no element has taken yet
                    image.for_each_pixel(w, [&](std::int64_t pixel) {
                        const Vec<T> value = lane.load(x_data + pixel + c);
                        const auto takes = hn::Or(hn::Eq(value, top), hn::And(hn::IsNaN(value), hn::IsNaN(top)));
                        lane.store(hn::Add(lane.load(to + pixel + c), hn::IfThenElseZero(takes, part)), to + pixel + c);
                        part = hn::IfThenZeroElse(takes, part);
                    });
                });
            });
        });
    });
}

}    // namespace lull::cpu
