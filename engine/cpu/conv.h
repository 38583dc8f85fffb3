// Convolution of one image: the building blocks of conv2d and resnet_block, which loop over images and threads.
//
// A convolution is a sum over taps (row and column of the filter) and channels. For a tile of neighbouring output pixels
// and a chunk of output channels the sums stay in registers, while each input is broadcast against a vector of packed
// weights. Backward-data is the same loop with other taps and transposed weights (for stride s: s² passes, one for each
// residue of the output's row and column); backward-weights keeps (input channels × output channels) of a tap in
// registers and runs over pixels.
//
// Order of summation: channel blocks, then taps, then channels; for weights images, then pixels. It follows from the shape.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cpu/buffer.h"
#include "engine/cpu/padded.h"

namespace lull::cpu {

struct ConvShape {
    std::int64_t height, width, channels;
    std::int64_t out_channels, kernel_height, kernel_width;
    std::int64_t stride = 1, padding = 0;

    std::int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
    std::int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
    std::int64_t taps() const { return kernel_height * kernel_width; }
};

// One layer. Construction and packing allocate (and may throw); everything else is const, neither allocates nor throws,
// and may run on several threads at once. T: float or double.
template <class T>
class Convolution {
  public:
    explicit Convolution(const ConvShape& shape);
    const ConvShape& shape() const { return shape_; }

    PaddedLayout<T> input() const;       // of x
    PaddedLayout<T> gradient() const;    // of dy

    // weight: (O, kh, kw, C). Forward needs the first, backward_data the second.
    void pack_forward(const T* weight);
    void pack_backward(const T* weight);

    // y = x * w (+ bias) (+ residual). x: padded; y, residual: (H', W', O); bias: (O). Either may be null; residual may be y.
    void forward(const T* x, T* y, const T* bias = nullptr, const T* residual = nullptr) const;
    // dx (+)= the gradient. dy: padded; dx: (H, W, C).
    void backward_data(const T* dy, T* dx, bool add) const;

    // Gradients of weight and bias gather in a partial sum of gradient_size() elements: [tap][C padded][O padded], then the
    // bias [O padded] at bias_offset(). The caller fills it with zeros, adds images one after the other, and adds up the
    // partial sums.
    std::int64_t gradient_size() const { return bias_offset() + padded(shape_.out_channels); }
    std::int64_t bias_offset() const { return shape_.taps() * padded(shape_.channels) * padded(shape_.out_channels); }
    void backward_weights(const T* x, const T* dy, T* partial) const;
    // sum: [O padded]
    void backward_bias(const T* dy, T* sum) const;
    // The sum over `count` partials, which lie `pitch` apart, in order; on all threads. dweight: (O, kh, kw, C).
    void sum_weights(const T* partials, std::int64_t count, std::int64_t pitch, T* dweight, bool add) const;

  private:
    // The tile kernel over a grid of outputs. Rows and columns of the grid are x_row and one vector apart in the padded
    // input, y_row and y_column in the output.
    struct Pass {
        std::int64_t rows, columns, channels, out_channels;
        std::int64_t x_row, x_block, y_begin, y_row, y_column;
        std::vector<std::int64_t> taps;       // which of the filter's
        std::vector<std::int64_t> offsets;    // where each reads, from the grid pixel's place
        Buffer<T> weights;                    // [chunk of O][block of C][tap][C][O]
    };
    Pass forward_pass() const;
    Pass backward_pass(std::int64_t row_phase, std::int64_t column_phase) const;
    static void pack(Pass& pass, const T* weight, std::int64_t tap_step, std::int64_t channel_step, std::int64_t out_step);
    static void run(const Pass& pass, const T* x, T* y, const T* bias, const T* residual);
    static std::int64_t padded(std::int64_t channels) { return (channels + lanes<T>() - 1) / lanes<T>() * lanes<T>(); }
    std::int64_t lead(std::int64_t kernel) const {
        return std::max<std::int64_t>(0, kernel - 1 - shape_.padding + shape_.stride - 1) / shape_.stride;
    }

    ConvShape shape_;
    Pass forward_;
    std::vector<Pass> backward_;
};

}    // namespace lull::cpu
