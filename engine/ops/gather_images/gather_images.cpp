#include "engine/ops/gather_images/gather_images.h"

#include "engine/ops/bf16.h"
#include "engine/ops/gather_images/kernels.h"

namespace lull {

Tensor gather_images(const Tensor& pixels, std::span<const Pick> picks, const GatherOptions& options) {
    check(pixels.defined() && pixels.rank() == 4 && pixels.dtype() == DType::u8 && pixels.is_contiguous(), "gather_images",
          "expected contiguous pixels, u8 (N, H, W, C), got ", pixels);
    check(options.border >= 0, "gather_images", "expected a border of at least 0, got ", options.border);
    check(options.dtype == DType::f32 || options.dtype == DType::bf16, "gather_images", "expected f32 or bf16 to make, got ",
          options.dtype);
    for (const Pick& pick : picks)
        check(pick.image >= 0 && pick.image < pixels.size(0), "gather_images", "expected pictures from 0 to ", pixels.size(0) - 1,
              ", got ", pick.image);
    const bool rounds = options.dtype == DType::bf16 && pixels.device() == Device::cpu;
    Tensor y = empty({static_cast<std::int64_t>(picks.size()), pixels.size(1) + 2 * options.border,
                      pixels.size(2) + 2 * options.border, pixels.size(3)},
                     rounds ? DType::f32 : options.dtype, pixels.device());
    dispatch(pixels, cpu::gather_pictures, cuda::gather_pictures)(pixels, picks, options, y);
    return rounds ? rounded(y) : y;
}

}    // namespace lull
