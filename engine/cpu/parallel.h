// Threads for CPU kernels. How work is split never changes a result: a piece of work computes its outputs alone, in an
// order of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace lull::cpu {

// Calls call(context, i) for every i in [0, n) on the pool's threads and this one; the pieces are handed out in order, one
// at a time. Inside a piece of work, and while another thread of the program uses the pool, the caller does it all.
void run_on_pool(std::int64_t n, void (*call)(const void* context, std::int64_t i), const void* context) noexcept;

// How many threads a loop that began here would have: 1 inside a piece of work.
int threads_for_a_loop();

// Calls f(i) for every i in [0, n), on up to thread_count() threads. f must not throw.
template <class F>
void parallel_for(std::int64_t n, const F& f) {
    run_on_pool(
        n, [](const void* context, std::int64_t i) { (*static_cast<const F*>(context))(i); }, &f);
}

// As parallel_for, for f that may throw: calls f(i) for every i whose errors[i] is empty, and what it throws becomes errors[i].
template <class F>
void try_each(std::vector<std::string>& errors, const F& f) {
    parallel_for(std::ssize(errors), [&](std::int64_t i) {
        std::string& error = errors[static_cast<std::size_t>(i)];
        if (!error.empty()) return;
        try {
            f(static_cast<std::size_t>(i));
        } catch (const std::exception& problem) { error = problem.what(); }
    });
}

// Calls f(begin, end) on ranges of `grain` elements (the last may be shorter) that together are [0, n): for element-wise
// work, where a range must be long enough to be worth a thread's while.
template <class F>
void parallel_ranges(std::int64_t n, std::int64_t grain, const F& f) {
    parallel_for((n + grain - 1) / grain, [&](std::int64_t i) { f(i * grain, std::min(n, (i + 1) * grain)); });
}

}    // namespace lull::cpu
