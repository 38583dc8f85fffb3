#include "apps/lull/seeds.h"

#include <charconv>
#include <optional>

#include "engine/error.h"

namespace lull {
namespace {

constexpr std::uint64_t kMostSeeds = 1'000'000;

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}    // namespace

std::vector<std::uint64_t> parse_seeds(std::string_view text) {
    std::vector<std::uint64_t> seeds;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        const std::size_t dash = part.find('-');
        const auto first = parse_number(part.substr(0, dash));
        const auto last = dash == part.npos ? first : parse_number(part.substr(dash + 1));
        check(first && last && *first <= *last, "seeds", "expected numbers and ranges such as 0-63 or 0-7,12, got '", text, "'");
        check(*last - *first < kMostSeeds - seeds.size(), "seeds", "expected at most ", kMostSeeds, " seeds, got '", text, "'");
        for (std::uint64_t i = 0; i <= *last - *first; ++i) seeds.push_back(*first + i);
        begin = end + 1;
    }
    return seeds;
}

std::string format_seeds(std::span<const std::uint64_t> seeds) {
    std::string text;
    for (std::size_t i = 0; i < seeds.size();) {
        std::size_t last = i;
        while (last + 1 < seeds.size() && seeds[last + 1] == seeds[last] + 1) ++last;
        if (!text.empty()) text += ',';
        text += std::to_string(seeds[i]);
        if (last > i) text += '-' + std::to_string(seeds[last]);
        i = last + 1;
    }
    return text;
}

}    // namespace lull
