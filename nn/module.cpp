#include "nn/module.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <span>
#include <sstream>

#include "engine/io/file.h"

namespace lull {

namespace {

constexpr int kNameWidth = 36, kCountWidth = 12;

// One line for a part and one for each part below it. parameters: its own; their names begin with `start` characters that
// the lines above have shown.
void print_part(std::ostream& out, std::string_view title, std::span<const NamedTensor> parameters, std::size_t start,
                int depth) {
    const auto below = [&](const NamedTensor& p) { return p.name.find('.', start) != std::string::npos; };
    const auto add = [](std::uint64_t sum, const NamedTensor& p) {
        return sum + static_cast<std::uint64_t>(p.tensor.elements());
    };
    const std::string indented = std::string(static_cast<std::size_t>(2 * depth), ' ').append(title);
    std::ostringstream line;
    line << std::left << std::setw(kNameWidth) << indented << std::right << std::setw(kCountWidth)
         << grouped(std::accumulate(parameters.begin(), parameters.end(), std::uint64_t{0}, add));
    for (const NamedTensor& p : parameters) {
        if (!below(p)) line << "  " << p.name.substr(start) << ' ' << p.tensor.shape();
    }
    out << line.str() << '\n';

    for (auto first = parameters.begin(); first != parameters.end();) {
        const std::string_view child = std::string_view(first->name).substr(0, first->name.find('.', start) + 1);
        const auto last =
            std::find_if_not(first, parameters.end(), [&](const NamedTensor& p) { return p.name.starts_with(child); });
        if (below(*first)) print_part(out, child.substr(start, child.size() - start - 1), {first, last}, child.size(), depth + 1);
        first = below(*first) ? last : first + 1;
    }
}

}    // namespace

void print_tree(std::ostream& out, const std::vector<NamedTensor>& parameters) {
    print_part(out, "parameters", parameters, 0, 0);
}

}    // namespace lull
