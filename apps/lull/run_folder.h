// The folder of a training run, and names in it.
//
//     config.json                        every setting, as resolved
//     config.toml                        the settings again, for lull train --config
//     log.jsonl                          one object per step
//     loss.png                           the loss curves
//     samples/step-000400.png            what the EMA weights draw, always from the same seeds
//     checkpoint.safetensors             the newest model
//     checkpoint-000400.safetensors      with --keep, the last few: the newest of them is the same file under two names
//     training_state.safetensors         a run at rest, from which --resume goes on: one file, whole in itself
//
// Each file is complete or not there, and they are written in this order: checkpoints, training state, then older
// checkpoints go. Cut off anywhere between, the folder has a model and a state that is no newer than it; what a resumed run
// makes again has the same bits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace lull {

inline constexpr const char* kCheckpointName = "checkpoint.safetensors";
inline constexpr const char* kStateName = "training_state.safetensors";

// Throws Error when something other than an empty folder is there.
void check_free(const std::filesystem::path& folder);

// FOLDER/checkpoint-000400.safetensors.
std::filesystem::path numbered_checkpoint(const std::filesystem::path& folder, std::int64_t step);
// Removes all numbered checkpoints but the last `count`.
void drop_old_checkpoints(const std::filesystem::path& folder, std::int64_t count);
// Makes `name` another name of the file, in place of what it named before, at once. False when the file system has no such
// second names; then nothing has changed.
bool give_second_name(const std::filesystem::path& file, const std::filesystem::path& name);

// Removes the temporary files (NAME.tmp0) that a killed run has left, in this folder and in its samples/.
void remove_leftovers(const std::filesystem::path& folder);

// Keeps other processes from training in the same folder while it lives; the system ends it with the process, however
// that ends. Throws Error when another process has it.
class FolderLock {
  public:
    explicit FolderLock(const std::filesystem::path& folder);
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

  private:
    int descriptor_;
};

// The folder of a new run, which this process alone writes into: empty at first, and locked.
class NewRunFolder {
  public:
    // FOLDER, made as far as it is not there. Throws Error when something other than an empty folder is there, or when another
    // process has it; what is there then stays as it is.
    static NewRunFolder at(const std::filesystem::path& folder);
    // PARENT/NAME-001, or the first number that is not taken.
    static NewRunFolder numbered(const std::filesystem::path& parent, const std::string& name);

    const std::filesystem::path& path() const { return path_; }

    // Takes away what a run writes before its first step, and the folder if it was not there before.
    void remove() const;

  private:
    NewRunFolder(const std::filesystem::path& folder, bool made);

    std::filesystem::path path_;
    bool made_;
    FolderLock lock_;
};

// The command whose run this is: "lull train" or "lull noise-level train", as config.toml begins; the former when it says
// nothing.
std::string command_of(const std::filesystem::path& run);

// The newest checkpoint of a run. Throws Error when there is none, saying why that may be and what to do.
std::filesystem::path find_checkpoint(const std::filesystem::path& run);

// Makes a folder and those above it, where they are not there (empty: the working folder), and returns whether it did. Throws
// Error when that cannot be.
bool make_folder(const std::filesystem::path& folder);

// Throws Error, naming the flag that gives the path, when something is there already. An empty path is none.
void check_new(const std::filesystem::path& path, const std::string& flag);

// Throws Error unless files can be made in this folder (empty: the working folder).
void check_writable(const std::filesystem::path& folder);

// The same of a folder that may have yet to be made, by the nearest one above it that is there.
void check_can_be_made(const std::filesystem::path& folder);

// The path if nothing is there, otherwise NAME-2.EXT, NAME-3.EXT, ….
std::filesystem::path free_path(const std::filesystem::path& path);

}    // namespace lull
