#include "engine/did_you_mean.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace lull {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that lead from a to b.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

std::string lower(std::string_view text) {
    std::string letters(text);
    for (char& letter : letters)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return letters;
}

// How many letters of a are wrong, if b was meant: none where one is the beginning of the other (epsilon, eps), or they differ in
// capitals alone.
std::size_t slips(std::string_view a, std::string_view b) {
    const std::string given = lower(a), name = lower(b);
    const bool beginning = std::min(given.size(), name.size()) >= 3 && (given.starts_with(name) || name.starts_with(given));
    return beginning ? 0 : edit_distance(given, name);
}

}    // namespace

std::string_view nearest_name(std::string_view given, std::span<const std::string_view> known) {
    const auto nearest = std::min_element(known.begin(), known.end(), [&](std::string_view a, std::string_view b) {
        return std::pair(slips(given, a), edit_distance(given, a)) < std::pair(slips(given, b), edit_distance(given, b));
    });
    if (nearest == known.end() || 2 * slips(given, *nearest) > nearest->size()) return {};
    return *nearest;
}

std::string did_you_mean(std::string_view given, std::span<const std::string_view> known) {
    const std::string_view nearest = nearest_name(given, known);
    std::string text = nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    return text + " (" + all + ")";
}

}    // namespace lull
