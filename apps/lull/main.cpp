// lull: train diffusion models and sample from them.
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "apps/lull/commands.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

int run(int argc, char** argv) {
    CLI::App app("Train diffusion models, and sample from them.", "lull");
    app.set_version_flag("--version", "lull " LULL_VERSION);
    app.require_subcommand(1);
    lull::add_train_command(app);
    lull::add_sample_command(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked_for) {    // --help, --version
        return app.exit(asked_for);
    } catch (const CLI::ParseError& error) {
        std::cerr << "lull: " << error.what() << '\n';
        return kUsage;
    }
    return 0;
}

}    // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "lull: " << error.what() << '\n';
        return kFailed;
    }
}
