#include <cstdlib>

#include "tests/support/files.h"

namespace lull::test {

// Test programs that were carried to another machine are told where their files are.
std::filesystem::path source_dir() {
    const char* const elsewhere = std::getenv("LULL_SOURCE_DIR");
    return elsewhere ? elsewhere : LULL_SOURCE_DIR;
}

}    // namespace lull::test
