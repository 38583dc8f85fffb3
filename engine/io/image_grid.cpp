#include "engine/io/image_grid.h"

#include <algorithm>
#include <cmath>

namespace lull {
namespace {

std::uint8_t to_byte(float value) {
    const float scaled = (value + 1) * 127.5f;
    return scaled > 0 ? static_cast<std::uint8_t>(std::lround(std::min(scaled, 255.0f))) : std::uint8_t{0};
}

}    // namespace

Tensor image_grid(const Tensor& images, const GridOptions& options) {
    check(images.rank() == 4 && images.dtype() == DType::f32 && images.elements() > 0 &&
              (images.size(3) == 1 || images.size(3) == 3),
          "image_grid", "expected images f32 (N, H, W, 1 or 3), got ", images);
    check(options.columns >= 0 && options.padding >= 0 && options.scale >= 1, "image_grid",
          "expected columns ≥ 0, padding ≥ 0 and scale ≥ 1, got ", options.columns, ", ", options.padding, " and ",
          options.scale);
    const Tensor x = images.contiguous();
    const std::int64_t count = x.size(0), channels = x.size(3), scale = options.scale, padding = options.padding;
    const std::int64_t square = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
    const std::int64_t columns = std::min<std::int64_t>(count, options.columns > 0 ? options.columns : square);
    const std::int64_t rows = (count + columns - 1) / columns;
    const std::int64_t cell_height = x.size(1) * scale, cell_width = x.size(2) * scale;
    const std::int64_t width = padding + columns * (cell_width + padding);

    Tensor grid = full({padding + rows * (cell_height + padding), width, channels}, options.background, DType::u8);
    const float* from = x.data<float>();             // (N, H, W, C)
    std::uint8_t* to = grid.data<std::uint8_t>();    // (H', W', C)
    for (std::int64_t n = 0; n < count; ++n) {
        const std::int64_t top = padding + n / columns * (cell_height + padding),
                           left = padding + n % columns * (cell_width + padding);
        for (std::int64_t i = 0; i < cell_height; ++i)
            for (std::int64_t j = 0; j < cell_width; ++j)
                for (std::int64_t c = 0; c < channels; ++c)
                    to[((top + i) * width + left + j) * channels + c] =
                        to_byte(from[((n * x.size(1) + i / scale) * x.size(2) + j / scale) * channels + c]);
    }
    return grid;
}

}    // namespace lull
