#include "engine/ops/gather_images/gather_images.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/cuda/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

// Pixel by pixel, as the contract says it.
Tensor by_definition(const Tensor& pixels, const std::vector<Pick>& picks, const GatherOptions& options) {
    const std::int64_t height = pixels.size(1), width = pixels.size(2), channels = pixels.size(3), border = options.border;
    const std::vector<double> bytes = pixels.values();
    std::vector<double> values;
    for (const auto& [image, mirrored] : picks) {
        for (std::int64_t row = -border; row < height + border; ++row) {
            for (std::int64_t column = -border; column < width + border; ++column) {
                const bool inside = row >= 0 && row < height && column >= 0 && column < width;
                const std::int64_t from = mirrored ? width - 1 - column : column;
                for (std::int64_t c = 0; c < channels; ++c) {
                    const std::int64_t at = ((image * height + row) * width + from) * channels + c;
                    const double byte = inside ? bytes[static_cast<std::size_t>(at)] : 0;
                    values.push_back(options.low + (options.high - options.low) * byte / 255);
                }
            }
        }
    }
    return from_values(values, {static_cast<std::int64_t>(picks.size()), height + 2 * border, width + 2 * border, channels});
}

}    // namespace

TEST_CASE("pictures are gathered, mirrored, bordered and scaled, with the same bits on every device") {
    const std::vector<Pick> picks{{4, false}, {0, true}, {4, true}, {2, false}};
    for (const Shape shape : {Shape{5, 3, 4, 1}, Shape{5, 28, 28, 1}, Shape{5, 7, 5, 3}}) {
        for (const GatherOptions& options : {GatherOptions{}, GatherOptions{.low = -0.5, .high = 0.5, .border = 2},
                                             GatherOptions{.border = 1, .dtype = DType::bf16}}) {
            CAPTURE(shape);
            CAPTURE(options.border);
            const Tensor pixels = uniform_values(shape, 0, 255.9, 1).to(DType::u8);
            const Tensor wanted = by_definition(pixels, picks, options).to(options.dtype);
            CHECK(same_bits(gather_images(pixels, picks, options), wanted));
            if (cuda::available()) {
                const arena::Guard guard;
                CHECK(same_bits(gather_images(pixels.to(Device::cuda), picks, options), wanted));
                CHECK(guard.overruns() == 0);
            }
        }
    }
}

TEST_CASE("gathering nothing gives nothing, and what is not there is refused") {
    const Tensor pixels = zeros({2, 3, 3, 1}, DType::u8);
    CHECK(gather_images(pixels, {}).shape() == Shape{0, 3, 3, 1});
    const std::vector<Pick> beyond{{2, false}};
    CHECK(error_of([&] { gather_images(pixels, beyond); }) == "[gather_images] expected pictures from 0 to 1, got 2");
    CHECK_THROWS_AS(gather_images(ones({2, 3, 3, 1}), {}), Error);
    CHECK_THROWS_AS(gather_images(pixels, {}, {.border = -1}), Error);
    CHECK_THROWS_AS(gather_images(pixels, {}, {.dtype = DType::f64}), Error);
}
