// What the tests of commands share: the command in this process, and a folder with made-up images.
#pragma once

#include <doctest/doctest.h>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "apps/lull/commands.h"
#include "engine/io/safetensors.h"
#include "engine/random.h"
#include "tests/support/files.h"

namespace lull::test {

struct Result {
    int status;
    std::string out, err;
};

// What `lull ARGUMENTS` prints and returns.
inline Result run(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv{"lull"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out, err;
    std::streambuf *const cout_buffer = std::cout.rdbuf(out.rdbuf()), *const cerr_buffer = std::cerr.rdbuf(err.rdbuf());
    const int status = run_command(static_cast<int>(argv.size()), argv.data());
    std::cout.rdbuf(cout_buffer);
    std::cerr.rdbuf(cerr_buffer);
    return {status, out.str(), err.str()};
}

// The big-endian header of an IDX file of bytes.
inline std::string idx_header(const std::vector<int>& extents) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(extents.size())};
    for (const int extent : extents)
        for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 0xff);
    return bytes;
}

// A folder with 40 images of bright rectangles, as Fashion-MNIST's files would be, and room for runs.
struct Workshop {
    TemporaryFolder folder;

    Workshop() {
        constexpr int kImages = 40, kSize = 28;
        std::string images = idx_header({kImages, kSize, kSize}), labels = idx_header({kImages});
        for (int i = 0; i < kImages; ++i) {
            const RandomStream stream{5, Purpose::data, static_cast<std::uint64_t>(i)};
            const int left = static_cast<int>(20 * stream.uniform(0)), top = static_cast<int>(20 * stream.uniform(1));
            for (int y = 0; y < kSize; ++y)
                for (int x = 0; x < kSize; ++x)
                    images += static_cast<char>(x >= left && x < left + 8 && y >= top && y < top + 8 ? 220 : 0);
            labels += static_cast<char>(i % 10);
        }
        write_bytes(folder / "train-images-idx3-ubyte", images);
        write_bytes(folder / "train-labels-idx1-ubyte", labels);
    }

    std::string path(const std::string& name) const { return (folder / name).string(); }

    Result train(const std::string& name, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> arguments{"train",   "--preset", "tiny",    "--data",   folder.path().string(),
                                           "--batch", "4",        "--quiet", "--outdir", path(name)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(arguments);
    }
    Tensor images(const std::string& name, const std::vector<std::string>& more) const {
        const std::string file = path("images.safetensors");
        std::filesystem::remove(file);
        std::vector<std::string> arguments{"sample", path(name), "--quiet", "--steps", "3", "--seeds", "0-7", "--save", file};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Result result = run(arguments);
        REQUIRE_MESSAGE(result.status == 0, result.err);
        return load_safetensors(file).tensors.at("images");
    }
};

}    // namespace lull::test
