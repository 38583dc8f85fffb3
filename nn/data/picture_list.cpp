#include "nn/data/picture_list.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "engine/io/file.h"

namespace lull {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 40;    // beyond it, a link leads back to where it is

std::string lower_extension(const fs::path& path) {
    std::string extension = path.extension().string();
    for (char& letter : extension) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    return extension;
}

void add_file(PictureList& list, const fs::directory_entry& entry) {
    const std::string extension = lower_extension(entry.path());
    if (extension == ".png") {
        list.files.push_back({.name = entry.path().lexically_relative(list.folder).string(),
                              .bytes = entry.file_size(),
                              .time = entry.last_write_time().time_since_epoch().count()});
    } else if (extension == ".jpg" || extension == ".jpeg") {
        ++list.jpegs;
    } else {
        ++list.others;
    }
}

void collect(PictureList& list, const fs::path& folder, int depth) {
    check_file(depth < kMaxDepth, folder, "is ", kMaxDepth, " folders deep: does a link lead back up?");
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        if (entry.path().filename().string().starts_with('.')) {
            ++list.hidden;
        } else if (entry.is_directory()) {
            collect(list, entry.path(), depth + 1);
        } else if (entry.is_regular_file()) {
            add_file(list, entry);
        } else {
            ++list.others;
        }
    }
}

// "cat" of "cat/003.png"; empty of "003.png".
std::string class_of(const PictureFile& file) {
    const std::size_t slash = file.name.find('/');
    return slash == std::string::npos ? std::string() : file.name.substr(0, slash);
}

void check_utf8(const fs::path& path) {
    try {
        nlohmann::json(path.filename().string()).dump();
    } catch (const nlohmann::json::type_error&) { fail_file(path, "is a class whose name is not UTF-8; rename the folder"); }
}

void find_classes(PictureList& list) {
    std::int64_t outside = 0;
    for (const PictureFile& file : list.files) {
        const std::string name = class_of(file);
        if (name.empty()) {
            ++outside;
        } else {
            list.classes.push_back(name);
        }
    }
    const auto inside = std::ssize(list.classes);
    check_file(outside == 0 || inside == 0, list.folder,
               "expected pictures in the folder itself or in one folder per class, got ", outside, " and ", inside,
               ": move one kind elsewhere");
    std::sort(list.classes.begin(), list.classes.end());
    list.classes.erase(std::unique(list.classes.begin(), list.classes.end()), list.classes.end());
    for (const std::string& name : list.classes) check_utf8(list.folder / name);
    for (PictureFile& file : list.files)
        file.label = static_cast<std::int32_t>(std::lower_bound(list.classes.begin(), list.classes.end(), class_of(file)) -
                                               list.classes.begin());
}

}    // namespace

PictureList list_pictures(const fs::path& folder) try {
    PictureList list{.folder = folder, .files = {}, .classes = {}};
    collect(list, folder, 0);
    std::sort(list.files.begin(), list.files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    find_classes(list);
    return list;
} catch (const fs::filesystem_error& error) { fail_file(error.path1(), "cannot be read: ", error.code().message()); }

}    // namespace lull
