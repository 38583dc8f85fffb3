// The kinds of values that are derived from weights and kept with them (Storage::derived): the first element of their keys.
#pragma once

#include <cstdint>

namespace lull {

enum class Derived : std::int64_t { convolution, wide };    // packed filters; a bf16 weight in f32

}    // namespace lull
