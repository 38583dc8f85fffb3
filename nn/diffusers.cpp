#include "nn/diffusers.h"

#include <fstream>
#include <set>
#include <utility>

#include "engine/io/file.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json read_json(const fs::path& path) {
    std::ifstream in(path);
    check_file(in.is_open(), path,
               fs::exists(path) ? "cannot be read" : "no such file; diffusers keeps a model's description there");
    json value = json::parse(in, nullptr, false);
    check_file(value.is_object(), path, "is no JSON object, as diffusers writes it");
    return value;
}

// Today's name of a tensor.
std::string renamed(std::string name) {
    constexpr std::pair<std::string_view, std::string_view> kOldNames[] = {
        {".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}};
    for (const auto& [old, today] : kOldNames) {
        const std::size_t at = name.find(old);
        if (name.find(".attentions.") != name.npos && at != name.npos) name.replace(at, old.size(), today);
    }
    return name;
}

// A folder under a temporary name, beside the one that it becomes. Destroyed before that, it is removed with all in it.
class AtomicFolder {
  public:
    explicit AtomicFolder(const fs::path& folder) : path_(fs::absolute(folder / "").lexically_normal().parent_path()) {
        if (fs::is_symlink(path_)) {    // what it leads to is the place: a rename does not follow links
            check_file(fs::exists(path_), folder, "is a link to what is not there");
            path_ = fs::canonical(path_);
        }
        check_file(!fs::exists(path_) || fs::is_directory(path_), folder, "is no folder");
        check_file(!fs::exists(path_) || fs::is_empty(path_), folder, "exists and is not empty; choose another folder");
        std::error_code error;
        fs::create_directories(path_.parent_path(), error);
        check_file(!error, path_.parent_path(), "cannot make this folder: ", error.message());
        for (int number = 0;; ++number) {
            temporary_ = path_.string() + ".tmp" + std::to_string(number);
            if (fs::create_directory(temporary_, error)) return;
            check_file(!error, folder, "cannot make this folder: ", error.message());
        }
    }
    ~AtomicFolder() {
        std::error_code ignored;
        if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
    }
    AtomicFolder(const AtomicFolder&) = delete;
    AtomicFolder& operator=(const AtomicFolder&) = delete;

    fs::path operator/(const char* name) const { return temporary_ / name; }
    void commit() {
        std::error_code error;
        fs::rename(temporary_, path_, error);    // over an empty folder, but never over one with something in it
        check_file(!error, path_, "cannot be written: ", error.message());
        temporary_.clear();
    }

  private:
    fs::path path_, temporary_;
};

}    // namespace

Checkpoint read_diffusers(const fs::path& weights) { return as_diffusers(weights, load_safetensors(weights)); }

Checkpoint as_diffusers(const fs::path& weights, SafetensorsFile file) {
    Checkpoint checkpoint{read_json(weights.parent_path() / kDiffusersConfig), {}};
    for (auto& [name, tensor] : file.tensors) {
        const bool added = checkpoint.tensors.emplace(renamed(name), std::move(tensor)).second;
        check_file(added, weights, "holds '", renamed(name), "' under its old name, too");
    }
    return checkpoint;
}

void load_all_weights(UNet& unet, const Checkpoint& checkpoint) {
    load_weights(unet, checkpoint, Weights::raw);
    std::set<std::string> wanted;
    for (const NamedTensor& parameter : parameters_of(unet)) wanted.insert(parameter.name);
    for (const auto& [name, tensor] : checkpoint.tensors)
        check(wanted.contains(name), "checkpoint", "the file holds '", name,
              "', for which the network that config.json describes has no place");
}

void write_diffusers(const fs::path& folder, const UNet& unet, std::int64_t height, std::int64_t width, const json& description) {
    AtomicFolder out(folder);
    json config = to_json(unet.config);
    config["sample_size"] = height == 0 ? json() : height == width ? json(height) : json({height, width});
    write_file(out / kDiffusersConfig, config.dump(2) + '\n');
    save_weights(out / kDiffusersWeights, parameters_of(unet), description);
    out.commit();
}

}    // namespace lull
