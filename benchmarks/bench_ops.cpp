// How near every operation of S16 and M32 comes to the machine's limits, which are measured in the same run.
//
//     bench_ops --filter 'conv3x3 .*64->64'
//     bench_ops --filter '^(group_norm|adamw)' --json
//
// Times are the best of many runs, so that other work on the machine disturbs little. Convolutions count the operations of the
// direct algorithm, so a quicker algorithm may exceed the peak; what fits in the caches may exceed the copy's bandwidth.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "benchmarks/measure.h"
#include "benchmarks/op_cases.h"
#include "engine/cpu/simd.h"
#include "engine/machine.h"
#include "engine/threads.h"

namespace {

using namespace lull;
using json = nlohmann::ordered_json;

struct Limits {
    double peak_gflops = lull::peak_gflops(DType::f32), peak_gflops_bf16 = lull::peak_gflops(DType::bf16);
    double copy_gb_per_s = copy_bandwidth();

    json to_json() const {
        return {{"peak_gflops", peak_gflops},
                {"peak_gflops_bf16", peak_gflops_bf16},
                {"copy_gb_per_s", copy_gb_per_s},
                {"threads", thread_count()},
                {"target", hwy::TargetName(HWY_TARGET)}};
    }
};

void time_case(const OpCase& c, DType precision, const Limits& limits, bool as_json) {
    // The peak is taken anew on both sides of each, since a virtual machine's processors come and go; the higher one counts.
    const double before = peak_gflops(precision, /*at_least=*/0.02);
    const double seconds = best_time(c.prepare());
    const double peak = std::max(before, peak_gflops(precision, /*at_least=*/0.02));
    const bool computes = c.flops > 0;
    const double speed = 1e-9 * (computes ? c.flops : c.bytes) / seconds;
    const double fraction = speed / (computes ? peak : limits.copy_gb_per_s);
    if (as_json) {
        std::cout << json{{"name", c.name},       {"ms", 1e3 * seconds}, {computes ? "gflops" : "gb_per_s", speed},
                          {"fraction", fraction}, {"in_s16", c.in_s16},  {"in_m32", c.in_m32}}
                  << std::endl;
    } else {
        std::printf("%-44s %9.3f ms %8.1f %-7s %4.0f%%\n", c.name.c_str(), 1e3 * seconds, speed, computes ? "GFLOP/s" : "GB/s",
                    100 * fraction);
        std::fflush(stdout);
    }
}

void print(const Limits& limits, bool as_json) {
    if (as_json)
        std::cout << limits.to_json() << std::endl;
    else
        std::printf("%.0f GFLOP/s of f32, %.0f of bf16 multiply-adds, %.1f GB/s of copying, %d threads, %s\n", limits.peak_gflops,
                    limits.peak_gflops_bf16, limits.copy_gb_per_s, thread_count(), hwy::TargetName(HWY_TARGET));
}

int run(int argc, char** argv) {
    CLI::App app("How near every operation of S16 and M32 comes to the machine's limits.");
    std::string filter;
    std::int64_t images = 32;
    DType precision = DType::f32;
    int threads = thread_count();
    bool as_json = false, only_limits = false, list = false;
    app.add_option("--filter", filter, "a regular expression: of the operations' names");
    app.add_option("--images", images, "in a batch")->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--precision", precision, "of activations and weights: f32 or bf16")
        ->transform(CLI::CheckedTransformer(std::map<std::string, DType>{{"f32", DType::f32}, {"bf16", DType::bf16}}));
    app.add_option("--threads", threads, "of lull's pool")->capture_default_str();
    app.add_flag("--json", as_json, "one JSON object per line, the machine's limits first");
    app.add_flag("--limits", only_limits, "only the machine's limits, as JSON");
    app.add_flag("--list", list, "only the names");
    CLI11_PARSE(app, argc, argv);

    check_machine();
    set_thread_count(threads);
    if (list) {
        for (const OpCase& c : op_cases(images, precision)) std::cout << c.name << '\n';
        return 0;
    }
    const Limits limits;
    print(limits, as_json || only_limits);
    if (only_limits) return 0;
    const std::regex wanted(filter);
    for (const OpCase& c : op_cases(images, precision))
        if (std::regex_search(c.name, wanted)) time_case(c, precision, limits, as_json);
    if (!as_json) print(Limits(), false);    // whether they stayed the same
    return 0;
}

}    // namespace

int main(int argc, char** argv) try { return run(argc, argv); } catch (const std::exception& error) {
    std::cerr << "bench_ops: " << error.what() << '\n';
    return 1;
}
