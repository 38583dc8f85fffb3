#include "nn/data/png_folder.h"

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "engine/cpu/parallel.h"
#include "engine/io/file.h"
#include "engine/io/png.h"
#include "nn/data/image_cache.h"
#include "nn/data/prepare.h"

namespace lull {
namespace {

namespace fs = std::filesystem;

std::string counted(std::int64_t count, const std::string& one, const std::string& many) {
    return grouped(static_cast<std::uint64_t>(count)) + ' ' + (count == 1 ? one : many);
}

fs::path path_of(const PictureList& list, const PictureFile& file) { return list.folder / file.name; }

// "cats" of "/home/me/cats/" or of "." there.
std::string name_of(const fs::path& folder) {
    const std::string name = fs::canonical(folder).filename().string();
    return name.empty() ? "pictures" : name;
}

// What all pictures have in common.
struct Common {
    std::set<std::pair<std::int64_t, std::int64_t>> sizes;
    bool colour = false;

    std::optional<ImageSize> size() const {
        return sizes.size() == 1 ? std::optional(ImageSize{sizes.begin()->first, sizes.begin()->second}) : std::nullopt;
    }
    std::string sizes_in_words() const { return size() ? to_string(*size()) : std::to_string(sizes.size()) + " sizes"; }
};

Common survey(const PictureList& list, std::vector<std::string>& errors) {
    std::vector<PngHeader> headers(list.files.size());
    cpu::try_each(errors, [&](std::size_t i) { headers[i] = read_png_header(path_of(list, list.files[i])); });
    Common common;
    for (std::size_t i = 0; i < headers.size(); ++i) {
        if (!errors[i].empty()) continue;
        common.sizes.emplace(headers[i].width, headers[i].height);
        common.colour |= headers[i].colour;
    }
    return common;
}

// Whether red, green and blue are the same everywhere: many a grey picture is stored as if it had colours.
bool all_grey(const Tensor& pixels) {
    const std::uint8_t* pixel = pixels.data<std::uint8_t>();
    for (const std::uint8_t* const end = pixel + pixels.elements(); pixel != end; pixel += 3)
        if (pixel[0] != pixel[1] || pixel[0] != pixel[2]) return false;
    return true;
}

// Rows of the tensors whose `errors` are empty, in order.
ImageDataset without_broken(const ImageDataset& data, const std::vector<std::string>& errors) {
    const std::int64_t image_bytes = data.pixels.elements() / data.size();
    std::int64_t kept = 0;
    for (std::int64_t n = 0; n < data.size(); ++n) {
        if (!errors[static_cast<std::size_t>(n)].empty()) continue;
        std::copy_n(data.pixels.raw() + n * image_bytes, image_bytes, data.pixels.raw() + kept * image_bytes);
        Tensor labels = data.labels;
        labels.data<std::int32_t>()[kept] = labels.data<std::int32_t>()[n];
        ++kept;
    }
    return data.first(kept);
}

// Throws at the first broken picture, or leaves the broken ones out and notes it.
ImageDataset judged(const ImageDataset& data, const std::vector<std::string>& errors, const LoadOptions& options,
                    std::vector<std::string>& notes) {
    const auto is_broken = [](const std::string& error) { return !error.empty(); };
    const std::int64_t broken = std::count_if(errors.begin(), errors.end(), is_broken);
    if (broken == 0) return data;
    const std::string first = *std::find_if(errors.begin(), errors.end(), is_broken);
    const std::string more = broken > 1 ? " (and " + counted(broken - 1, "more", "more") + ")" : "";
    if (!options.skip_broken) throw Error(first + more + "; --skip-broken leaves such files out");
    if (broken == data.size()) throw Error(first + more + ": no picture is left");
    notes.push_back("left out " + counted(broken, "broken file", "broken files") + ": " + first + more);
    return without_broken(data, errors);
}

std::vector<std::string> notes_on_ignored(const PictureList& list) {
    std::vector<std::string> notes;
    std::string ignored;
    if (list.hidden > 0) ignored = counted(list.hidden, "hidden file or folder", "hidden files or folders");
    if (list.others > 0) ignored += (ignored.empty() ? "" : " and ") + counted(list.others, "file", "files") + " of other kinds";
    if (!ignored.empty()) notes.push_back("ignored " + ignored);
    if (list.jpegs > 0)
        notes.push_back("ignored " + counted(list.jpegs, "JPEG file", "JPEG files") +
                        ": lull reads PNG; ImageMagick converts, for instance: mogrify -format png FOLDER/*.jpg");
    return notes;
}

DecodedPictures decode(const PictureList& list, const LoadOptions& options) {
    std::vector<std::string> errors(list.files.size());
    const Common common = survey(list, errors);
    const ImageSize size = chosen_size(options, common.size());
    const Fit fit = options.fit.value_or(Fit::crop);
    const std::int64_t channels =
        options.colours == Colours::grey || (options.colours == Colours::as_files && !common.colour) ? 1 : 3;

    const std::int64_t count = std::ssize(list.files);
    ImageDataset data{.name = name_of(list.folder),
                      .pixels = empty({count, size.height, size.width, channels}, DType::u8),
                      .labels = empty({count}, DType::i32),
                      .classes = list.classes};
    cpu::try_each(errors, [&](std::size_t i) {
        const auto n = static_cast<std::int64_t>(i);
        const Tensor picture = with_channels(read_png(path_of(list, list.files[i])).pixels, channels);
        Tensor place = data.pixels.slice(0, n, n + 1).reshape({size.height, size.width, channels});
        fit_image(picture, fit, place);
    });
    arena::free_cached();    // of pictures as large as they were
    for (std::int64_t n = 0; n < count; ++n) data.labels.data<std::int32_t>()[n] = list.files[static_cast<std::size_t>(n)].label;

    std::vector<std::string> notes;
    data = judged(data, errors, options, notes);
    if (list.classes.empty()) data.labels = {};
    if (channels == 3 && options.colours == Colours::as_files && all_grey(data.pixels))
        data.pixels = data.pixels.slice(3, 0, 1).contiguous();
    notes.insert(notes.begin(),
                 data.name + ": " + describe_images(data, common.sizes_in_words()) + describe_fit(common.size(), size, fit));
    for (const std::string& note : notes_on_ignored(list)) notes.push_back(note);
    return {data, notes};
}

ImageCache cache_of(const PictureList& list, const LoadOptions& options) {
    std::ostringstream source, state;
    source << "lull image cache 1\n" << fs::canonical(list.folder).string() << '\n';
    if (options.size) source << to_string(*options.size);
    source << '\n'
           << name_of(options.fit.value_or(Fit::crop)) << '\n'
           << static_cast<int>(options.colours) << options.skip_broken << '\n';
    for (const PictureFile& file : list.files) state << file.bytes << ' ' << file.time << ' ' << file.name << '\n';
    state << list.hidden << ' ' << list.jpegs << ' ' << list.others << '\n';    // what the notes speak of
    return {options.cache, name_of(list.folder), source.str(), state.str()};
}

DecodedPictures decode_or_load(const PictureList& list, const LoadOptions& options) {
    if (options.cache.empty()) return decode(list, options);
    const ImageCache cache = cache_of(list, options);
    if (auto kept = cache.load()) return *kept;
    DecodedPictures decoded = decode(list, options);
    try {
        cache.save(decoded);
    } catch (const Error& error) {
        say(options, "the decoded pictures are not kept for the next time: " + std::string(error.what()));
    }
    return decoded;
}

}    // namespace

ImageDataset png_folder(const PictureList& list, const LoadOptions& options) {
    check_file(!list.files.empty() || list.jpegs == 0, list.folder, "has no PNG pictures but ",
               counted(list.jpegs, "JPEG file", "JPEG files"),
               ", which must be converted; ImageMagick does it, for instance: mogrify -format png FOLDER/*.jpg");
    check_file(!list.files.empty(), list.folder, "has no PNG pictures, neither in itself nor in folders inside");
    DecodedPictures pictures = decode_or_load(list, options);
    for (const std::string& note : pictures.notes) say(options, note);
    return std::move(pictures.data);
}

}    // namespace lull
