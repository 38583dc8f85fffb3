#include "apps/lull/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "apps/lull/config_file.h"
#include "apps/lull/interrupt.h"
#include "engine/did_you_mean.h"
#include "engine/machine.h"

namespace lull {
namespace {

constexpr int kDone = 0, kFailed = 1, kUsage = 2;

int complain(const std::string& message, int status) {
    std::cerr << "lull: " << message << '\n';
    return status;
}

// "; did you mean '--steps'?", or nothing.
std::string hint(const std::string& given, const std::vector<std::string>& known) {
    const std::vector<std::string_view> names(known.begin(), known.end());
    const std::string_view nearest = nearest_name(given, names);
    return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

// The command, or the command's command, that was asked for; the program itself when none was.
CLI::App& chosen_command(CLI::App& app) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    return chosen.empty() ? app : chosen_command(*chosen.front());
}

// What is wrong with arguments that nothing took.
std::string unknown_argument(const CLI::App& app) {
    const std::vector<std::string> extras = app.remaining(true);
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    std::vector<std::string> known;
    if (extras.empty()) return "expected a command: train or sample (lull --help)";
    if (chosen.empty()) {
        for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
        return "unknown command '" + extras.front() + "'" + hint(extras.front(), known) + " (train, sample)";
    }
    for (const CLI::Option* option : chosen.front()->get_options()) known.push_back(option->get_name());
    if (const std::string name = extras.front().substr(0, extras.front().find('='));
        std::find(known.begin(), known.end(), name) != known.end())
        return name + ": expected after the command: lull " + chosen.front()->get_name() + ' ' + name;
    return (extras.front().starts_with('-') ? "unknown option '" : "unexpected argument '") + extras.front() + "'" +
           hint(extras.front(), known);
}

std::string parse_error(const CLI::App& app, const CLI::ParseError& error) {
    const bool no_command = app.get_subcommands().empty();
    const bool not_taken = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    if (no_command || not_taken) return unknown_argument(app);
    const std::string message = error.what();
    if (dynamic_cast<const CLI::ExcludesError*>(&error))
        return message.substr(0, message.find(' ')) + ':' + message.substr(message.find(' ')) + "; give one of them";
    // Options take their last value, so that too few is all that can be wrong with the number of values.
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return message.substr(0, message.find(':')) + ": expected a value";
    return message;
}

}    // namespace

void add_machine_options(CLI::App& app, MachineOptions& options) {
    const std::string group = kMachineGroup;
    app.add_option("--threads", options.threads, "threads; the results are the same for any number (default: all processors)")
        ->type_name("N")
        ->check(whole_number(1, 4096))
        ->group(group);
    app.add_option("--device", options.device, "cpu or cuda")->type_name("NAME")->capture_default_str()->group(group);
    app.add_flag("--quiet", options.quiet, "no progress, only errors and the result's path")->group(group);
    app.add_option("--config", options.config, "TOML file with these settings, such as steps = 1300; flags win over it")
        ->type_name("FILE")
        ->configurable(false)
        ->group(group);
}

int run_command(int argc, const char* const* argv) {
    CLI::App app("Trains diffusion models, and draws from them.", "lull");
    app.set_version_flag("--version", "lull " LULL_VERSION);
    app.require_subcommand(1);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);    // what a script sets can be overridden
    app.get_formatter()->column_width(28);
    app.footer(
        "lull COMMAND --help says more.\n"
        "Example: lull train && lull sample runs/fashion-mnist-s16-001");
    add_train_command(app);
    add_sample_command(app);
    ConfigFile config;
    app.parse_complete_callback([&] {    // all flags are known, and nothing has run yet
        CLI::App& command = chosen_command(app);
        const CLI::Option* file = command.get_option_no_throw("--config");
        if (file && file->count() > 0) config.apply(command, file->as<std::string>());
    });
    try {
        check_machine();
        app.parse(argc, argv);
        return std::cout.flush() ? kDone : complain("cannot write to standard output", kFailed);
    } catch (const CLI::Success& asked_for) {    // --help, --version
        return app.exit(asked_for);
    } catch (const CLI::ParseError& error) {
        return complain(config.attributed(parse_error(app, error)), kUsage);
    } catch (const UsageError& error) {
        return complain(config.attributed(error.what()), kUsage);
    } catch (const Interrupted& stop) { return complain(stop.what(), stop.status()); } catch (const std::bad_alloc&) {
        return complain("out of memory; a smaller --batch needs less", kFailed);
    } catch (const std::exception& error) { return complain(config.attributed(error.what()), kFailed); }
}

}    // namespace lull
