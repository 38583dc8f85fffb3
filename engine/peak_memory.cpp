#include "engine/peak_memory.h"

#include <fstream>
#include <string>

namespace lull {

// VmHWM of proc(5)'s status, in KiB. getrusage's ru_maxrss is not it: that begins with what the program which started this one
// had at that moment.
std::int64_t peak_memory_mib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) / 1024;
    return 0;
}

}    // namespace lull
