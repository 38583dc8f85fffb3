#include "apps/lull/shell.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("a word for a shell is read back as it was, and has quotes only where it needs them") {
    CHECK(shell_word("runs/fashion-mnist-s16-001") == "runs/fashion-mnist-s16-001");
    CHECK(shell_word("my run") == "'my run'");
    const TemporaryFolder folder;
    for (const std::string text : {"", "i 3", "it's", "$HOME", "~", "a\\b\"c", "*", "-n", "σ", "new\nline"}) {
        const std::string file = (folder / "out").string();
        REQUIRE(std::system(("printf %s " + shell_word(text) + " > " + file).c_str()) == 0);
        CHECK(read_bytes(file) == text);
    }
}
