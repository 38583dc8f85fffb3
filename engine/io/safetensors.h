// The safetensors format (huggingface.co/docs/safetensors): named tensors and string metadata in one file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/io/file.h"
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

// CRC-32 of a description, the tensors' names and their values, as eight hexadecimal digits: what a writer adds to the metadata
// for readers to compare.
std::string checksum(const std::string& description, const std::map<std::string, Tensor>& tensors);

// The same piece by piece, for tensors that are never in memory as a whole.
class SafetensorsWriter {
  public:
    struct Entry {
        std::string name;
        DType dtype;
        Shape shape;
    };

    // Starts a file of these tensors, whose elements will come in this order. Wide types first: then every tensor starts at
    // a multiple of its element's size, as other readers expect.
    SafetensorsWriter(const std::filesystem::path& path, const std::vector<Entry>& entries,
                      const std::map<std::string, std::string>& metadata = {});

    void append(const Tensor& part);    // the next elements
    void commit();                      // the file is there. Throws Error unless every element has come

  private:
    std::filesystem::path path_;
    AtomicFile out_;
    std::uint64_t missing_ = 0;    // bytes
};

}    // namespace lull
