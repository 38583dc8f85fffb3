// Completion scripts for three shells. Each is a table of commands and options, and as little shell as can read it.
#include <sstream>

#include "apps/lull/options.h"
#include "apps/lull/reference.h"
#include "apps/lull/shell.h"
#include "engine/error.h"

namespace lull {
namespace {

enum class Values { none, folders, files, choices };

// What a value's name promises: DIR is a folder, FILE, PATH, MODEL and RUN are looked for among all files.
Values values_of(const OptionReference& option) {
    if (!option.choices.empty()) return Values::choices;
    const std::string name = option.value.empty() ? option.names.front() : option.value;
    for (const char* word : {"FILE", "PATH", "RUN", "MODEL"})
        if (name.find(word) != name.npos) return Values::files;
    return name.find("DIR") != name.npos ? Values::folders : Values::none;
}

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : separator) + part;
    return all;
}

// "train", "data stats"; empty for the program.
std::string path_of(const CommandReference& command) {
    const std::size_t space = command.name.find(' ');
    return space == command.name.npos ? std::string() : command.name.substr(space + 1);
}

template <class F>
void for_each_command(const CommandReference& command, const F& f) {
    f(command);
    for (const CommandReference& part : command.commands) for_each_command(part, f);
}

template <class F>
void for_each_option(const CommandReference& command, const F& f) {
    for (const OptionGroup& group : command.options)
        for (const OptionReference& option : group.options) f(option);
}

// --- bash ---

std::string bash_answer(const OptionReference& option) {
    switch (values_of(option)) {
        case Values::choices:
            return "words=" + shell_quoted(joined(option.choices, " "));
        case Values::files:
            return "kind=-f";
        case Values::folders:
            return "kind=-d";
        case Values::none:
            return "return";
    }
    return "";
}

std::string bash_script(const CommandReference& program) {
    std::string commands, values, words;
    for_each_command(program, [&](const CommandReference& command) {
        const std::string path = path_of(command);
        for (const CommandReference& part : command.commands)
            commands += (commands.empty() ? "" : " | ") + shell_quoted(path + ' ' + part.last_name());
        std::vector<std::string> all;
        for (const CommandReference& part : command.commands) all.push_back(part.last_name());
        for_each_option(command, [&](const OptionReference& option) {
            for (const std::string& name : option.names) {
                all.push_back(name);
                if (!option.value.empty())
                    values += "    " + shell_quoted(path + ' ' + name) + ") " + bash_answer(option) + " ;;\n";
            }
        });
        words += "        " + shell_quoted(path) + ") words=" + shell_quoted(joined(all, " "));
        for (const OptionReference& argument : command.arguments)
            if (values_of(argument) != Values::none) words += "; [[ $current == -* ]] || " + bash_answer(argument);
        words += " ;;\n";
    });
    return "# Completion of lull's commands in bash: source <(lull completion bash)\n"
           "_lull() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' words='' kind='' i\n"
           "    # bash makes a word of the = in --option=value.\n"
           "    [[ $previous == '=' ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    [[ $current == '=' ]] && current=''\n"
           "    for ((i = 1; i < COMP_CWORD; ++i)); do\n"
           "        case \"$command ${COMP_WORDS[i]}\" in\n"
           "        " +
           commands +
           ") command=\"${command:+$command }${COMP_WORDS[i]}\" ;;\n"
           "        esac\n"
           "    done\n"
           "    case \"$command $previous\" in\n" +
           values +
           "    *)\n"
           "        case $command in\n" +
           words +
           "        esac\n"
           "        ;;\n"
           "    esac\n"
           "    if [[ $kind ]]; then\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(compgen \"$kind\" -- \"$current\")\n"
           "    else\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    fi\n"
           "}\n"
           "complete -F _lull lull\n";
}

// --- zsh ---

