#include "nn/data/image_cache.h"

#include <algorithm>
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

// Whether this is what an ImageDataset promises, labels within its classes included.
bool is_sound(const ImageDataset& data) {
    if (data.pixels.dtype() != DType::u8 || data.pixels.rank() != 4 || data.pixels.elements() == 0) return false;
    if (data.pixels.size(3) != 1 && data.pixels.size(3) != 3) return false;
    if (!data.labels.defined()) return data.classes.empty();
    if (data.labels.dtype() != DType::i32 || data.labels.shape() != Shape{data.size()}) return false;
    const std::int32_t* const label = data.labels.data<std::int32_t>();
    return std::all_of(label, label + data.size(), [&](std::int32_t k) { return k >= 0 && k < std::ssize(data.classes); });
}

}    // namespace

ImageCache::ImageCache(const fs::path& folder, const std::string& name, const std::string& source, std::string state)
    : path_(folder / (name + "-" + hash_of(source) + ".safetensors")), state_(source + state) {}

std::optional<DecodedPictures> ImageCache::load() const {
    std::error_code unreadable;
    if (!fs::exists(path_, unreadable)) return std::nullopt;
    try {
        const SafetensorsFile file = load_safetensors(path_);
        const std::string& description = file.metadata.at("pictures");
        if (!holds(file.tensors.at("state"), state_) || file.metadata.at("crc32") != checksum(description, file.tensors))
            return std::nullopt;
        const json about = json::parse(description);
        DecodedPictures pictures{{.name = about.at("name"), .pixels = file.tensors.at("pixels"), .classes = about.at("classes")},
                                 about.at("notes")};
        if (file.tensors.contains("labels")) pictures.data.labels = file.tensors.at("labels");
        return is_sound(pictures.data) ? std::optional(pictures) : std::nullopt;
    } catch (const std::exception&) { return std::nullopt; }    // damaged, or another user's: as good as none
}

void ImageCache::save(const DecodedPictures& pictures) const {
    std::error_code error;
    fs::create_directories(path_.parent_path(), error);
    check_file(!error, path_.parent_path(), "cannot make this folder: ", error.message());
    const json about = {{"name", pictures.data.name}, {"classes", pictures.data.classes}, {"notes", pictures.notes}};
    SafetensorsFile file{{{"pixels", pictures.data.pixels}, {"state", as_bytes(state_)}},
                         {{"pictures", about.dump(-1, ' ', false, json::error_handler_t::replace)}}};
    if (pictures.data.labels.defined()) file.tensors["labels"] = pictures.data.labels;
    file.metadata["crc32"] = checksum(file.metadata.at("pictures"), file.tensors);
    save_safetensors(path_, file);
}

}    // namespace lull
