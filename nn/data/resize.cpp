#include "nn/data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "engine/did_you_mean.h"
#include "engine/ops/copy/copy.h"

namespace lull {
namespace {

constexpr std::array<std::string_view, 3> kFits{"crop", "pad", "stretch"};

// A part of an image's rows or columns; its ends may lie inside pixels.
struct Span {
    double begin, end;
    double length() const { return end - begin; }
};

// An output pixel is the sum of weights[i] · input[first + i].
struct Taps {
    std::int64_t first;
    std::vector<float> weights;    // add up to 1
};

double lanczos3(double x) {
    if (x == 0) return 1;
    if (std::abs(x) >= 3) return 0;
    const double pi_x = std::numbers::pi * x;
    return 3 * std::sin(pi_x) * std::sin(pi_x / 3) / (pi_x * pi_x);
}

// `count` output pixels that cover `span` of `extent` input pixels. The filter also sees what lies beside the span.
std::vector<Taps> filter_taps(Span span, std::int64_t extent, std::int64_t count) {
    const double step = span.length() / static_cast<double>(count), width = std::max(1.0, step);
    std::vector<Taps> taps;
    for (std::int64_t i = 0; i < count; ++i) {
        const double centre = span.begin + (static_cast<double>(i) + 0.5) * step;
        const auto first = std::max<std::int64_t>(0, std::llround(centre - 3 * width));
        const auto last = std::min<std::int64_t>(extent, std::llround(centre + 3 * width));
        std::vector<double> weights;
        double sum = 0;
        for (std::int64_t j = first; j < last; ++j) {
            weights.push_back(lanczos3((static_cast<double>(j) + 0.5 - centre) / width));
            sum += weights.back();
        }
        Taps& made = taps.emplace_back(Taps{first, {}});
        for (const double weight : weights) made.weights.push_back(static_cast<float>(weight / sum));
    }
    return taps;
}

// The part of `from` between the spans, filling `to`: across first, then down.
void resample(const Tensor& from, Span across, Span down, Tensor& to) {
    const std::int64_t height = from.size(0), width = from.size(1), channels = from.size(2);
    const std::int64_t out_height = to.size(0), out_width = to.size(1), line = out_width * channels;
    const std::vector<Taps> columns = filter_taps(across, width, out_width), rows = filter_taps(down, height, out_height);
    const std::uint8_t* in = from.data<std::uint8_t>();    // (H, W, C)
    std::uint8_t* out = to.data<std::uint8_t>();           // (h, w, C)

    std::vector<float> narrow(static_cast<std::size_t>(height * line));    // (H, w, C)
    for (std::int64_t y = rows.front().first; y < rows.back().first + std::ssize(rows.back().weights); ++y) {
        float* to_line = &narrow[static_cast<std::size_t>(y * line)];
        for (const Taps& taps : columns) {
            const std::uint8_t* pixel = in + (y * width + taps.first) * channels;
            for (const float weight : taps.weights)
                for (std::int64_t c = 0; c < channels; ++c) to_line[c] += weight * static_cast<float>(*pixel++);
            to_line += channels;
        }
    }
    std::vector<float> sums(static_cast<std::size_t>(line));
    for (const Taps& taps : rows) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        const float* values = &narrow[static_cast<std::size_t>(taps.first * line)];
        for (const float weight : taps.weights)
            for (float& sum : sums) sum += weight * *values++;
        for (const float sum : sums) *out++ = static_cast<std::uint8_t>(std::lround(std::clamp(sum, 0.0f, 255.0f)));
    }
}

// The middle of `extent` pixels.
Span middle(double length, double extent) { return {(extent - length) / 2, (extent + length) / 2}; }

void crop(const Tensor& from, Tensor& to) {
    const auto height = static_cast<double>(from.size(0)), width = static_cast<double>(from.size(1));
    const double shrink = std::min(height / static_cast<double>(to.size(0)), width / static_cast<double>(to.size(1)));
    resample(from, middle(shrink * static_cast<double>(to.size(1)), width),
             middle(shrink * static_cast<double>(to.size(0)), height), to);
}

void stretch(const Tensor& from, Tensor& to) {
    resample(from, {0, static_cast<double>(from.size(1))}, {0, static_cast<double>(from.size(0))}, to);
}

void pad(const Tensor& from, Tensor& to) {
    const auto height = static_cast<double>(from.size(0)), width = static_cast<double>(from.size(1));
    const double scale = std::min({1.0, static_cast<double>(to.size(0)) / height, static_cast<double>(to.size(1)) / width});
    const std::int64_t inner_height = std::max<std::int64_t>(1, std::llround(scale * height)),
                       inner_width = std::max<std::int64_t>(1, std::llround(scale * width));
    Tensor inner = from;
    if (scale < 1) {
        inner = empty({inner_height, inner_width, from.size(2)}, DType::u8);
        stretch(from, inner);
    }
    const std::int64_t top = (to.size(0) - inner_height) / 2, left = (to.size(1) - inner_width) / 2;
    std::fill_n(to.data<std::uint8_t>(), to.elements(), std::uint8_t{0});
    Tensor place = to.slice(0, top, top + inner_height).slice(1, left, left + inner_width);
    copy(inner, place);
}

}    // namespace

std::string to_string(const ImageSize& size) { return std::to_string(size.width) + "×" + std::to_string(size.height); }

std::string name_of(Fit fit) { return std::string(kFits[static_cast<std::size_t>(fit)]); }

Fit parse_fit(const std::string& name) {
    const auto found = std::find(kFits.begin(), kFits.end(), name);
    check(found != kFits.end(), "fit", "unknown way to fit '", name, "'", did_you_mean(name, kFits));
    return static_cast<Fit>(found - kFits.begin());
}

void fit_image(const Tensor& image, Fit fit, Tensor& to) {
    check(image.rank() == 3 && image.dtype() == DType::u8 && image.elements() > 0 && to.rank() == 3 && to.elements() > 0 &&
              image.size(2) == to.size(2),
          "fit_image", "expected images u8 (H, W, C) with as many channels, got ", image, " and ", to);
    const Tensor from = image.contiguous();
    if (from.shape() == to.shape()) {
        copy(from, to);
    } else if (fit == Fit::crop) {
        crop(from, to);
    } else if (fit == Fit::pad) {
        pad(from, to);
    } else {
        stretch(from, to);
    }
}

}    // namespace lull