std::string zsh_text(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

std::string zsh_answer(const OptionReference& option) {
    const std::string name = option.value.empty() ? option.names.front() : option.value;
    switch (values_of(option)) {
        case Values::choices:
            return ':' + name + ":(" + joined(option.choices, " ") + ')';
        case Values::files:
            return ':' + name + ":_files";
        case Values::folders:
            return ':' + name + ":_files -/";
        case Values::none:
            return ':' + name + ": ";
    }
    return "";
}

// One function per command, _lull_data_stats; a command with commands of its own hands on to theirs.
std::string zsh_function(const CommandReference& command) {
    std::string function = '_' + command.name;
    for (char& c : function) c = c == ' ' ? '_' : c;
    std::string script = function + "() {\n    local context state line\n    typeset -A opt_args\n    _arguments -C";
    for_each_option(command, [&](const OptionReference& option) {
        for (const std::string& name : option.names)
            script += " \\\n        " + shell_quoted(name + (option.value.empty() ? "" : "=") + '[' + zsh_text(option.text) +
                                                     ']' + (option.value.empty() ? "" : zsh_answer(option)));
    });
    for (std::size_t i = 0; i < command.arguments.size(); ++i)
        script += " \\\n        " + shell_quoted(std::to_string(i + 1) + zsh_answer(command.arguments[i]));
    if (command.commands.empty()) return script + "\n}\n\n";

    script +=
        " \\\n        '1:command:->command' '*::argument:->argument'\n    case $state in\n    command)\n        local -a "
        "commands=(";
    for (const CommandReference& part : command.commands)
        script += "\n            " + shell_quoted(part.last_name() + ':' + part.summary);
    script += "\n        )\n        _describe command commands\n        ;;\n    argument) (( $+functions[" + function +
              "_$line[1]] )) && " + function + "_$line[1] ;;\n    esac\n}\n\n";
    return script;
}

std::string zsh_script(const CommandReference& program) {
    std::string script =
        "#compdef lull\n# Completion of lull's commands in zsh: source <(lull completion zsh), or as a file _lull in $fpath\n\n";
    for_each_command(program, [&](const CommandReference& command) { script += zsh_function(command); });
    return script + "if [[ $funcstack[1] == _lull ]]; then _lull \"$@\"; else compdef _lull lull; fi\n";
}

// --- fish ---

std::string fish_answer(const OptionReference& option) {
    switch (values_of(option)) {
        case Values::choices:
            return " -x -a " + shell_quoted(joined(option.choices, " "));
        case Values::files:
            return " -r -F";
        case Values::folders:
            return " -x -a '(__fish_complete_directories)'";
        case Values::none:
            return " -x";
    }
    return "";
}

// When the command, but none of its commands, is on the line.
std::string fish_condition(const CommandReference& command) {
    std::string condition;
    if (const std::string path = path_of(command); !path.empty())
        condition = "__fish_seen_subcommand_from " + command.last_name();
    if (command.commands.empty()) return condition;
    condition += (condition.empty() ? "" : "; and ") + std::string("not __fish_seen_subcommand_from");
    for (const CommandReference& part : command.commands) condition += ' ' + part.last_name();
    return condition;
}

std::string fish_script(const CommandReference& program) {
    std::string script =
        "# Completion of lull's commands in fish: lull completion fish | source, or a file lull.fish in its completions\n"
        "complete -c lull -f\n";
    for_each_command(program, [&](const CommandReference& command) {
        const std::string begin = "complete -c lull -n " + shell_quoted(fish_condition(command));
        for (const CommandReference& part : command.commands)
            script += begin + " -a " + part.last_name() + " -d " + shell_quoted(part.summary) + '\n';
        for (const OptionReference& argument : command.arguments) {
            if (values_of(argument) == Values::files || values_of(argument) == Values::folders) script += begin + " -F\n";
            if (values_of(argument) == Values::choices) script += begin + fish_answer(argument) + '\n';
        }
        for_each_option(command, [&](const OptionReference& option) {
            script += begin;
            for (const std::string& name : option.names)
                script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            script += (option.value.empty() ? "" : fish_answer(option)) + " -d " + shell_quoted(option.text) + '\n';
        });
    });
    return script;
}

}    // namespace

std::string completion_script(const CommandReference& program, const std::string& shell) {
    if (shell == "bash") return bash_script(program);
    if (shell == "zsh") return zsh_script(program);
    check(shell == "fish", "completion", "unknown shell '", shell, "' (bash, zsh, fish)");
    return fish_script(program);
}

}    // namespace lull
