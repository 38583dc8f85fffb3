// The one exception of lull, and the check that throws it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lull {

// What went wrong, in one line that a user can act on: "[conv2d] expected weight (O, 3, 3, 64), got (32, 3, 3, 32)".
class Error : public std::runtime_error {
  public:
    explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// Throws Error("[where] message…"); the parts of the message are anything that can be written to a stream.
template <class... Parts>
[[noreturn]] void fail(std::string_view where, const Parts&... parts) {
    std::ostringstream message;
    message << '[' << where << "] ";
    (message << ... << parts);
    throw Error(message.str());
}

// Throws as fail does unless the condition holds. The message is put together only then.
template <class... Parts>
void check(bool condition, std::string_view where, const Parts&... parts) {
    if (!condition) [[unlikely]]
        fail(where, parts...);
}

}    // namespace lull
