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
    const auto add = [](std::uint64_t sum, const NamedTensor& p) {
        return sum + static_cast<std::uint64_t>(p.tensor.elements());
    };
    const std::string indented = std::string(static_cast<std::size_t>(2 * depth), ' ').append(title);
    const std::uint64_t count = std::accumulate(parameters.begin(), parameters.end(), std::uint64_t{0}, add);
    std::ostringstream line;    // the caller's stream keeps its formatting
    line << std::left << std::setw(kNameWidth) << indented << std::right << std::setw(kCountWidth) << grouped(count);
    for (const NamedTensor& p : parameters) {
        if (p.name.find('.', start) == std::string::npos) line << "  " << p.name.substr(start) << ' ' << p.tensor.shape();
    }
    out << line.str() << '\n';

    for (auto first = parameters.begin(); first != parameters.end();) {
        const std::size_t dot = first->name.find('.', start);
        if (dot == std::string::npos) {
            ++first;
            continue;
        }
        const std::string_view path = std::string_view(first->name).substr(0, dot + 1);
        const auto inside = [&](const NamedTensor& p) { return p.name.starts_with(path); };
        const auto last = std::find_if_not(first, parameters.end(), inside);
        print_part(out, path.substr(start, dot - start), {first, last}, dot + 1, depth + 1);
        first = last;
    }
}

}    // namespace

void print_tree(std::ostream& out, const std::vector<NamedTensor>& parameters) {
    print_part(out, "parameters", parameters, 0, 0);
}

}    // namespace lull
