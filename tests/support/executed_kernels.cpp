// Where kernels are executed on the CPU, every test program says at its end which ones ran, in how many cases of operations:
// it appends lines to the file that LULL_EXECUTED_KERNELS names. tests/engine/cuda/kernels.cmake looks whether any is missing.
#ifdef LULL_CUDA_HOST
#include <cstdlib>
#include <fstream>

#include "engine/cuda/host/block.h"
#include "tests/support/op_case.h"

namespace {

struct AtExit {
    AtExit() { lull::cuda::host::executed_kernels(); }    // made before, so that it is destroyed after
    ~AtExit() {
        const char* const path = std::getenv("LULL_EXECUTED_KERNELS");
        if (!path) return;
        std::string lines = "cases " + std::to_string(lull::test::cases_run()) + '\n';
        for (const auto& [name, bytes] : lull::cuda::host::executed_kernels())
            lines += "kernel " + name + " with " + std::to_string(bytes) + '\n';
        std::ofstream(path, std::ios::app) << lines;
    }
} at_exit;

}    // namespace
#endif
