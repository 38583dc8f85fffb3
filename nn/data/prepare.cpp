#include "nn/data/prepare.h"

#include <algorithm>

#include "engine/cpu/parallel.h"
#include "engine/io/file.h"

namespace lull {
namespace {

constexpr std::int64_t kLargestOwn = 64, kMultiple = 8;
constexpr ImageSize kDefaultSize{32, 32};

}    // namespace

ImageSize chosen_size(const LoadOptions& options, std::optional<ImageSize> common) {
    if (options.size) return *options.size;
    const auto suits = [](std::int64_t side) { return side <= kLargestOwn && side % kMultiple == 0; };
    return common && suits(common->width) && suits(common->height) ? *common : kDefaultSize;
}

Tensor with_channels(const Tensor& pixels, std::int64_t channels) {
    if (pixels.size(-1) == channels) return pixels;
    Shape shape = pixels.shape();
    shape[-1] = channels;
    const Tensor source = pixels.contiguous();
    Tensor result = empty(shape, DType::u8);
    const std::uint8_t* from = source.data<std::uint8_t>();
    std::uint8_t* to = result.data<std::uint8_t>();
    if (channels == 3) {
        for (std::int64_t i = 0; i < source.elements(); ++i, to += 3) std::fill_n(to, 3, from[i]);
    } else {
        for (std::int64_t i = 0; i < result.elements(); ++i, from += 3)
            to[i] = static_cast<std::uint8_t>((299 * from[0] + 587 * from[1] + 114 * from[2] + 500) / 1000);
    }
    return result;
}

std::string describe_fit(std::optional<ImageSize> common, const ImageSize& size, Fit fit) {
    if (common == size) return {};
    const std::string target = to_string(size);
    if (fit == Fit::pad) {
        const bool all_fit = common && common->width <= size.width && common->height <= size.height;
        return std::string(all_fit ? ", " : ", made smaller where larger, ") + "with black around them up to " + target;
    }
    if (common && common->width * size.height == common->height * size.width) return ", resized to " + target;
    if (fit == Fit::stretch) return ", stretched to " + target;
    if (size.width != size.height) return ", resized to cover " + target + " and cropped in the middle";
    return ", resized so that the shorter side is " + std::to_string(size.width) + " and cropped in the middle";
}

std::string describe_images(const ImageDataset& data, const std::string& sizes) {
    const auto count = static_cast<std::uint64_t>(data.size());
    std::string text = grouped(count) + (data.pixels.size(3) == 1 ? " grey image" : " colour image") + (count == 1 ? "" : "s");
    text += " of " + sizes;
    if (!data.classes.empty())
        text += " in " + std::to_string(data.classes.size()) + (data.classes.size() == 1 ? " class" : " classes");
    return text;
}

ImageDataset prepared(const ImageDataset& data, const LoadOptions& options, Fit default_fit) {
    const ImageSize own{data.pixels.size(2), data.pixels.size(1)}, size = chosen_size(options, own);
    const Fit fit = options.fit.value_or(default_fit);
    ImageDataset result = data;
    if (options.colours != Colours::as_files)
        result.pixels = with_channels(data.pixels, options.colours == Colours::grey ? 1 : 3);
    const std::string found = describe_images(result, to_string(own));
    if (own != size) {
        const Tensor from = result.pixels;
        const std::int64_t channels = from.size(3);
        result.pixels = empty({from.size(0), size.height, size.width, channels}, DType::u8);
        std::vector<std::string> errors(static_cast<std::size_t>(from.size(0)));    // memory may run out
        cpu::try_each(errors, [&](std::size_t i) {
            const auto n = static_cast<std::int64_t>(i);
            const Tensor image = from.slice(0, n, n + 1).reshape({own.height, own.width, channels});
            Tensor place = result.pixels.slice(0, n, n + 1).reshape({size.height, size.width, channels});
            fit_image(image, fit, place);
        });
        for (const std::string& error : errors)
            if (!error.empty()) throw Error(error);
    }
    say(options, data.name + ": " + found + describe_fit(own, size, fit));
    return result;
}

}    // namespace lull
