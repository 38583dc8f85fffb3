// Convolution as the sum over taps (row and column of the filter) and channels that it is.
//
// For a tile of neighbouring output pixels and a chunk of output channels the sums stay in registers, while each input is
// broadcast against a vector of packed weights. Backward-data is the same loop with other taps and transposed weights (for
// stride s: s² passes, one for each residue of the output's row and column); backward-weights keeps (input channels ×
// output channels) of a tap in registers and runs over pixels. Layers with a few channels on one side have kernels of their
// own (engine/cpu/narrow_conv.h).
//
// Order of summation: channel blocks, then taps, then channels; for weights images, then pixels. It follows from the shape.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cpu/buffer.h"
#include "engine/cpu/conv_shape.h"
#include "engine/cpu/narrow_conv.h"
#include "engine/cpu/padded.h"

namespace lull::cpu {

// One layer, of images in the layouts of the Convolution that owns it (engine/cpu/conv.h, which also says what the arguments
// are). T: float or double.
template <class T>
class DirectConvolution {
  public:
    DirectConvolution(const ConvShape& shape, const PaddedLayout<T>& input, const PaddedLayout<T>& gradient);

    // weight: (O, kh, kw, C). Forward needs the first, backward_data the second.
    void pack_forward(const T* weight);
    void pack_backward(const T* weight);

    void forward(std::int64_t count, const T* x, T* y, const T* bias, const T* residual) const;
    void backward_data(std::int64_t count, const T* dy, T* dx, bool add) const;

    // The gradient of the weights gathers in a partial sum of partial_size() elements, [tap][C padded][O padded]. The caller
    // fills it with zeros, adds images one after the other, and adds up the partial sums.
    std::int64_t partial_size() const { return shape_.taps() * padded(shape_.channels) * padded(shape_.out_channels); }
    void backward_weights(const T* x, const T* dy, T* partial) const;
    // The sum over `count` partials, one behind the other, in order; on all threads. dweight: (O, kh, kw, C).
    void sum_weights(const T* partials, std::int64_t count, T* dweight, bool add) const;

  private:
    // The tile kernel over a grid of outputs. Rows and columns of the grid are x_row and one vector apart in the padded
    // input, y_row and y_column in the output.
    struct Pass {
        std::int64_t rows, columns, channels, out_channels;
        std::int64_t x_row, x_block, y_begin, y_row, y_column;
        std::vector<std::int64_t> taps;       // which of the filter's
        std::vector<std::int64_t> offsets;    // where each reads, from the grid pixel's place
        Buffer<T> weights;                    // [chunk of O][block of C][tap][C][O]; narrow: [O][block of C][tap][C]

        bool is_narrow() const { return out_channels <= kNarrow && channels > kNarrow; }
    };
    Pass forward_pass() const;
    Pass backward_pass(std::int64_t row_phase, std::int64_t column_phase) const;
    static void pack(Pass& pass, const T* weight, std::int64_t tap_step, std::int64_t channel_step, std::int64_t out_step);
    static void run(const Pass& pass, std::int64_t count, std::int64_t x_image, const T* x, std::int64_t y_image, T* y,
                    const T* bias, const T* residual);
    static std::int64_t padded(std::int64_t channels) { return round_up(channels, lanes<T>()); }

    void backward_narrow_weights(const T* x, const T* dy, T* partial) const;

    ConvShape shape_;
    PaddedLayout<T> input_, gradient_;
    Pass forward_;
    std::vector<Pass> backward_;
};

}    // namespace lull::cpu
