// lull help, man and completion: what the program says of itself.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/reference.h"
#include "engine/did_you_mean.h"

namespace lull {
namespace {

constexpr const char* kGroup = "This program";

// CLI11 asks it for the help of every command.
class Help : public CLI::FormatterBase {
  public:
    std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
        return help_text(describe(*app));
    }
};

// The command that the words lead to. Throws UsageError when one of them is unknown.
const CLI::App& find_command(const CLI::App& app, const std::vector<std::string>& words) {
    const CLI::App* found = &app;
    for (const std::string& word : words) {
        const auto commands = found->get_subcommands([](const CLI::App*) { return true; });
        std::vector<std::string_view> names;
        for (const CLI::App* command : commands) names.push_back(command->get_name());
        const auto next =
            std::find_if(commands.begin(), commands.end(), [&](const CLI::App* command) { return command->check_name(word); });
        if (commands.empty())
            throw UsageError("unexpected argument '" + word + "'; " + describe(*found).name + " has no commands of its own");
        if (next == commands.end()) {
            const std::string_view nearest = nearest_name(word, names);
            throw UsageError("unknown command '" + word + "'" +
                             (nearest.empty() ? "" : "; did you mean '" + std::string(nearest) + "'?") +
                             " (lull help lists the commands)");
        }
        found = *next;
    }
    return *found;
}

void add_help_command(CLI::App& app) {
    const auto words = std::make_shared<std::vector<std::string>>();
    CLI::App& help = *app.add_subcommand("help", "Show the help of a command")->group(kGroup);
    help.footer("Example:\n  lull help train");
    std::string names;    // for completion
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names += '|' + command->get_name();
    help.add_option("COMMAND", *words, "such as train; none: the list of commands")->type_name("COMMAND:" + names.substr(1));
    help.final_callback([words, &app] { std::cout << help_text(describe(find_command(app, *words))); });
}

void add_completion_command(CLI::App& app) {
    const auto shell = std::make_shared<std::string>();
    CLI::App& completion =
        *app.add_subcommand("completion", "Print a script that lets a shell complete lull's commands")->group(kGroup);
    completion.footer(
        "Examples:\n"
        "  source <(lull completion bash)    # in ~/.bashrc; in ~/.zshrc with zsh instead of bash\n"
        "  lull completion fish | source     # in ~/.config/fish/config.fish");
    expect_one_of(completion.add_option("SHELL", *shell, "bash, zsh or fish")->required(), "shell", {"bash", "zsh", "fish"});
    completion.final_callback([shell, &app] { std::cout << completion_script(describe(app), *shell); });
}

void add_man_command(CLI::App& app) {
    const auto markdown = std::make_shared<bool>(false);
    CLI::App& man = *app.add_subcommand("man", "Print the manual page of all commands")->group(kGroup);
    man.footer("Example:\n  lull man | man -l -");
    man.add_flag("--markdown", *markdown, "as Markdown instead of troff")->group("Format");
    man.final_callback([markdown, &app] {
        std::cout << (*markdown ? manual_markdown(describe(app)) : manual_page(describe(app), LULL_VERSION));
    });
}

}    // namespace

void use_manual_help(CLI::App& app) { app.formatter(std::make_shared<Help>()); }

void add_manual_commands(CLI::App& app) {
    add_help_command(app);
    add_completion_command(app);
    add_man_command(app);
}

}    // namespace lull
