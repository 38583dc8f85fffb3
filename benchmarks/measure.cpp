#include "benchmarks/measure.h"

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/cpu/bf16_pairs.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/simd.h"
#include "engine/tensor.h"
#include "engine/threads.h"

namespace lull {
namespace {

double seconds(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}    // namespace

Milliseconds now() { return {1e3 * seconds(CLOCK_MONOTONIC), 1e3 * seconds(CLOCK_PROCESS_CPUTIME_ID)}; }

// Field 22 of proc(5)'s stat, in clock ticks since the machine started. Field 2 is the program's name in brackets.
double seconds_since_process_start() {
    std::string stat;
    std::getline(std::ifstream("/proc/self/stat"), stat);
    std::istringstream fields(stat.substr(stat.rfind(')') + 1));
    std::string field;
    for (int i = 3; i <= 22; ++i) fields >> field;
    return seconds(CLOCK_BOOTTIME) - std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double peak_gflops(DType dtype, double at_least) {
    constexpr int kChains = 16;    // a unit is done with a multiply-add after four or five more have begun
    constexpr std::int64_t kSteps = 100'000;
    const auto seconds = [&](const auto& multiply_add) {
        return best_time(
            [&] {
                cpu::parallel_for(thread_count(), [&](std::int64_t) {
                    const cpu::Tag<float> d;
                    cpu::Vec<float> sum[kChains];
                    for (int i = 0; i < kChains; ++i) sum[i] = cpu::hn::Set(d, static_cast<float>(i));
                    for (std::int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
                        for (int i = 0; i < kChains; ++i) sum[i] = multiply_add(sum[i]);
                    }
                    for (int i = 1; i < kChains; ++i) sum[0] = cpu::hn::Add(sum[0], sum[i]);
                    if (cpu::hn::GetLane(sum[0]) < 0) std::abort();    // never: but the compiler must not know
                });
            },
            at_least);
    };
    const cpu::Tag<float> d;
    const auto a = cpu::hn::Set(d, 0.999f), b = cpu::hn::Set(d, 1e-3f);
    const double gflop = 2e-9 * kChains * kSteps * cpu::lanes<float>() * thread_count();
    if (dtype == DType::f32) return gflop / seconds([=](cpu::Vec<float> sum) { return cpu::hn::MulAdd(sum, a, b); });
    const auto pairs = cpu::pair_of(b, b);
    return 2 * gflop / seconds([=](cpu::Vec<float> sum) { return cpu::add_products(pairs, pairs, sum); });
}

// With stores past the caches, as the quickest copies have them.
double copy_bandwidth() {
    constexpr std::int64_t kFloats = 64 << 20, kGrain = 1 << 18;
    const Tensor from = ones({kFloats});
    Tensor to = zeros({kFloats});
    const float* const source = from.data<float>();
    float* const target = to.data<float>();
    const double best = best_time([&] {
        cpu::parallel_ranges(kFloats, kGrain, [&](std::int64_t begin, std::int64_t end) {
            const cpu::Tag<float> d;
            for (std::int64_t i = begin; i < end; i += cpu::lanes<float>())
                cpu::hn::Stream(cpu::hn::Load(d, source + i), d, target + i);
        });
    });
    arena::free_cached();
    return 2e-9 * sizeof(float) * kFloats / best;
}

}    // namespace lull
