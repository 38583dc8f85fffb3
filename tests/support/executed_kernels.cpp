// Where kernels are executed on the CPU, every test program appends the names of those that ran to the file that
// LULL_EXECUTED_KERNELS names: tests/engine/cuda/kernels.cmake looks whether any is missing.
#ifdef LULL_CUDA_HOST
#include <cstdlib>
#include <fstream>

#include "engine/cuda/host/block.h"

namespace {

struct AtExit {
    AtExit() { lull::cuda::host::executed_kernels(); }    // made before, so that it is destroyed after
    ~AtExit() {
        const char* const path = std::getenv("LULL_EXECUTED_KERNELS");
        if (!path) return;
        std::string lines;
        for (const std::string& name : lull::cuda::host::executed_kernels()) lines += name + '\n';
        std::ofstream(path, std::ios::app) << lines;
    }
} at_exit;

}    // namespace
#endif
