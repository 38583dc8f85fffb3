#include "apps/lull/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "apps/lull/config_file.h"
#include "apps/lull/interrupt.h"
#include "apps/lull/reference.h"
#include "engine/did_you_mean.h"
#include "engine/machine.h"

namespace lull {
namespace {

constexpr int kDone = 0, kFailed = 1, kUsage = 2;

int complain(const std::string& message, int status) {
    std::cerr << "lull: " << message << '\n';
    return status;
}

// A reader that wants no more, as in `lull help train | head -1`, is no error.
int finish() {
    if (std::cout.flush() || errno == EPIPE) return kDone;
    return complain("cannot write to standard output", kFailed);
}

// "; did you mean '--steps'?", or nothing.
std::string hint(const std::string& given, const std::vector<std::string>& known) {
    const std::vector<std::string_view> names(known.begin(), known.end());
    const std::string_view nearest = nearest_name(given, names);
    return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

// "--sampler" without its dashes, which are right in every guess.
std::string_view bare(std::string_view option) { return option.substr(std::min(option.find_first_not_of('-'), option.size())); }

// The same for an option's name; for --adaptive, where an option takes that name: "; did you mean '--blind-way adaptive'?".
std::string option_hint(const std::string& given, const CLI::App& command) {
    const CommandReference reference = describe(command);
    for (const OptionGroup& group : reference.options)
        for (const OptionReference& option : group.options)
            for (const std::string& choice : option.choices)
                if (choice == bare(given)) return "; did you mean '" + option.names.back() + ' ' + choice + "'?";
    std::vector<std::string> known;
    for (const CLI::Option* option : command.get_options()) known.push_back(option->get_name());
    std::vector<std::string_view> names;
    for (const std::string& name : known)
        if (name.starts_with('-')) names.push_back(bare(name));    // an argument such as MODEL is no option
    const std::string_view nearest = nearest_name(bare(given), names);
    return nearest.empty() ? std::string() : "; did you mean '--" + std::string(nearest) + "'?";
}

// The command, or the command's command, that was asked for; the program itself when none was.
CLI::App& chosen_command(CLI::App& app) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    return chosen.empty() ? app : chosen_command(*chosen.front());
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return names;
}

// What is wrong with arguments that nothing took.
std::string unknown_argument(const CLI::App& app, const CLI::App& chosen) {
    const std::vector<std::string> extras = app.remaining(true), commands = command_names(chosen);
    const std::string name_of_chosen = describe(chosen).name;    // "lull data stats"
    const std::string help = "lull help" + name_of_chosen.substr(app.get_name().size());
    if (extras.empty()) return "expected a command; " + help + " lists them";
    const std::string& extra = extras.front();
    if (!commands.empty() && !extra.starts_with('-'))
        return "unknown command '" + extra + "'" + hint(extra, commands) + " (" + help + " lists the commands)";
    if (&chosen != &app && (extra == "--version" || extra == "-v"))
        return extra + ": expected before the command: lull --version";
    std::vector<std::string> known;
    for (const CLI::Option* option : chosen.get_options()) known.push_back(option->get_name());
    const std::string name = extra.substr(0, extra.find('='));
    if (std::find(known.begin(), known.end(), name) != known.end())
        return name + ": expected after the command: " + name_of_chosen + ' ' + name;
    return (extra.starts_with('-') ? "unknown option '" : "unexpected argument '") + extra + "'" +
           (extra.starts_with('-') ? option_hint(name, chosen) : hint(extra, known));
}

// "Could not convert: --xflip = perhaps". Other values have their checks before.
std::string not_converted(const std::string& message) {
    const std::size_t name = message.find("--"), equals = message.find(" = ");
    if (name == message.npos || equals == message.npos) return message;
    return message.substr(name, equals - name) + ": expected true or false, got '" + message.substr(equals + 3) + "'";
}

std::string parse_error(CLI::App& app, const CLI::ParseError& error) {
    const CLI::App& chosen = chosen_command(app);
    const std::string message = error.what();
    if (const std::size_t end = message.find(" was given a disallowed flag override"); end != message.npos)
        return "--" + message.substr(0, end) + ": takes no value";
    const bool no_command = !command_names(chosen).empty();
    const bool not_taken = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    if (no_command || not_taken) return unknown_argument(app, chosen);
    if (dynamic_cast<const CLI::RequiredError*>(&error)) return "expected " + describe(chosen).usage();
    if (dynamic_cast<const CLI::ConversionError*>(&error)) return not_converted(message);
    if (dynamic_cast<const CLI::ExcludesError*>(&error))
        return message.substr(0, message.find(' ')) + ':' + message.substr(message.find(' ')) + "; give one of them";
    // Options take their last value, so that too few is all that can be wrong with the number of values.
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return message.substr(0, message.find(':')) + ": expected a value";
    return message;
}

// An empty value, as of --save "$FORGOTTEN", would mean that nothing was asked for.
void check_no_empty_values(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options())
        for (const std::string& value : option->results())
            check_usage(!value.empty(), option->get_name(), "expected a value, got nothing");
}

// --xflip=2 is not --xflip, and --help=3 is nothing at all.
void check_flags(CLI::App& app) {
    const CLI::Validator true_or_false(
        [](const std::string& value) {
            return value == "true" || value == "false" ? std::string() : "expected true or false, got '" + value + "'";
        },
        "");
    for (CLI::Option* option : app.get_options()) {
        if (option->get_expected_max() > 0) continue;
        if (option == app.get_help_ptr() || option == app.get_version_ptr())
            option->disable_flag_override();
        else
            option->check(true_or_false);
    }
    for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) check_flags(*command);
}

}    // namespace

