// lull: train diffusion models, and draw from them.
#include <fcntl.h>

#include <csignal>

#include "apps/lull/commands.h"

namespace {

// A file that lull opens must not get the number of a standard stream that was closed, and then its output. Reading from
// where one writes, and the other way round, stays an error.
void occupy_standard_streams() {
    for (int stream = 0; stream < 3; ++stream)
        if (::fcntl(stream, F_GETFD) < 0) static_cast<void>(::open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY));
}

}    // namespace

int main(int argc, char** argv) {
    occupy_standard_streams();
    std::signal(SIGPIPE, SIG_IGN);    // a long training outlives the `head` that its progress goes to
    std::signal(SIGXFSZ, SIG_IGN);    // a file that may not grow is an error of writing it
    return lull::run_command(argc, argv);
}
