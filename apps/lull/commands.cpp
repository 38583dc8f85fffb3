#include "apps/lull/commands.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "engine/did_you_mean.h"

namespace lull {
namespace {

constexpr int kDone = 0, kFailed = 1, kUsage = 2;

int complain(const std::string& message, int status) {
    std::cerr << "lull: " << message << '\n';
    return status;
}

// "unknown option '--stpes'; did you mean '--steps'?"
std::string unknown_argument(const CLI::App& app) {
    const std::vector<std::string> extras = app.remaining(true);
    if (extras.empty()) return "unknown argument";
    const std::string& given = extras.front();
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands())
        for (const CLI::Option* option : sub->get_options()) names.push_back(option->get_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view nearest = nearest_name(given, views);
    const std::string hint = nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
    return (given.starts_with('-') ? "unknown option '" : "unexpected argument '") + given + "'" + hint;
}

}    // namespace

void add_machine_options(CLI::App& app, MachineOptions& options) {
    const std::string group = "Machine";
    app.add_option("--threads", options.threads, "threads; the results are the same for any number (default: all processors)")
        ->type_name("N")
        ->check(whole_number(1, 4096))
        ->group(group);
    app.add_option("--device", options.device, "cpu or cuda")->type_name("NAME")->capture_default_str()->group(group);
    app.add_flag("--quiet", options.quiet, "no progress, only errors and the result's path")->group(group);
}

int run_command(int argc, const char* const* argv) {
    CLI::App app("Trains diffusion models, and draws from them.", "lull");
    app.set_version_flag("--version", "lull " LULL_VERSION);
    app.require_subcommand(1);
    app.get_formatter()->column_width(28);
    app.footer("lull COMMAND --help says more. Start: lull train");
    add_train_command(app);
    add_sample_command(app);
    try {
        app.parse(argc, argv);
        return kDone;
    } catch (const CLI::Success& asked_for) {    // --help, --version
        return app.exit(asked_for);
    } catch (const CLI::ExtrasError&) { return complain(unknown_argument(app), kUsage); } catch (const CLI::ParseError& error) {
        return complain(error.what(), kUsage);
    } catch (const UsageError& error) { return complain(error.what(), kUsage); } catch (const std::exception& error) {
        return complain(error.what(), kFailed);
    }
}

}    // namespace lull
