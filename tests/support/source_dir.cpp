#include "tests/support/files.h"

namespace lull::test {

std::filesystem::path source_dir() { return LULL_SOURCE_DIR; }

}    // namespace lull::test
