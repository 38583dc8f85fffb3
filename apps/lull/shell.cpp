#include "apps/lull/shell.h"

#include <string_view>

namespace lull {

std::string shell_quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + '\'';
}

std::string shell_word(const std::string& text) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:@%+=";
    return !text.empty() && text.find_first_not_of(kPlain) == text.npos ? text : shell_quoted(text);
}

}    // namespace lull
