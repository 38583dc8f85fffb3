#include "apps/lull/labels.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/lull/model.h"
#include "apps/lull/options.h"
#include "apps/lull/seeds.h"
#include "engine/did_you_mean.h"
#include "engine/error.h"

namespace lull {

using namespace nlohmann::json_literals;

namespace {

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

// The classes [first, last] of one part of a list.
std::pair<std::int64_t, std::int64_t> parse_part(std::string_view part, std::int64_t classes,
                                                 std::span<const std::string> names) {
    // A name first: "t-shirt" is no range.
    if (const auto name = std::find(names.begin(), names.end(), part); name != names.end())
        return {name - names.begin(), name - names.begin()};
    const std::size_t dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto last = dash == part.npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *first > *last) {
        const std::vector<std::string_view> known(names.begin(), names.end());
        fail("labels", "expected classes such as 3 or 0-9,3", names.empty() ? ", got '" : ", or a name, got '", part, "'",
             names.empty() ? std::string() : did_you_mean(part, known));
    }
    check(*last < classes, "labels", "expected classes from 0 to ", classes - 1, ", got ", *last);
    return {*first, *last};
}

// As the model's training data had them; none where that is not known.
std::vector<std::string> class_names(const Model& model) {
    const auto place = "/data/classes"_json_pointer;
    if (!model.description.contains(place)) return {};
    try {
        return model.description.at(place).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
        fail("labels", "the model's description has classes that are no list of names");
    }
}

}    // namespace

std::vector<std::int32_t> parse_labels(std::string_view text, std::int64_t images, std::int64_t classes,
                                       std::span<const std::string> names) {
    std::vector<std::int32_t> labels;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const auto [first, last] = parse_part(text.substr(begin, end - begin), classes, names);
        check(last - first < images, "labels", "expected one class, or one for each of the ", images, " images, got more");
        for (std::int64_t label = first; label <= last; ++label) labels.push_back(static_cast<std::int32_t>(label));
        begin = end + 1;
    }
    if (labels.size() == 1) labels.resize(static_cast<std::size_t>(images), labels.front());
    check(std::ssize(labels) == images, "labels", "expected one class, or one for each of the ", images, " images, got ",
          labels.size());
    return labels;
}

std::vector<std::int32_t> classes_in_turn(std::span<const std::uint64_t> seeds, int classes) {
    std::vector<std::int32_t> labels;
    if (classes == 0) return labels;
    for (const std::uint64_t seed : seeds)
        labels.push_back(static_cast<std::int32_t>(seed % static_cast<std::uint64_t>(classes)));
    return labels;
}

std::vector<std::int32_t> labels_for(const Model& model, const std::string& text, std::span<const std::uint64_t> seeds) {
    const UNetConfig& unet = model.config.unet;
    check_usage(unet.class_embed != ClassEmbedType::none || text.empty(), "--labels", "this model knows no classes");
    if (unet.class_embed == ClassEmbedType::none) return {};
    check_usage(unet.class_embed != ClassEmbedType::identity, "--labels",
                "this model takes vectors for classes (class_embed_type identity); only the library can give them");
    const bool any_number = unet.class_embed == ClassEmbedType::timestep;
    check_usage(!any_number || !text.empty(), "--labels", "this model needs a number for every image");
    if (!text.empty()) {
        const std::int64_t classes = any_number ? std::numeric_limits<std::int32_t>::max() : unet.classes;
        return reading("--labels", [&] { return parse_labels(text, std::ssize(seeds), classes, class_names(model)); });
    }
    return classes_in_turn(seeds, unet.classes);
}

std::string format_labels(std::span<const std::int32_t> labels) {
    if (labels.empty()) return {};
    if (std::equal(labels.begin() + 1, labels.end(), labels.begin())) return std::to_string(labels.front());
    return format_seeds(std::vector<std::uint64_t>(labels.begin(), labels.end()));
}

}    // namespace lull
