#include "engine/cpu/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"

namespace lull {

namespace {

// How often each of n pieces was done.
std::vector<int> visits(std::int64_t n) {
    std::vector<std::atomic<int>> counts(static_cast<std::size_t>(n));
    cpu::parallel_for(n, [&](std::int64_t i) { ++counts[static_cast<std::size_t>(i)]; });
    return {counts.begin(), counts.end()};
}

std::vector<int> once(std::int64_t n) { return std::vector<int>(static_cast<std::size_t>(n), 1); }

}    // namespace

TEST_CASE("parallel_for does every piece once, whatever the threads") {
    const int before = thread_count();
    for (const int threads : {1, 2, 5, 3, 8, 1, 4}) {    // a pool that grows, and is used in part
        set_thread_count(threads);
        for (const std::int64_t n : {0, 1, 2, 7, 1000}) {
            for (int repeat = 0; repeat < 20; ++repeat) CHECK(visits(n) == once(n));
        }
    }
    set_thread_count(before);
}

TEST_CASE("a loop inside a piece of work runs on the thread it is in") {
    const int before = thread_count();
    set_thread_count(3);
    std::atomic<int> strays = 0;
    cpu::parallel_for(8, [&](std::int64_t) {
        const auto here = std::this_thread::get_id();
        cpu::parallel_for(50, [&](std::int64_t) { strays += std::this_thread::get_id() != here; });
    });
    CHECK(strays == 0);
    set_thread_count(before);
}

TEST_CASE("several threads of a program may start loops at once") {
    const int before = thread_count();
    set_thread_count(2);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&] {
            for (int repeat = 0; repeat < 200; ++repeat) wrong += visits(9) != once(9);
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
    set_thread_count(before);
}

TEST_CASE("parallel_ranges covers all elements in ranges of the grain") {
    std::vector<int> counts(1003);
    cpu::parallel_ranges(1003, 100, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++counts[static_cast<std::size_t>(i)];
    });
    CHECK(counts == once(1003));
}

TEST_CASE("a thread count below one is an error") { CHECK_THROWS_AS(set_thread_count(0), Error); }

}    // namespace lull
