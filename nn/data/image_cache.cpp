#include "nn/data/image_cache.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/io/file.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"

namespace lull {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Enough of the SHA-256 for a file's name.
std::string hash_of(const std::string& text) {
    Sha256 sha;
    sha.update(text);
    return sha.hex().substr(0, 16);
}

// Text as a tensor: unlike metadata, it may be long and need not be UTF-8.
Tensor as_bytes(const std::string& text) {
    Tensor bytes = empty({std::ssize(text)}, DType::u8);
    std::memcpy(bytes.raw(), text.data(), text.size());
    return bytes;
}

bool holds(const Tensor& bytes, const std::string& text) {
    return bytes.dtype() == DType::u8 && bytes.elements() == std::ssize(text) &&
           std::memcmp(bytes.raw(), text.data(), text.size()) == 0;
}

}    // namespace

ImageCache::ImageCache(const fs::path& folder, const std::string& name, const std::string& source, std::string state)
    : path_(folder / (name + "-" + hash_of(source) + ".safetensors")), state_(source + state) {}

std::optional<DecodedPictures> ImageCache::load() const {
    if (!fs::exists(path_)) return std::nullopt;
    try {
        const SafetensorsFile file = load_safetensors(path_);
        if (!holds(file.tensors.at("state"), state_)) return std::nullopt;
        const json about = json::parse(file.metadata.at("pictures"));
        DecodedPictures pictures{{.name = about.at("name"), .pixels = file.tensors.at("pixels"), .classes = about.at("classes")},
                                 about.at("notes")};
        if (file.tensors.contains("labels")) pictures.data.labels = file.tensors.at("labels");
        return pictures;
    } catch (const std::exception&) { return std::nullopt; }    // damaged: as good as none
}

void ImageCache::save(const DecodedPictures& pictures) const {
    std::error_code error;
    fs::create_directories(path_.parent_path(), error);
    check_file(!error, path_.parent_path(), "cannot make this folder: ", error.message());
    const json about = {{"name", pictures.data.name}, {"classes", pictures.data.classes}, {"notes", pictures.notes}};
    SafetensorsFile file{{{"pixels", pictures.data.pixels}, {"state", as_bytes(state_)}}, {{"pictures", about.dump()}}};
    if (pictures.data.labels.defined()) file.tensors["labels"] = pictures.data.labels;
    save_safetensors(path_, file);
}

}    // namespace lull
