#include "apps/lull/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <system_error>

#include "apps/lull/shell.h"
#include "engine/error.h"
#include "engine/io/file.h"

namespace lull {

namespace fs = std::filesystem;

namespace {

// What a run writes before its first step.
constexpr std::array<const char*, 4> kFirstNames{"config.json", "config.toml", "log.jsonl", "samples"};

// Whether a run began here that has saved nothing yet.
bool has_only_begun(const fs::path& folder) {
    const auto has = [&](const char* name) { return fs::exists(folder / name); };
    return has("config.toml") && has("log.jsonl") && !has(kCheckpointName) && !has(kStateName);
}

}    // namespace

bool make_folder(const fs::path& folder) {
    if (folder.empty()) return false;
    std::error_code error;
    const bool made = fs::create_directories(folder, error);
    check_file(!error, folder, "cannot make this folder: ", error.message());
    return made;
}

void check_new(const fs::path& path, const std::string& flag) {
    check_file(path.empty() || !fs::exists(path), path, "exists; choose another name for ", flag);
}

void check_free(const fs::path& folder) {
    if (!fs::exists(folder)) return;
    check_file(fs::is_directory(folder), folder, "is no folder");
    check_file(!has_only_begun(folder), folder,
               "has a run that was never saved; choose another --outdir, or remove it if that run has ended");
    check_file(!fs::exists(folder / kCheckpointName) || !fs::exists(folder / kStateName), folder,
               "has a run already; choose another --outdir, or go on with it: ", command_of(folder), " --resume ",
               shell_word(folder.string()));
    check_file(fs::is_empty(folder), folder, "exists and is not empty; choose another --outdir");
}

fs::path numbered_checkpoint(const fs::path& folder, std::int64_t step) {
    char name[48];
    std::snprintf(name, sizeof name, "checkpoint-%06lld.safetensors", static_cast<long long>(step));
    return folder / name;
}

void drop_old_checkpoints(const fs::path& folder, std::int64_t count) {
    static const std::regex pattern(R"(checkpoint-(\d{6,18})\.safetensors)");
    std::map<std::int64_t, fs::path> by_step;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        std::smatch match;
        const std::string name = entry.path().filename().string();
        if (std::regex_match(name, match, pattern)) by_step[std::stoll(match[1])] = entry.path();
    }
    std::error_code ignored;    // what cannot be removed does no harm
    for (; std::ssize(by_step) > count; by_step.erase(by_step.begin())) fs::remove(by_step.begin()->second, ignored);
}

bool give_second_name(const fs::path& file, const fs::path& name) {
    const fs::path temporary = name.string() + ".tmp0";
    std::error_code error;
    fs::remove(temporary, error);
    fs::create_hard_link(file, temporary, error);
    if (error) return false;
    fs::rename(temporary, name, error);
    const bool renamed = !error;
    fs::remove(temporary, error);    // still there when it could not be renamed, or both names were the same file already
    return renamed;
}

void remove_leftovers(const fs::path& folder) {
    static const std::regex pattern(R"(.+\.tmp\d+)");
    std::error_code ignored;
    for (const fs::path& where : {folder, folder / "samples"})
        for (const fs::directory_entry& entry : fs::directory_iterator(where, ignored))
            if (std::regex_match(entry.path().filename().string(), pattern)) fs::remove(entry.path(), ignored);
}

FolderLock::FolderLock(const fs::path& folder) : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    check_file(descriptor_ >= 0, folder, "cannot be opened: ", std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;    // some file systems have no locks
    ::close(descriptor_);
    fail_file(folder, "another process is training in this folder");
}

FolderLock::~FolderLock() { ::close(descriptor_); }

NewRunFolder NewRunFolder::at(const fs::path& folder) {
    const bool made = make_folder(folder);
    return {folder, made};
}

NewRunFolder NewRunFolder::numbered(const fs::path& parent, const std::string& name) {
    make_folder(parent);
    for (int number = 1;; ++number) {
        char suffix[16];
        std::snprintf(suffix, sizeof suffix, "-%03d", number);
        const fs::path folder = parent / (name + suffix);
        std::error_code error;
        // False when it exists: of two runs that start at once, one gets the next number.
        if (fs::create_directory(folder, error)) return {folder, true};
        check_file(!error, folder, "cannot make this folder: ", error.message());
    }
}

// Locked first: until then another process may be filling it.
NewRunFolder::NewRunFolder(const fs::path& folder, bool made) : path_(folder), made_(made), lock_(folder) { check_free(folder); }

void NewRunFolder::remove() const {
    std::error_code ignored;
    for (const char* name : kFirstNames) fs::remove(path_ / name, ignored);
    if (made_) fs::remove(path_, ignored);
}

std::string command_of(const fs::path& run) {
    std::ifstream config(run / "config.toml");
    std::string first_line;
    std::getline(config, first_line);
    return first_line.starts_with("# lull noise-level train ") ? "lull noise-level train" : "lull train";
}

fs::path find_checkpoint(const fs::path& run) {
    check_file(fs::exists(run), run, "no such run");
    check_file(fs::is_directory(run), run, "expected the folder of a run, got a file");
    check_file(!has_only_begun(run), run,
               "ended before its first checkpoint, so that nothing was saved; start it again: ", command_of(run), " --config ",
               shell_word((run / "config.toml").string()), " --outdir ANOTHER_FOLDER");
    check_file(fs::exists(run / kCheckpointName), run, "no checkpoint.safetensors in this folder");
    return run / kCheckpointName;
}

void check_writable(const fs::path& folder) {
    const fs::path where = folder.empty() ? fs::path(".") : folder;
    check_file(fs::is_directory(where), where, "no such folder");
    const bool writable = ::access(where.c_str(), W_OK) == 0;    // before errno is read
    check_file(writable, where, "cannot write into this folder: ", std::strerror(errno));
}

void check_can_be_made(const fs::path& folder) {
    fs::path above = folder;
    while (!above.empty() && !fs::exists(above)) above = above.parent_path();
    check_writable(above);
}

fs::path free_path(const fs::path& path) {
    fs::path candidate = path;
    for (int number = 2; fs::exists(candidate); ++number)
        candidate = path.parent_path() / (path.stem().string() + "-" + std::to_string(number) + path.extension().string());
    return candidate;
}

}    // namespace lull
