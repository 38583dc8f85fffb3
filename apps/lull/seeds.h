// Lists of seeds as a user writes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lull {

// "0-63", "5", "0-7,12,100-103": numbers and inclusive ranges, in this order. Throws Error, saying what a list looks like,
// when the text is empty or anything else, and when it names more than a million seeds.
std::vector<std::uint64_t> parse_seeds(std::string_view text);

// The inverse, as short as ranges make it.
std::string format_seeds(std::span<const std::uint64_t> seeds);

}    // namespace lull
