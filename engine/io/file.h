// What all file formats share: errors that name the file, and files that are written whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace lull {

// Throws Error("PATH: message…").
template <class... Parts>
[[noreturn]] void fail_file(const std::filesystem::path& path, const Parts&... parts) {
    std::ostringstream message;
    message << path.string() << ": ";
    (message << ... << parts);
    throw Error(message.str());
}

// Throws as fail_file does unless the condition holds.
template <class... Parts>
void check_file(bool condition, const std::filesystem::path& path, const Parts&... parts) {
    if (!condition) [[unlikely]]
        fail_file(path, parts...);
}

// 3,554,436
std::string grouped(std::uint64_t number);

// The bytes of a regular file. Throws Error when there is none or it cannot be read.
std::uint64_t size_of_file(const std::filesystem::path& path);

// A file that appears under its name complete or not at all, even if the machine stops half-way: bytes go to a temporary
// file in the same folder, and commit() flushes them to the disk and renames it. Destroyed without a commit, the
// temporary is removed, and whatever stood under the name still stands; what a killed process left is removed when the same
// name is written again. All errors are lull::Error with the path.
class AtomicFile {
  public:
    explicit AtomicFile(std::filesystem::path path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* bytes, std::size_t count);
    void commit();

  private:
    [[noreturn]] void fail_write() const;

    std::filesystem::path path_, temporary_;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
    bool committed_ = false;
};

// A whole file at once, as AtomicFile does.
void write_file(const std::filesystem::path& path, std::string_view text);

}    // namespace lull
