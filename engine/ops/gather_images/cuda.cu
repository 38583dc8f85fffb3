// A batch from a set of pictures that lies on the device as bytes: gathered, mirrored, bordered and scaled in one pass.
//
// Bytes moved: one read and four (bf16: two) written per element, the minimum; a warp's reads are neighbouring bytes and its
// writes whole lines, mirrored or not. What a byte becomes is looked up in a table that every block makes in shared memory, in
// f64 as on the CPU and so with its bits; a thread takes several elements, so that the table costs little.
#include "engine/cuda/device.h"
#include "engine/cuda/uploaded.h"
#include "engine/ops/gather_images/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kPerThread = 8;

struct Table {
    float value_of[256];
};

struct Sizes {
    int height, width, channels, border;
};

// pixels: (N, H, W, C); y: (B, H + 2 border, W + 2 border, C), n elements.
template <class T>
__global__ void gather_kernel(const std::uint8_t* pixels, const Pick* picks, T* y, Sizes sizes, double low, double range,
                              std::int64_t n) {
    auto& table = shared_memory<Table>();
    for (unsigned byte = threadIdx.x; byte < 256; byte += blockDim.x)
        table.value_of[byte] = static_cast<float>(low + range * static_cast<double>(byte) / 255);
    sync_block();
    const auto [height, width, channels, border] = sizes;
    const int line = (width + 2 * border) * channels, image = (height + 2 * border) * line;
    for (std::int64_t i = global_thread(); i < n; i += global_threads()) {
        const std::int64_t b = i / image;
        const int place = static_cast<int>(i - b * image), row = place / line - border;
        int column = place % line / channels - border;
        const Pick pick = picks[b];
        std::uint8_t byte = 0;
        if (row >= 0 && row < height && column >= 0 && column < width) {
            if (pick.mirrored) column = width - 1 - column;
            byte = pixels[((pick.image * height + row) * width + column) * channels + place % channels];
        }
        y[i] = from_float<T>(table.value_of[byte]);
    }
}

}    // namespace

void gather_pictures(const Tensor& pixels, std::span<const Pick> picks, const GatherOptions& options, Tensor& y) {
    const Uploaded<Pick> wanted(picks);
    const Sizes sizes{static_cast<int>(pixels.size(1)), static_cast<int>(pixels.size(2)), static_cast<int>(pixels.size(3)),
                      static_cast<int>(options.border)};
    const std::int64_t n = y.elements();
    with_device_dtype("gather_images", y.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<gather_kernel<T>>(
            {.grid = {blocks_for(n, kThreads * kPerThread)}, .block = {kThreads}, .shared_bytes = sizeof(Table)},
            pixels.data<std::uint8_t>(), wanted.data(), y.data<T>(), sizes, options.low, options.high - options.low, n);
    });
}

}    // namespace lull::cuda
