#include "engine/threads.h"

#include <omp.h>

#include <atomic>

#include "engine/error.h"

namespace lull {

namespace {
std::atomic<int> chosen = 0;
}

int thread_count() {
    const int threads = chosen;
    return threads > 0 ? threads : omp_get_max_threads();
}

void set_thread_count(int threads) {
    check(threads >= 1, "threads", "expected at least 1, got ", threads);
    chosen = threads;
}

}    // namespace lull
