#include "engine/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "engine/error.h"

namespace lull {

namespace {
std::atomic<int> chosen = 0;

// std::thread::hardware_concurrency() also counts processors that this process was kept away from (taskset, containers).
int allowed_processors() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return static_cast<int>(std::thread::hardware_concurrency());
}
}    // namespace

int thread_count() {
    const int threads = chosen;
    if (threads > 0) return threads;
    static const int processors = std::clamp(allowed_processors(), 1, 1024);
    return processors;
}

void set_thread_count(int threads) {
    check(threads >= 1 && threads <= 1024, "threads", "expected 1 to 1024, got ", threads);
    chosen = threads;
}

}    // namespace lull
