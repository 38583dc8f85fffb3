// Help for a terminal.
#include <algorithm>
#include <sstream>

#include "apps/lull/reference.h"

namespace lull {
namespace {

constexpr std::size_t kWidth = 100, kTextColumn = 26;

// "  --steps N" and its text beside it, or below it when the name is long.
std::string entry(const std::string& name, const std::string& text) {
    const std::string begin = "  " + name;
    if (begin.size() + 2 > kTextColumn) return begin + '\n' + std::string(kTextColumn, ' ') + wrapped(text, kTextColumn);
    return begin + std::string(kTextColumn - begin.size(), ' ') + wrapped(text, kTextColumn);
}

std::string commands(const CommandReference& command) {
    std::vector<std::string> groups;
    for (const CommandReference& c : command.commands)
        if (std::find(groups.begin(), groups.end(), c.group) == groups.end()) groups.push_back(c.group);
    std::string text;
    for (const std::string& group : groups) {
        text += '\n' + group + ":\n";
        for (const CommandReference& c : command.commands)
            if (c.group == group) text += entry(c.last_name(), c.summary);
    }
    return text;
}

}    // namespace

std::string wrapped(const std::string& text, std::size_t indent) {
    std::size_t column = indent;
    std::istringstream words(text);
    std::string result, word;
    for (bool first = true; words >> word; first = false) {
        // Counted in letters, not bytes: × and σ have two.
        const auto letters = static_cast<std::size_t>(
            std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
        const bool fits = column + (first ? 0 : 1) + letters <= kWidth;
        if (!fits) {
            result += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (!first) {
            result += ' ';
            ++column;
        }
        result += word;
        column += letters;
    }
    return result + '\n';
}

std::string help_text(const CommandReference& command) {
    std::string text = command.summary + ".\n\nUsage: " + command.usage() + '\n';
    if (!command.arguments.empty()) text += '\n';
    for (const OptionReference& argument : command.arguments) text += entry(argument.names.front(), argument.full_text());
    text += commands(command);
    for (const OptionGroup& group : command.options) {
        text += '\n' + group.title + ":\n";
        for (const OptionReference& option : group.options) text += entry(option.title(), option.full_text());
    }
    return command.examples.empty() ? text : text + '\n' + command.examples + '\n';
}

}    // namespace lull
