// The manual page, as lull(1) and in Markdown.
#include <array>
#include <cctype>
#include <sstream>

#include "apps/lull/reference.h"

namespace lull {
namespace {

struct Row {
    std::string_view name, meaning;
};
constexpr std::array<Row, 4> kExitStatus{
    {{"0", "done"},
     {"1", "something failed; one line on standard error says what"},
     {"2", "the command line or a settings file is wrong"},
     {"130",
      "stopped by Ctrl-C (143: by a termination signal, 129: by a terminal that was closed); train saves the steps that it has "
      "made, the other commands write nothing; a second Ctrl-C ends the program at once, with nothing saved"}}};
constexpr std::array<Row, 3> kEnvironment{
    {{"LULL_DATA", "folder of the training data, unless --data names one"},
     {"XDG_CACHE_HOME", "folder in whose lull/ decoded pictures are kept; an absolute path, otherwise ~/.cache"},
     {"HOME", "the folder that ~ stands for; without it and XDG_CACHE_HOME, decoded pictures are not kept"}}};

// Lines of an example text that are commands, and lines that are words about them.
bool is_command(const std::string& line) { return line.starts_with("  "); }

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// Text in which troff finds no command of its own.
std::string troff(const std::string& text) {
    std::string escaped = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
    for (const char c : text) {
        if (c == '\\')
            escaped += "\\e";
        else if (c == '-')
            escaped += "\\-";
        else
            escaped += c;
    }
    return escaped;
}

std::string troff_entry(const std::string& name, const std::string& text) {
    return ".TP\n.B " + troff(name) + '\n' + troff(text) + '\n';
}

std::string troff_examples(const std::string& text) {
    std::string page;
    bool inside = false;
    for (const std::string& line : lines_of(text)) {
        if (is_command(line) != inside) page += inside ? ".fi\n" : ".PP\n.nf\n";
        if (!is_command(line) && !inside) page += ".PP\n";
        inside = is_command(line);
        page += troff(line) + '\n';
    }
    return inside ? page + ".fi\n" : page;
}

std::string troff_command(const CommandReference& command) {
    std::string page = ".SS " + troff(command.usage()) + '\n' + troff(command.summary) + ".\n";
    for (const OptionReference& argument : command.arguments) page += troff_entry(argument.names.front(), argument.full_text());
    for (const OptionGroup& group : command.options) {
        page += ".PP\n.I " + troff(group.title) + '\n';
        for (const OptionReference& option : group.options) page += troff_entry(option.title(), option.full_text());
    }
    page += troff_examples(command.examples);
    for (const CommandReference& part : command.commands) page += troff_command(part);
    return page;
}

// Text that Markdown shows as it is, in a table too.
std::string markdown(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (std::string_view("\\|*_<>`[]").find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

std::string code(const std::string& text) {
    std::string escaped;
    for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
    return '`' + escaped + '`';
}

std::string markdown_options(const std::vector<OptionReference>& options) {
    std::string page;
    for (const OptionReference& option : options)
        page += "| " + code(option.title()) + " | " + markdown(option.text) + " | " +
                (option.by_default.empty() ? "" : code(option.by_default)) + " |\n";
    return page;
}

std::string markdown_examples(const std::string& text) {
    std::string page;
    bool inside = false;
    for (const std::string& line : lines_of(text)) {
        if (is_command(line) != inside) page += inside ? "```\n\n" : "\n```sh\n";
        inside = is_command(line);
        page += (inside ? line.substr(2) : markdown(line)) + '\n';
    }
    return inside ? page + "```\n" : page;
}

std::string markdown_command(const CommandReference& command) {
    std::string page = "\n## " + command.name + "\n\n" + markdown(command.summary) + ".\n\n```\n" + command.usage() + "\n```\n";
    if (!command.arguments.empty()) page += "\n| argument | | default |\n|---|---|---|\n" + markdown_options(command.arguments);
    for (const OptionGroup& group : command.options)
        page +=
            "\n**" + markdown(group.title) + "**\n\n| option | | default |\n|---|---|---|\n" + markdown_options(group.options);
    if (!command.examples.empty()) page += '\n' + markdown_examples(command.examples);
    for (const CommandReference& part : command.commands) page += markdown_command(part);
    return page;
}

}    // namespace

std::string manual_page(const CommandReference& program, const std::string& version) {
    std::string page = ".TH LULL 1 \"\" \"lull " + version + "\" \"User Commands\"\n.SH NAME\nlull \\- " +
                       troff(program.summary) + "\n.SH SYNOPSIS\n.B " + troff(program.usage()) + "\n.SH DESCRIPTION\n" +
                       troff_examples(program.examples) + ".SH COMMANDS\n";
    for (const CommandReference& command : program.commands) page += troff_command(command);
    page += ".SH OPTIONS\n";
    for (const OptionGroup& group : program.options)
        for (const OptionReference& option : group.options) page += troff_entry(option.title(), option.full_text());
    page += ".SH EXIT STATUS\n";
    for (const auto& [name, meaning] : kExitStatus) page += troff_entry(std::string(name), std::string(meaning));
    page += ".SH ENVIRONMENT\n";
    for (const auto& [name, meaning] : kEnvironment) page += troff_entry(std::string(name), std::string(meaning));
    return page;
}

std::string manual_markdown(const CommandReference& program) {
    std::string page =
        "# The command lull\n\n" + markdown(program.summary) +
        ".\n\nThis page is what `lull man --markdown` prints; `lull help COMMAND` shows the same on a terminal.\n\n"
        "| command | |\n|---|---|\n";
    for (const CommandReference& command : program.commands) {
        page += "| " + code(command.name) + " | " + markdown(command.summary) + " |\n";
    }
    page += '\n' + markdown_examples(program.examples);
    for (const CommandReference& command : program.commands) page += markdown_command(command);
    page += "\n## Exit status\n\n| status | |\n|---|---|\n";
    for (const auto& [name, meaning] : kExitStatus) page += "| " + std::string(name) + " | " + std::string(meaning) + " |\n";
    page += "\n## Environment\n\n| variable | |\n|---|---|\n";
    for (const auto& [name, meaning] : kEnvironment)
        page += "| " + code(std::string(name)) + " | " + std::string(meaning) + " |\n";
    return page;
}

}    // namespace lull
