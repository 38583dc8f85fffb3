#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#ifdef LULL_CUDA_HOST
#include "engine/threads.h"
#endif

int main(int argc, char** argv) {
#ifdef LULL_CUDA_HOST
    // There ThreadSanitizer watches the kernels alone: it would not see how the threads of the CPU wait for each other.
    lull::set_thread_count(1);
#endif
    return doctest::Context(argc, argv).run();
}
