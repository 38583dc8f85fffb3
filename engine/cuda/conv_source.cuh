// What a convolution reads, as the columns of a matrix that is never stored ("implicit GEMM"): row p is a pixel of the output,
// column k = (tap_y · taps_x + tap_x) · C + c an element of the filter, and the matrix's element there the one of the image
// that the filter's lies over, or 0 beyond the edge. Copied to shared memory in packs of 16 bytes, neighbours along k, by 16-byte
// accesses where C is a multiple of a pack: no pack straddles two taps then. Otherwise (images of 1 or 3 channels: the network's
// first layer) element by element.
#pragma once

#include "engine/cuda/packs.h"
#include "engine/ops/conv2d/conv2d.h"
#include "engine/tensor.h"

namespace lull::cuda {

// Along each axis, output pixel i and tap t of the filter meet at place (i·step + first + t) / divide of the image: if exact,
// only where that is a whole number, otherwise rounded down. A place outside the image is a 0.
//
// Forward, y(i) = Σ_t x(⌊(i·stride - padding + t) / upsample⌋) w(t).
//
// Backward: x(q) stands at upsample·q + d, 0 ≤ d < upsample, of the enlarged image, and dx(q) = Σ_d Σ_a dy(i) w(a) over the i
// with i·stride - padding + a = upsample·q + d. In terms of t = kernel - 1 - (a - d), which has kernel + upsample - 1 values,
// dx(q) = Σ_t dy((upsample·q + padding + 1 - kernel + t) / stride) w'(t), where w'(t) = Σ_{a - d = kernel - 1 - t} w(a):
// a convolution again, with another filter.
struct ConvReach {
    int taps_y, taps_x, step, first_y, first_x, divide;
    bool exact;

    LULL_DEVICE int place(int at) const {    // negative if there is none
        if (divide == 1 || at < 0) return at;
        const int whole = at / divide;
        return exact && whole * divide != at ? -1 : whole;
    }
};

inline ConvReach forward_reach(const Tensor& weight, const Conv2dOptions& options) {
    return {.taps_y = static_cast<int>(weight.size(1)),
            .taps_x = static_cast<int>(weight.size(2)),
            .step = options.stride,
            .first_y = -options.padding,
            .first_x = -options.padding,
            .divide = options.upsample,
            .exact = false};
}

inline ConvReach backward_reach(const Tensor& weight, const Conv2dOptions& options) {
    const int height = static_cast<int>(weight.size(1)), width = static_cast<int>(weight.size(2));
    return {.taps_y = height + options.upsample - 1,
            .taps_x = width + options.upsample - 1,
            .step = options.upsample,
            .first_y = options.padding + 1 - height,
            .first_x = options.padding + 1 - width,
            .divide = options.stride,
            .exact = true};
}

// Rows and columns are found by division once, and from there by steps: a number of so many digits plus one of the same, with
// carries. Divisions for every pack would take longer than what is computed of it.

// A pixel of the output: a row of the matrix. None beyond the last image.
struct ConvPixel {
    int image, y, x;
};

// Of number p in (N, height, width).
LULL_DEVICE ConvPixel conv_pixel(int p, int height, int width) {
    const int row = p / width, image = row / height;
    return {image, row - image * height, p - row * width};
}

LULL_DEVICE ConvPixel advanced(ConvPixel at, const ConvPixel& step, int height, int width) {
    at = {at.image + step.image, at.y + step.y, at.x + step.x};
    if (at.x >= width) {
        at.x -= width;
        ++at.y;
    }
    if (at.y >= height) {
        at.y -= height;
        ++at.image;
    }
    return at;
}

// An element of the filter: a column of the matrix. None when y ≥ taps_y.
struct ConvTap {
    int y, x, channel;
};

template <class T>
struct ConvSource {
    const T* image;    // (images, height, width, channels)
    int images, height, width, channels;
    ConvReach reach;
    bool in_packs;

    LULL_DEVICE ConvTap tap(int k) const {
        const int tap = k / channels, y = tap / reach.taps_x;
        return {y, tap - y * reach.taps_x, k - tap * channels};
    }
    LULL_DEVICE ConvTap advanced(ConvTap at, const ConvTap& step) const {
        at = {at.y + step.y, at.x + step.x, at.channel + step.channel};
        if (at.channel >= channels) {
            at.channel -= channels;
            ++at.x;
        }
        if (at.x >= reach.taps_x) {
            at.x -= reach.taps_x;
            ++at.y;
        }
        return at;
    }

    // The first of a pixel's channels that the tap lies over; null for a 0.
    LULL_DEVICE const T* find(const ConvPixel& pixel, const ConvTap& tap) const {
        const int y = reach.place(pixel.y * reach.step + reach.first_y + tap.y);
        const int x = reach.place(pixel.x * reach.step + reach.first_x + tap.x);
        const bool inside = y >= 0 && y < height && x >= 0 && x < width && pixel.image < images && tap.y < reach.taps_y;
        if (!inside) return nullptr;
        const int number = (pixel.image * height + y) * width + x;
        return image + static_cast<std::int64_t>(number) * channels;
    }

    // A pack of neighbours, from a column on, to shared memory: there after the next copy_wait and barrier.
    LULL_DEVICE void fetch(T* to, const ConvPixel& pixel, ConvTap tap) const {
        if (in_packs) {
            const T* const from = find(pixel, tap);
            if (from)
                copy16_async(to, from + tap.channel);
            else
                store16(to, Pack<T>{});
            return;
        }
        Pack<T> pack{};
        for (int i = 0; i < Pack<T>::size; ++i) {
            const T* const from = find(pixel, tap);
            if (from) pack.at[i] = from[tap.channel];
            if (++tap.channel < channels) continue;
            tap.channel = 0;
            if (++tap.x < reach.taps_x) continue;
            tap.x = 0;
            ++tap.y;
        }
        store16(to, pack);
    }
};

// Pixels of (N, H, W, C).
inline int conv_pixels(const Tensor& image) {
    const std::int64_t pixels = image.size(0) * image.size(1) * image.size(2);
    check(pixels < std::int64_t{1} << 30, "conv2d", "expected fewer than 2^30 pixels, got ", image);
    return static_cast<int>(pixels);
}

// image: (N, H, W, C).
template <class T>
ConvSource<T> conv_source(const Tensor& image, const ConvReach& reach) {
    conv_pixels(image);    // which checks them
    return {.image = image.data<T>(),
            .images = static_cast<int>(image.size(0)),
            .height = static_cast<int>(image.size(1)),
            .width = static_cast<int>(image.size(2)),
            .channels = static_cast<int>(image.size(3)),
            .reach = reach,
            .in_packs = in_packs(Pack<T>::size, {image})};
}

}    // namespace lull::cuda
