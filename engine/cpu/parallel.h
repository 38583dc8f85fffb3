// Threads for CPU kernels. How work is split never changes a result: a piece of work computes its outputs alone, in an
// order of its own.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "engine/threads.h"

namespace lull::cpu {

// Calls f(i) for every i in [0, n); the pieces are handed out in order, one at a time. f must not throw.
template <class F>
void parallel_for(std::int64_t n, const F& f) {
    const int threads = static_cast<int>(std::min<std::int64_t>(n, thread_count()));
    if (threads <= 1) {
        for (std::int64_t i = 0; i < n; ++i) f(i);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t i = 0; i < n; ++i) f(i);
}

// Calls f(begin, end) on ranges of `grain` elements (the last may be shorter) that together are [0, n): for element-wise
// work, where a range must be long enough to be worth a thread's while.
template <class F>
void parallel_ranges(std::int64_t n, std::int64_t grain, const F& f) {
    parallel_for((n + grain - 1) / grain, [&](std::int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); });
}

}    // namespace lull::cpu