void add_scale_option(CLI::App& app, int& scale, const std::string& group) {
    app.add_option("--scale", scale, "size of an image's pixel in the picture")
        ->type_name("N")
        ->check(whole_number(1, 64))
        ->capture_default_str()
        ->group(group);
}

void add_machine_options(CLI::App& app, MachineOptions& options) {
    const std::string group = kMachineGroup;
    app.add_option("--threads", options.threads, "threads; the results are the same for any number (default: all processors)")
        ->type_name("N")
        ->check(whole_number(1, 4096))
        ->group(group);
    CLI::Option* device = app.add_option("--device", options.device, "cpu or cuda");
    expect_one_of(device->type_name("NAME")->capture_default_str()->group(group), "device", {"cpu", "cuda"});
    app.add_flag("--quiet", options.quiet, "no progress, only errors and the result's path")->group(group);
    app.add_option("--config", options.config, "TOML file with these settings, such as threads = 2; flags win over it")
        ->type_name("FILE")
        ->configurable(false)
        ->group(group);
}

void expect_one_of(CLI::Option* option, const std::string& what, const std::vector<std::string_view>& names) {
    std::string choices;    // reference.cpp reads them from the option's type
    for (const std::string_view name : names) choices += (choices.empty() ? "" : "|") + std::string(name);
    const auto check = [=](const std::string& given) {
        if (std::find(names.begin(), names.end(), given) != names.end()) return std::string();
        return "unknown " + what + " '" + given + "'" + did_you_mean(given, names);
    };
    option->check(CLI::Validator(check, choices));
}

int run_command(int argc, const char* const* argv) {
    CLI::App app("Train diffusion models, and draw from them", "lull");
    use_manual_help(app);
    app.set_help_flag("-h,--help", "this text");
    app.set_version_flag("--version", "lull " LULL_VERSION, "which version this is");
    app.require_subcommand(1);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);    // what a script sets can be overridden
    app.footer(
        "Examples:\n"
        "  lull train --minutes 10 --outdir runs/ten    # a small model on Fashion-MNIST\n"
        "  lull sample runs/ten                         # a picture of 64 images that it draws\n"
        "  lull help train                              # all that can be said to a command\n"
        "Settings are flags, or lines of a file that --config names. What goes wrong is said in one line.");
    add_train_command(app);
    add_sample_command(app);
    add_denoise_command(app);
    add_export_command(app);
    add_inspect_command(app);
    add_data_command(app);
    add_noise_level_command(app);
    add_manual_commands(app);
    check_flags(app);
    ConfigFile config;
    app.parse_complete_callback([&] {    // all flags are known, and nothing has run yet
        CLI::App& command = chosen_command(app);
        check_no_empty_values(command);
        const CLI::Option* file = command.get_option_no_throw("--config");
        if (file && file->count() > 0) config.apply(command, file->as<std::string>());
    });
    try {
        check_machine();
        app.parse(argc, argv);
        return finish();
    } catch (const CLI::Success& asked_for) {    // --help, --version
        app.exit(asked_for);
        return finish();
    } catch (const CLI::ParseError& error) {
        return complain(config.attributed(parse_error(app, error)), kUsage);
    } catch (const UsageError& error) {
        return complain(config.attributed(error.what()), kUsage);
    } catch (const Interrupted& stop) { return complain(stop.what(), stop.status()); } catch (const std::bad_alloc&) {
        return complain("out of memory; a smaller --batch needs less", kFailed);
    } catch (const std::exception& error) { return complain(config.attributed(error.what()), kFailed); }
}

}    // namespace lull
