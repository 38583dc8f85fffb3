// lull: train diffusion models, and draw from them.
#include "apps/lull/commands.h"

int main(int argc, char** argv) { return lull::run_command(argc, argv); }
