#include "engine/threads.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "engine/error.h"

namespace lull {

namespace {
std::atomic<int> chosen = 0;
}

int thread_count() {
    const int threads = chosen;
    if (threads > 0) return threads;
    static const int processors = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 1024u));
    return processors;
}

void set_thread_count(int threads) {
    check(threads >= 1 && threads <= 1024, "threads", "expected 1 to 1024, got ", threads);
    chosen = threads;
}

}    // namespace lull
