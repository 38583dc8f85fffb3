// What a user may have meant by a name that does not exist.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lull {

// The end of an error's line: "; did you mean 'heun'? (euler, ancestral, heun, lms, ddim)", or only the list when nothing in it
// is near: at least half of the letters must be right to call it a slip, capitals or not; or one is the beginning of the other.
std::string did_you_mean(std::string_view given, std::span<const std::string_view> known);

// The nearest of known, or an empty name when none is near.
std::string_view nearest_name(std::string_view given, std::span<const std::string_view> known);

}    // namespace lull
