// The layers: engine ← nn ← diffusion ← apps. A layer includes itself and the ones before it, never one after it.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/files.h"

using namespace lull::test;

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kLayers{"engine", "nn", "diffusion", "apps"};

// The number of the layer that a path from the project's root begins with.
std::optional<std::size_t> layer_of(const std::string& path) {
    const auto layer = std::find(kLayers.begin(), kLayers.end(), path.substr(0, path.find('/')));
    if (layer == kLayers.end()) return std::nullopt;
    return static_cast<std::size_t>(layer - kLayers.begin());
}

// "FILE includes WHAT" for every quoted include of a layer's source that is not a path from the root into that layer or
// an earlier one.
std::vector<std::string> wrong_includes(const fs::path& root) {
    static const std::set<std::string> kSources{".h", ".cpp", ".cu", ".cuh"};
    static const std::regex kInclude(R"re(^\s*#\s*include\s*"([^"]+)")re");
    std::vector<std::string> wrong;
    for (std::size_t layer = 0; layer < kLayers.size(); ++layer) {
        for (const auto& entry : fs::recursive_directory_iterator(root / kLayers[layer])) {
            if (!kSources.contains(entry.path().extension().string())) continue;
            std::ifstream in(entry.path());
            for (std::string line; std::getline(in, line);) {
                std::smatch match;
                if (!std::regex_search(line, match, kInclude)) continue;
                const auto included = layer_of(match[1]);
                if (!included || *included > layer)
                    wrong.push_back(fs::relative(entry.path(), root).string() + " includes " + match[1].str());
            }
        }
    }
    std::sort(wrong.begin(), wrong.end());
    return wrong;
}

}    // namespace

TEST_CASE("no include points up the layers") {
    for (const std::string& wrong : wrong_includes(source_dir())) FAIL_CHECK(wrong);
}

TEST_CASE("an include that points up, out of the layers or sideways is found") {
    const TemporaryFolder root;
    for (const std::string& layer : kLayers) fs::create_directories(root / (layer + "/deep"));
    write_bytes(root / "engine/a.h",
                "#pragma once\n#include <nn/not_ours.h>\n#include \"engine/b.h\"\n// #include \"nn/comment.h\"\n");
    write_bytes(root / "engine/deep/b.cpp", "  #  include \"nn/unet.h\"\n");
    write_bytes(root / "nn/c.cu", "#include \"engine/a.h\"\n#include \"../engine/a.h\"\n");
    write_bytes(root / "diffusion/d.h", "#include \"tests/support/files.h\"\n");
    write_bytes(root / "apps/e.cpp",
                "#include \"engine/a.h\"\n#include \"nn/c.h\"\n#include \"diffusion/d.h\"\n#include \"apps/e.h\"\n");
    CHECK(wrong_includes(root.path()) == std::vector<std::string>{"diffusion/d.h includes tests/support/files.h",
                                                                  "engine/deep/b.cpp includes nn/unet.h",
                                                                  "nn/c.cu includes ../engine/a.h"});
}
