// Text for a shell to read.
#pragma once

#include <string>

namespace lull {

// 'in single quotes', as one word with nothing special in it.
std::string shell_quoted(const std::string& text);

// The same, but without quotes where a shell reads it as one word anyway: runs/ten, 'my run'.
std::string shell_word(const std::string& text);

}    // namespace lull
