// What help, manual page and shell completion say of the commands, read from their one definition.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lull {

struct OptionReference {
    std::vector<std::string> names;      // "-h", "--help"; an argument without dashes: "RUN"
    std::string value;                   // "N", "DIR", …; empty: a flag
    std::vector<std::string> choices;    // all that the value can be, or empty
    std::string by_default;
    std::string text;
    bool required = false;

    std::string title() const;        // "-h, --help", "--steps N"
    std::string full_text() const;    // with the default, if there is one
};

struct OptionGroup {
    std::string title;
    std::vector<OptionReference> options;
};

struct CommandReference {
    std::string name;     // "lull train"
    std::string group;    // under which its parent lists it
    std::string summary;
    std::vector<OptionReference> arguments;    // without dashes, in order
    std::vector<OptionGroup> options;          // in order; help and version come last
    std::string examples;                      // lines with two spaces in front are commands
    std::vector<CommandReference> commands;

    std::string last_name() const;    // "train"
    std::string usage() const;        // "lull sample MODEL [OPTIONS]", "lull help [COMMAND] [OPTIONS]"
};

CommandReference describe(const CLI::App& app);

// Words in lines that end before column 100: the first is to stand after `indent` columns, the others begin with as many spaces.
std::string wrapped(const std::string& text, std::size_t indent);

// Help for a terminal of 100 columns.
std::string help_text(const CommandReference& command);

// The manual page lull(1) in troff's man macros, and the same page in Markdown.
std::string manual_page(const CommandReference& program, const std::string& version);
std::string manual_markdown(const CommandReference& program);

// A completion script for "bash", "zsh" or "fish".
std::string completion_script(const CommandReference& program, const std::string& shell);

}    // namespace lull
