// What an operation says when it refuses.
#pragma once

#include <string>

#include "engine/error.h"

namespace lull::test {

// What the Error that f throws says, or "nothing thrown".
template <class F>
std::string error_of(const F& f) {
    try {
        f();
    } catch (const Error& error) { return error.what(); }
    return "nothing thrown";
}

}    // namespace lull::test
