// Convolution with 3×3 filters and stride 1 by Winograd's minimal filtering (Lavin and Gray 2015, arXiv 1509.09308).
//
// A 4×4 tile of outputs comes from a 6×6 tile of inputs d by 36 multiplications where the direct sum takes 144:
//     Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A                                                                 F(4×4, 3×3)
// Tiles and filters are polynomials, G and Bᵀ evaluate them at the points 0, ±1, ±2, ∞, and Aᵀ interpolates the product.
// Summed over channels, the products at one of the 36 points are a matrix product, (tiles, C) × (C, O).
// The gradient of the weights is the same with other parts: 3×3 outputs from 6×6 inputs and the 4×4 tiles of dy,
//     dg = A₃ᵀ [Σ_tiles (G₄ dy G₄ᵀ) ⊙ (Bᵀ d B)] A₃                                                   F(3×3, 4×4)
// a matrix product (C, tiles) × (tiles, O) at each point.
//
// docs/derivations/winograd.md has the long form. The transforms add and subtract what the sum does not: errors in f32 are
// 1e-6 of the largest output at 16 channels and 2e-5 at 512, about ten times those of the direct sum.
#pragma once

#include <cstdint>

#include "engine/cpu/buffer.h"
#include "engine/cpu/padded.h"

namespace lull::cpu {

// One layer's outputs are rows × columns, in tiles of 4×4; those at the edge may hang over. Padded images must have zeros
// there: winograd_extent(rows) rows. Packing allocates; everything else neither allocates nor throws, shares its work among
// the threads where it may, and gives the same bits however the images are grouped. T: float or double.
template <class T>
class Winograd {
  public:
    Winograd(std::int64_t rows, std::int64_t columns, std::int64_t channels, std::int64_t out_channels);

    std::int64_t tiles() const { return tile_rows_ * tile_columns_; }    // of an image

    // The filter's element (tap, c, o) is weight[tap·tap_step + c·channel_step + o·out_step]; taps in reverse if `flipped`.
    void pack(const T* weight, std::int64_t tap_step, std::int64_t channel_step, std::int64_t out_step, bool flipped);
    // y = x * w (+ bias) (+ residual) of `count` neighbouring images. x: padded, tile (0, 0) at its corner; y, residual:
    // (count, rows, columns, O); bias: (O). Either may be null; residual may be y.
    void run(std::int64_t count, const PaddedLayout<T>& layout, const T* x, T* y, const T* bias, const T* residual) const;

    // The gradient of the weights, in three steps. Images are transformed into gradient_points_size(count) elements: x as for
    // run, and dy, whose tile (0, 0) is the image's corner.
    std::int64_t gradient_points_size(std::int64_t count) const {
        return kPoints * (point_pitch(count, channels_) + point_pitch(count, out_channels_));
    }
    void transform_for_gradient(std::int64_t count, const PaddedLayout<T>& x_layout, const T* x, const PaddedLayout<T>& dy_layout,
                                const T* dy, T* points) const;
    // At one of kPoints points, sum (+)= Σ_tiles x dy; sum: sum_size() elements, [point][C padded][O padded].
    static constexpr std::int64_t kPoints = 36;
    std::int64_t sum_size() const { return kPoints * sum_pitch(); }
    void multiply_point(std::int64_t point, std::int64_t count, const T* points, T* sum, bool add) const;
    // dweight (+)= the gradient from `count` sums, one behind the other, added in their order; (O, 3, 3, C).
    void finish(const T* sums, std::int64_t count, T* dweight, bool add) const;

  private:
    static std::int64_t padded(std::int64_t channels) { return round_up(channels, lanes<T>()); }
    // From one point to the next. A vector more than needed: 36 places a multiple of 4 KiB apart would share a set of the cache.
    std::int64_t point_pitch(std::int64_t count, std::int64_t channels) const {
        return count * tiles() * padded(channels) + lanes<T>();
    }
    std::int64_t filter_pitch(std::int64_t chunk) const { return channels_ * chunk + lanes<T>(); }
    std::int64_t sum_pitch() const { return padded(channels_) * padded(out_channels_) + lanes<T>(); }
    // Tiles of N×N from `top`, `left` on, through `axis`, to [point][tile][channel].
    template <int N, class Axis>
    void transform_tiles(std::int64_t count, const PaddedLayout<T>& layout, std::int64_t top, std::int64_t left, const T* x,
                         T* points, const Axis& axis) const;
    struct Place {
        std::int64_t image, row, column;    // of the tile's first output
    };
    Place place(std::int64_t tile) const;
    void multiply_and_transform(std::int64_t begin, std::int64_t end, const T* points, std::int64_t pitch, std::int64_t chunk,
                                T* y, const T* bias, const T* residual) const;

    std::int64_t rows_, columns_, channels_, out_channels_, tile_rows_, tile_columns_;
    Buffer<T> filters_;    // [chunk of O][point][C][chunk]
};

// Rows (or columns) that tiles of so many outputs read.
inline std::int64_t winograd_extent(std::int64_t outputs) { return (outputs + 3) / 4 * 4 + 2; }

}    // namespace lull::cpu
