// What an operation says when it refuses.
#pragma once

#include <string>

#include "engine/error.h"

namespace lull::test {

// The message of the Error that f throws, or "no error".
template <class F>
std::string message_of(const F& f) {
    try {
        f();
    } catch (const Error& error) { return error.what(); }
    return "no error";
}

}    // namespace lull::test
