// The subcommands of lull: each adds itself, with its options and the function that runs it.
#pragma once

namespace CLI {
class App;
}

namespace lull {

void add_train_command(CLI::App& app);
void add_sample_command(CLI::App& app);

}    // namespace lull
