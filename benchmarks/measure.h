// What the benchmarks measure with: clocks, memory, and the machine's own limits.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/dtype.h"

namespace lull {

// wall's clock, and the processor time of all threads: on a busy machine, cpu / threads says more.
struct Milliseconds {
    double wall = 0, cpu = 0;
};
Milliseconds now();
inline Milliseconds operator-(const Milliseconds& a, const Milliseconds& b) { return {a.wall - b.wall, a.cpu - b.cpu}; }

double seconds_since_process_start();    // to a hundredth of a second

double median(std::vector<double> values);    // of at least one

// Seconds of the quickest of many runs of f, at least five and `at_least` seconds of them: other work on the machine disturbs
// the quickest least.
template <class F>
double best_time(const F& f, double at_least = 0.2) {
    f();
    double best = 1e30, total = 0;
    for (int runs = 0; runs < 5 || total < at_least; ++runs) {
        const Milliseconds begin = now();
        f();
        const double seconds = 1e-3 * (now() - begin).wall;
        best = std::min(best, seconds);
        total += seconds;
    }
    return best;
}

// All threads at once: multiply-adds between registers in GFLOP/s, of f32 or of pairs of bf16 (engine/cpu/bf16_pairs.h); and a
// copy of memory much larger than the caches, in GB/s, read and written bytes both counted.
double peak_gflops(DType dtype, double at_least = 0.2);
double copy_bandwidth();

}    // namespace lull
