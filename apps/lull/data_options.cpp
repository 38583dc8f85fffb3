#include "apps/lull/data_options.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <nlohmann/json.hpp>

#include "apps/lull/commands.h"
#include "apps/lull/options.h"
#include "engine/io/file.h"
#include "nn/data/load_images.h"

namespace lull {

using nlohmann::json;

namespace {

Split parse_split(const std::string& name) { return name == "test" ? Split::test : Split::train; }

// As a run's files can say it, which are JSON.
std::string absolute_text(const std::filesystem::path& path) {
    std::string text = std::filesystem::absolute(path).lexically_normal().string();
    try {
        json(text).dump();
    } catch (const json::type_error&) { fail_file(path, "has a path that is not UTF-8; rename the folder"); }
    return text;
}

constexpr const char* kGroup = "Data";

void add_path_option(CLI::App& app, DataOptions& options, const std::string& by_default) {
    app.add_option("--data", options.path,
                   "folder of PNG pictures (with a folder per class, if there are classes), of CIFAR-10's binary files or of IDX "
                   "files; or an IDX or CIFAR-10 file (default: " +
                       by_default + ")")
        ->type_name("DIR|FILE")
        ->check(named("a folder or a file"))
        ->group(kGroup);
}

void add_size_option(CLI::App& app, LoadOptions& load) {
    app.add_option_function<std::string>(
           "--size", [&load](const std::string& text) { load.size = parse_image_size("--size", text); },
           "pixels of every image, such as 32, or width and height, such as 48x32 (default: their own if all have one size of at "
           "most 64 in multiples of 8, otherwise 32)")
        ->type_name("PIXELS")
        ->group(kGroup);
}

void add_fit_option(CLI::App& app, LoadOptions& load) {
    CLI::Option* fit = app.add_option_function<std::string>(
        "--fit", [&load](const std::string& name) { load.fit = parse_fit(name); },
        "for images of another size: crop (cover it, cut what stands out), pad (black around; smaller only where larger) or "
        "stretch (default: crop; pad for IDX)");
    expect_one_of(fit->type_name("NAME")->group(kGroup), "way to fit", {"crop", "pad", "stretch"});
}

void add_colour_flags(CLI::App& app, LoadOptions& load) {
    const auto colours = [&](const char* flag, Colours value, const char* text) {
        return app
            .add_flag_callback(
                flag, [&load, value] { load.colours = value; }, text)
            ->group(kGroup);
    };
    colours("--grey", Colours::grey, "make all images grey (default: grey if all are)");
    colours("--colour", Colours::colour, "give all images three channels")->excludes("--grey");
}

// shown: the default of --split.
void add_part_options(CLI::App& app, DataOptions& options, const std::string& text, const std::string& shown) {
    LoadOptions& load = options.load;
    CLI::Option* split = app.add_option_function<std::string>(
        "--split",
        [&options](const std::string& name) {
            options.load.split = parse_split(name);
            options.split_given = true;
        },
        text);
    expect_one_of(split->type_name("NAME")->default_str(shown)->group(kGroup), "part", {"train", "test"});
    app.add_option("--data-labels", load.labels, "IDX file of labels (default: the one beside the images)")
        ->type_name("FILE")
        ->group(kGroup);
    app.add_flag("--skip-broken", load.skip_broken, "leave out pictures that cannot be read, instead of stopping")->group(kGroup);
    app.add_flag_callback(
           "--no-cache", [&options] { options.use_cache = false; },
           "do not keep decoded pictures in ~/.cache/lull (XDG_CACHE_HOME)")
        ->group(kGroup);
}

}    // namespace

void add_data_options(CLI::App& app, DataOptions& options) {
    add_path_option(app, options, "Fashion-MNIST, in LULL_DATA or from Debian's dataset-fashion-mnist");
    add_size_option(app, options.load);
    add_fit_option(app, options.load);
    add_colour_flags(app, options.load);
    add_part_options(app, options, "train or test, of data sets that have these parts", "train");
}

void add_model_data_options(CLI::App& app, DataOptions& options) {
    add_path_option(app, options, "the model's own data set; Fashion-MNIST when it does not say");
    add_fit_option(app, options.load);
    add_part_options(app, options,
                     "train or test, of data sets that have these parts (default: the one that the model was trained on)", "");
}

DataOptions data_of_model(const DataOptions& flags, const json& description, const Shape& image) {
    DataOptions options = flags;
    if (flags.path.empty() && description.is_object()) {
        options = data_options_from_json(description);
        options.use_cache = flags.use_cache;
        if (flags.load.fit) options.load.fit = flags.load.fit;
        if (flags.split_given) options.load.split = flags.load.split;
        if (!flags.load.labels.empty()) options.load.labels = flags.load.labels;
        options.load.skip_broken = options.load.skip_broken || flags.load.skip_broken;
    }
    options.load.size = ImageSize{.width = image[1], .height = image[0]};
    options.load.colours = image[2] == 1 ? Colours::grey : Colours::colour;
    return options;
}

ImageDataset load_data(const DataOptions& options, std::vector<std::string>* notes) {
    check_usage(options.load.split == Split::train || has_part(options.path, options.load.split), "--split",
                options.path.string(), " has no test part");
    LoadOptions load = options.load;
    if (options.use_cache) load.cache = default_image_cache();
    if (notes) load.say = [notes](const std::string& line) { notes->push_back(line); };
    return load_images(options.path, load);
}

json to_json(const DataOptions& options) {
    json all = json::object();
    const LoadOptions& load = options.load;
    if (!options.path.empty()) all["data"] = absolute_text(options.path);
    if (load.size) all["size"] = std::to_string(load.size->width) + "x" + std::to_string(load.size->height);
    if (load.fit) all["fit"] = name_of(*load.fit);
    if (load.colours == Colours::grey) all["grey"] = true;
    if (load.colours == Colours::colour) all["colour"] = true;
    if (load.split == Split::test) all["split"] = "test";
    if (!load.labels.empty()) all["data_labels"] = absolute_text(load.labels);
    if (load.skip_broken) all["skip_broken"] = true;
    return all;
}

json describe(const ImageDataset& data, const DataOptions& options) {
    const Statistics statistics = data.statistics();
    return {{"name", data.name},
            {"images", data.size()},
            {"width", data.pixels.size(2)},
            {"height", data.pixels.size(1)},
            {"channels", data.pixels.size(3)},
            {"range", {data.low, data.high}},
            {"mean", statistics.mean},
            {"std", statistics.std},
            {"classes", data.classes},
            {"labelled", data.labels.defined()},
            {"fingerprint", data.fingerprint()},
            {"source", to_json(options)}};
}

json data_part(const json& description) {
    const json data = description.is_object() ? description.value("data", json()) : json();
    return data.is_object() && data.contains("source") ? data : json();
}

DataOptions data_options_from_json(const json& description) try {
    const json source = description.value("source", json::object());
    DataOptions options{.path = source.value("data", std::string()), .load = {}};
    LoadOptions& load = options.load;
    if (source.contains("size")) load.size = parse_image_size("size", source.at("size"));
    if (source.contains("fit")) load.fit = parse_fit(source.at("fit"));
    if (source.value("grey", false)) load.colours = Colours::grey;
    if (source.value("colour", false)) load.colours = Colours::colour;
    load.split = parse_split(source.value("split", "train"));
    load.labels = source.value("data_labels", std::string());
    load.skip_broken = source.value("skip_broken", false);
    return options;
} catch (const json::exception& error) { fail("data", "the description of the data is damaged: ", error.what()); }

void check_same_data(const ImageDataset& data, const json& description, const std::filesystem::path& run) {
    const std::string wanted = description.value("fingerprint", std::string());
    if (wanted.empty() || wanted == data.fingerprint()) return;
    const auto in_words = [](std::int64_t images, std::int64_t width, std::int64_t height, std::int64_t channels) {
        return grouped(static_cast<std::uint64_t>(images)) + " images of " + to_string(ImageSize{width, height}) +
               (channels == 1 ? " in grey" : " in colour");
    };
    const std::string before = in_words(description.value("images", 0), description.value("width", 0),
                                        description.value("height", 0), description.value("channels", 0));
    const std::string now = in_words(data.size(), data.pixels.size(2), data.pixels.size(1), data.pixels.size(3));
    check_file(false, run, "was trained on other data: on ", before, ", this is ", now,
               now == before ? ", but not the same ones" : "", "; --data names the folder, if it was moved");
}

void check_size(const ImageDataset& data, int levels) {
    const std::int64_t multiple = std::int64_t{1} << (levels - 1);
    const ImageSize size{data.pixels.size(2), data.pixels.size(1)};
    const auto rounded = [&](std::int64_t side) {
        return std::max<std::int64_t>(1, (side + multiple / 2) / multiple) * multiple;
    };
    const std::int64_t width = rounded(size.width), height = rounded(size.height);
    const std::string better = width == height ? std::to_string(width) : std::to_string(width) + "x" + std::to_string(height);
    check_usage(width == size.width && height == size.height, "--size", "expected multiples of ", multiple,
                " for this network of ", levels, " levels, got ", to_string(size), "; --size ", better, " will do");
}

void move_data(DataOptions& data, const DataOptions& now, const std::filesystem::path& run) {
    if (!now.path.empty()) data.path = now.path;
    if (!now.load.labels.empty()) data.load.labels = now.load.labels;
    check_file(data.path.empty() || std::filesystem::exists(data.path), data.path, "no such file or folder; ", run.string(),
               " was trained on it: name where it is now with --data");
    check_file(data.load.labels.empty() || std::filesystem::exists(data.load.labels), data.load.labels, "no such file; ",
               run.string(), " was trained with it: name where it is now with --data-labels");
}

std::string file_name_of(const ImageDataset& data) {
    std::string name;
    for (const char letter : data.name) {
        if (std::isalnum(static_cast<unsigned char>(letter))) {
            name += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
        } else if (!name.empty() && name.back() != '-') {
            name += '-';
        }
    }
    while (name.ends_with('-')) name.pop_back();
    return name.empty() ? "data" : name;
}

}    // namespace lull
