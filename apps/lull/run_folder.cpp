#include "apps/lull/run_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "engine/error.h"
#include "engine/io/file.h"

namespace lull {

namespace fs = std::filesystem;

namespace {

void make_folders(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    check_file(!error, folder, "cannot make this folder: ", error.message());
}

}    // namespace

fs::path make_run_folder(const fs::path& parent, const std::string& name) {
    make_folders(parent);
    for (int number = 1;; ++number) {
        char suffix[16];
        std::snprintf(suffix, sizeof suffix, "-%03d", number);
        const fs::path folder = parent / (name + suffix);
        std::error_code error;
        // False when it exists: of two runs that start at once, one gets the next number.
        if (fs::create_directory(folder, error)) return folder;
        check_file(!error, folder, "cannot make this folder: ", error.message());
    }
}

void make_empty_folder(const fs::path& folder) {
    check_file(!fs::exists(folder) || fs::is_directory(folder), folder, "is no folder");
    check_file(!fs::exists(folder) || fs::is_empty(folder), folder, "exists and is not empty; choose another --outdir");
    make_folders(folder);
}

fs::path find_checkpoint(const fs::path& run_or_file) {
    check_file(fs::exists(run_or_file), run_or_file, "no such run or checkpoint");
    if (!fs::is_directory(run_or_file)) return run_or_file;
    const fs::path checkpoint = run_or_file / "checkpoint.safetensors";
    check_file(fs::exists(checkpoint), run_or_file, "no checkpoint.safetensors in this folder");
    return checkpoint;
}

void check_writable(const fs::path& folder) {
    const fs::path where = folder.empty() ? fs::path(".") : folder;
    check_file(fs::is_directory(where), where, "no such folder");
    check_file(::access(where.c_str(), W_OK) == 0, where, "cannot write into this folder: ", std::strerror(errno));
}

fs::path free_path(const fs::path& path) {
    fs::path candidate = path;
    for (int number = 2; fs::exists(candidate); ++number)
        candidate = path.parent_path() / (path.stem().string() + "-" + std::to_string(number) + path.extension().string());
    return candidate;
}

}    // namespace lull
