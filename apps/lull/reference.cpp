#include "apps/lull/reference.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace lull {
namespace {

// "heun|lms" -> {"heun", "lms"}
std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

OptionReference describe(const CLI::Option& option) {
    OptionReference reference;
    reference.text = option.get_description();
    reference.required = option.get_required();
    if (option.get_positional()) reference.names = {option.get_single_name()};
    for (const std::string& name : option.get_snames()) reference.names.push_back('-' + name);
    for (const std::string& name : option.get_lnames()) reference.names.push_back("--" + name);
    if (option.get_expected_max() == 0) return reference;
    // NAME, or NAME:heun|lms when there is a check that says so.
    const std::string type = option.get_type_name();
    const std::size_t colon = std::min(type.find(':'), type.size());
    if (!option.get_positional()) reference.value = type.substr(0, colon);
    if (colon < type.size()) reference.choices = split(type.substr(colon + 1), '|');
    reference.by_default = option.get_default_str();
    return reference;
}

}    // namespace

std::string OptionReference::title() const {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return value.empty() ? all : all + ' ' + value;
}

std::string OptionReference::full_text() const { return by_default.empty() ? text : text + " (default " + by_default + ")"; }

std::string CommandReference::last_name() const { return name.substr(name.rfind(' ') + 1); }

std::string CommandReference::usage() const {
    std::string text = name;
    if (!commands.empty()) text += " COMMAND";
    for (const OptionReference& argument : arguments)
        text += argument.required ? ' ' + argument.names.front() : " [" + argument.names.front() + ']';
    return text + " [OPTIONS]";
}

CommandReference describe(const CLI::App& app) {
    CommandReference reference{.name = app.get_name(),
                               .group = app.get_group() == "Subcommands" ? "Commands" : app.get_group(),
                               .summary = app.get_description(),
                               .arguments = {},
                               .options = {},
                               .examples = app.get_footer(),
                               .commands = {}};
    for (const CLI::App* parent = app.get_parent(); parent; parent = parent->get_parent())
        reference.name = parent->get_name() + ' ' + reference.name;
    OptionGroup general{"General", {}};
    for (const std::string& title : app.get_groups()) {
        OptionGroup group{title, {}};
        for (const CLI::Option* option : app.get_options()) {
            if (option->get_group() != title || title.empty()) continue;
            if (option->get_positional())
                reference.arguments.push_back(describe(*option));
            else if (option == app.get_help_ptr() || option == app.get_version_ptr())
                general.options.push_back(describe(*option));
            else
                group.options.push_back(describe(*option));
        }
        if (!group.options.empty()) reference.options.push_back(group);
    }
    if (!general.options.empty()) reference.options.push_back(general);
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        if (!command->get_group().empty()) reference.commands.push_back(describe(*command));
    return reference;
}

}    // namespace lull
