#include "apps/lull/labels.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "apps/lull/seeds.h"
#include "engine/did_you_mean.h"
#include "engine/error.h"

namespace lull {
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

}    // namespace

std::vector<std::int32_t> parse_labels(std::string_view text, std::int64_t images, std::int64_t classes,
                                       std::span<const std::string> names) {
    std::vector<std::int32_t> labels;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const auto [first, last] = parse_part(text.substr(begin, end - begin), classes, names);
        for (std::int64_t label = first; label <= last; ++label) labels.push_back(static_cast<std::int32_t>(label));
        begin = end + 1;
    }
    if (labels.size() == 1) labels.resize(static_cast<std::size_t>(images), labels.front());
    check(std::ssize(labels) == images, "labels", "expected one class, or one for each of the ", images, " images, got ",
          labels.size());
    return labels;
}

std::string format_labels(std::span<const std::int32_t> labels) {
    if (labels.empty()) return {};
    if (std::equal(labels.begin() + 1, labels.end(), labels.begin())) return std::to_string(labels.front());
    return format_seeds(std::vector<std::uint64_t>(labels.begin(), labels.end()));
}

}    // namespace lull
