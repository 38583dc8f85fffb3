// Highway, under short names. Kernels are written once over T (float or double) and a vector tag of T.
#pragma once

#include <hwy/highway.h>

namespace lull::cpu {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Vec = hn::Vec<Tag<T>>;

template <class T>
constexpr int lanes() {
    return static_cast<int>(HWY_LANES(T));    // static dispatch: known when compiling
}

}    // namespace lull::cpu
