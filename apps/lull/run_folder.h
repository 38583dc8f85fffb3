// The folder of a training run, and names in it.
//
//     config.json                        every setting, as resolved
//     config.toml                        the settings again, for lull train --config
//     log.jsonl                          one object per step
//     loss.png                           the loss curve
//     samples/step-000400.png            what the EMA weights draw, always from the same seeds
//     checkpoint.safetensors             the model
//     training_state.safetensors         what else a continued run needs
#pragma once

#include <filesystem>
#include <string>

namespace lull {

// Makes PARENT/NAME-001, or the first number that is not taken, and returns it.
std::filesystem::path make_run_folder(const std::filesystem::path& parent, const std::string& name);

// Makes a folder, parents included. Throws Error when something other than an empty folder is there.
void make_empty_folder(const std::filesystem::path& folder);

// The checkpoint meant by a run's folder or by a file. Throws Error when there is none.
std::filesystem::path find_checkpoint(const std::filesystem::path& run_or_file);

// Throws Error unless files can be made in this folder (empty: the working folder).
void check_writable(const std::filesystem::path& folder);

// The path if nothing is there, otherwise NAME-2.EXT, NAME-3.EXT, ….
std::filesystem::path free_path(const std::filesystem::path& path);

}    // namespace lull
