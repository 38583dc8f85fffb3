// lull as a part of another project (add_subdirectory): what CMake calls the source is then the other project's.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace fs = std::filesystem;

TEST_CASE("CMake files name lull's folders, not the outermost project's") {
    const fs::path root = lull::test::source_dir();
    std::vector<fs::path> files{root / "CMakeLists.txt"};
    for (const char* folder : {"engine", "nn", "diffusion", "apps", "tests", "benchmarks", "cmake"}) {
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const fs::path& path = entry.path();
            if (path.filename() == "CMakeLists.txt" || path.extension() == ".cmake") files.push_back(path);
        }
    }
    REQUIRE(files.size() > 7);
    for (const fs::path& file : files) {
        const std::string text = lull::test::read_bytes(file);
        for (const char* outermost : {"{CMAKE_SOURCE_DIR}", "{CMAKE_BINARY_DIR}"})
            CHECK_MESSAGE(text.find(outermost) == std::string::npos, file.string(), " names ", outermost);
    }
}
