#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>

#include "engine/cuda/runtime.h"
#include "engine/threads.h"

#ifdef LULL_KERNELS_UNDER_TSAN
// At the end of each test it would wait a second for races of threads that still run: kernels' threads do not.
extern "C" const char* __tsan_default_options() { return "atexit_sleep_ms=0"; }
#endif

int main(int argc, char** argv) {
    // Tests of CUDA pass where there is none. Whoever wants them run says so (scripts/gpu_check.sh).
    if (std::getenv("LULL_REQUIRE_CUDA")) {
        if (!lull::cuda::available()) {
            std::cerr << "CUDA is required, but " << lull::cuda::unavailable() << '\n';
            return 2;
        }
        std::cout << "CUDA: " << lull::cuda::device_name() << '\n';
    }
#ifdef LULL_CUDA_HOST
    // There ThreadSanitizer watches the kernels alone: it would not see how the threads of the CPU wait for each other.
    lull::set_thread_count(1);
#endif
    return doctest::Context(argc, argv).run();
}
