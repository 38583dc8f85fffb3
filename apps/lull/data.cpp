// lull data: commands on the images that one trains on.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/data_stats.h"

namespace lull {
namespace {

constexpr const char* kStatsExamples =
    "Examples:\n"
    "  lull data stats                                 # Fashion-MNIST\n"
    "  lull data stats pictures --size 64 --fit pad    # how pictures of your own would be taken\n"
    "Prints count, size, classes, range, mean and standard deviation, and which noise levels suit them,\n"
    "with the flags that set them; writes a picture with examples of each class.";

void add_stats_command(CLI::App& data) {
    const auto settings = std::make_shared<DataStatsSettings>();
    CLI::App& stats = *data.add_subcommand("stats", "Say what a data set is and which noise suits it, and draw a sheet of it");
    stats.footer(kStatsExamples);
    CLI::Option* path = stats.add_option("PATH", settings->data.path, "the data set, as --data takes it")->option_text(" ");
    add_data_options(stats, settings->data);
    path->excludes("--data");
    stats.add_option("--outdir", settings->outdir, "folder of the picture data-NAME.png (default: the working folder)")
        ->type_name("DIR")
        ->group("Output");
    add_machine_options(stats, settings->machine);
    stats.final_callback([settings] { std::cout << show_data(*settings).string() << '\n'; });
}

}    // namespace

void add_data_command(CLI::App& app) {
    CLI::App& data = *app.add_subcommand("data", "Look at the images that a model is to be trained on");
    data.footer("Example:\n  lull data stats pictures");
    data.require_subcommand(1);
    add_stats_command(data);
}

}    // namespace lull
