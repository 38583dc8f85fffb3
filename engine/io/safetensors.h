// The safetensors format (huggingface.co/docs/safetensors): named tensors and string metadata in one file.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/tensor.h"

namespace lull {

struct SafetensorsFile {
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> metadata;
};

// Reads a whole file; shapes and bytes as they stand in it, no layout is changed. F32, F64, BF16, I32, I64 and U8, at most
// kMaxRank axes. The header is checked in full before a tensor is read: Error("PATH: …") says what is wrong with it.
SafetensorsFile load_safetensors(const std::filesystem::path& path);

// Writes a file, whole or not at all (AtomicFile). Tensors may be views. Throws Error when it cannot be written or a
// name or a metadata string is not UTF-8.
void save_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}    // namespace lull
