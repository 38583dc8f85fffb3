#include "apps/lull/options.h"

#include <array>
#include <charconv>
#include <cmath>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>

#include "engine/cuda/runtime.h"
#include "engine/did_you_mean.h"
#include "engine/threads.h"

namespace lull {
namespace {

#ifdef LULL_WITH_CUDA
constexpr bool kBuiltWithCuda = true;
#else
constexpr bool kBuiltWithCuda = false;
#endif

template <class T>
std::optional<T> parse(const std::string& text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

ValueCheck number_that(const std::string& wanted, const std::function<bool(double)>& holds) {
    return [=](const std::string& text) {
        const auto value = parse<double>(text);
        return value && holds(*value) ? std::string() : "expected " + wanted + ", got '" + text + "'";
    };
}

std::string written(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
}

}    // namespace

ValueCheck whole_number(std::int64_t least, std::int64_t most) {
    return [=](const std::string& text) {
        const auto value = parse<std::int64_t>(text);
        if (value && *value >= least && *value <= most) return std::string();
        const bool too_many =
            !text.empty() && text.find_first_not_of("0123456789") == std::string::npos && (!value || *value > most);
        const std::string range = most < kNoLimit || too_many ? " from " + std::to_string(least) + " to " + std::to_string(most)
                                                              : ", at least " + std::to_string(least);
        return "expected a whole number" + range + ", got '" + text + "'";
    };
}

ValueCheck seed_number() {
    return [](const std::string& text) {
        const std::string most = std::to_string(std::numeric_limits<std::uint64_t>::max());
        return parse<std::uint64_t>(text) ? std::string() : "expected a whole number from 0 to " + most + ", got '" + text + "'";
    };
}

ValueCheck number_at_least(double least) {
    return number_that("a number, at least " + written(least), [=](double value) { return value >= least; });
}

ValueCheck number_above(double bound) {
    return number_that("a number above " + written(bound), [=](double value) { return value > bound && std::isfinite(value); });
}

ValueCheck number_in(double least, double below) {
    return number_that("a number from " + written(least) + " to below " + written(below),
                       [=](double value) { return value >= least && value < below; });
}

ValueCheck named(const std::string& what) {
    return [=](const std::string& text) { return text.empty() ? "expected " + what + ", got ''" : std::string(); };
}

ImageSize parse_image_size(std::string_view flag, const std::string& text) {
    constexpr std::int64_t kMost = 65'536;
    const std::size_t x = text.find('x');
    const auto width = parse<std::int64_t>(text.substr(0, x));
    const auto height = x == std::string::npos ? width : parse<std::int64_t>(text.substr(x + 1));
    check_usage(width && height && *width >= 1 && *height >= 1, flag,
                "expected pixels, such as 32, or width and height, such as 48x32, got '", text, "'");
    check_usage(*width <= kMost && *height <= kMost, flag, "expected at most ", kMost, " pixels wide and high, got '", text, "'");
    return {*width, *height};
}

void MachineOptions::apply() const {
    constexpr std::array<std::string_view, 2> kDevices{"cpu", "cuda"};
    check_usage(device == "cpu" || device == "cuda", "--device", "unknown device '", device, "'", did_you_mean(device, kDevices));
    if (device == "cuda" && !cuda::available()) {
        if (!kBuiltWithCuda) throw Error("--device cuda: " + cuda::unavailable());
        std::cerr << "lull: --device cuda: " << cuda::unavailable() << "; the CPU computes instead\n";
    }
    if (threads > 0) set_thread_count(threads);
}

Device MachineOptions::chosen_device() const { return device == "cuda" && cuda::available() ? Device::cuda : Device::cpu; }

}    // namespace lull
