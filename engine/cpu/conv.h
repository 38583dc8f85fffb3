// Convolution of images: the building blocks of conv2d and resnet_block.
//
// Which algorithm computes a layer follows from its shape alone (see conv.cpp): Winograd's for 3×3 filters with stride 1 and
// enough channels, the direct sum for the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/cpu/conv_shape.h"
#include "engine/cpu/direct_conv.h"
#include "engine/cpu/padded.h"
#include "engine/cpu/winograd.h"
#include "engine/tensor.h"

namespace lull::cpu {

// One layer. Construction and packing allocate (and may throw); everything else is const, neither allocates nor throws, and
// may run on several threads at once. Each call works on `count` images, one behind the other, and shares its work among the
// threads unless the caller's loop has them already; an image's results are the same however many come with it.
// T: float or double.
template <class T>
class Convolution {
  public:
    explicit Convolution(const ConvShape& shape);
    const ConvShape& shape() const { return shape_; }
    // Images that are best worked on together: more than one where an image has too few tiles for its weights to be read.
    std::int64_t group() const { return winograd_ ? std::max<std::int64_t>(1, kGroupTiles / forward_->tiles()) : 1; }

    PaddedLayout<T> input() const;       // of x
    PaddedLayout<T> gradient() const;    // of dy

    // weight: (O, kh, kw, C). Forward needs the first, backward_data the second.
    void pack_forward(const T* weight);
    void pack_backward(const T* weight);

    // y = x * w (+ bias) (+ residual). x: padded; y, residual: (count, H', W', O); bias: (O). Either may be null; residual may
    // be y.
    void forward(std::int64_t count, const T* x, T* y, const T* bias = nullptr, const T* residual = nullptr) const;
    // dx (+)= the gradient. dy: padded; dx: (count, H, W, C).
    void backward_data(std::int64_t count, const T* dy, T* dx, bool add) const;
    // sum += Σ_pixels dy of one image. sum: (O), filled up to whole vectors.
    void backward_bias(const T* dy, T* sum) const;

  private:
    template <class>
    friend class WeightGradient;
    static constexpr std::int64_t kGroupTiles = 32;

    ConvShape shape_;
    bool winograd_;
    std::optional<DirectConvolution<T>> direct_;
    std::optional<Winograd<T>> forward_, backward_;    // where winograd_
};

// A layer with its weights (O, kh, kw, C) packed for forward. While nothing is recorded (sampling), it is kept with the
// weights until they change.
template <class T>
std::shared_ptr<const Convolution<T>> packed_convolution(const ConvShape& shape, const Tensor& weight);

// Gathers the gradient of a layer's weights over a batch. Its images come in rounds of up to `slots` groups of `group`
// images; each of a round's groups has a slot of its own, and a call of add for every group fills it. A slot is a partial sum,
// or, where many channels make sums larger than what they are made of, Winograd's points of the images, multiplied when the round
// ends.
template <class T>
class WeightGradient {
  public:
    // Allocates, and may throw.
    WeightGradient(const Convolution<T>& conv, std::int64_t slots, std::int64_t group);

    // Memory of one slot, in elements.
    static std::int64_t slot_size(const Convolution<T>& conv, std::int64_t group);
    // The `count` images of a slot's group, padded as Convolution's input() and gradient().
    void add(std::int64_t slot, std::int64_t count, const T* x, const T* dy);
    // Ends a round whose images lay in the slots [0, used), `count` of them in the last; on all threads.
    void end_round(std::int64_t used, std::int64_t last_count);
    // dweight (+)= the gradient, (O, kh, kw, C); on all threads.
    void finish(T* dweight, bool add);

  private:
    using Flag = unsigned char;    // bool's neighbours could not be written by two threads
    static bool keeps_points(const Convolution<T>& conv);
    T* slot(std::int64_t i) const { return slots_.data() + i * slot_size_; }

    const Convolution<T>& conv_;
    std::int64_t count_, group_, slot_size_;
    Buffer<T> slots_;
    Buffer<T> sum_;                // where slots hold points
    std::vector<Flag> started_;    // of slots: whether there is anything in them
    std::int64_t round_ = 0;
};

}    // namespace lull::cpu
