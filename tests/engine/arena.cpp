#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "engine/ops.h"
#include "engine/storage.h"
#include "engine/tensor.h"

using namespace lull;

// AddressSanitizer wants every block fresh: nothing is cached then.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kCaches = false;
#else
constexpr bool kCaches = true;
#endif

TEST_CASE("blocks are aligned, and empty ones exist") {
    for (const std::size_t bytes : {0, 1, 63, 64, 65, 1000}) {
        void* block = arena::allocate(bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(block) % kAlignment == 0);
        arena::release(block);
    }
}

TEST_CASE("a request gets the lowest of the smallest free blocks that hold it, and the rest of it stays free" *
          doctest::skip(!kCaches)) {
    const auto allocate = [](std::size_t units) { return static_cast<std::byte*>(arena::allocate(64 * units)); };
    arena::free_cached();
    std::byte *const large = allocate(1000), *const wall = allocate(1), *const small = allocate(100), *const end = allocate(1);
    REQUIRE(end - large == 64 * 1101);    // side by side
    arena::release(large);
    arena::release(small);
    CHECK(allocate(80) == small);
    CHECK(allocate(20) == small + 64 * 80);
    CHECK(allocate(20) == large);
    CHECK(allocate(1000) == end + 64);
    CHECK(allocate(980) == large + 64 * 20);
    for (const int unit : {0, 20}) arena::release(large + 64 * unit);
    for (const int unit : {0, 80}) arena::release(small + 64 * unit);
    for (std::byte* block : {wall, end, end + 64}) arena::release(block);
    CHECK(allocate(2102) == large);    // everything is one block again
    arena::release(large);
    arena::free_cached();
    CHECK(arena::use().cached == 0);
}

TEST_CASE("blocks of a long random sequence keep what was written to them, and end as one") {
    arena::free_cached();
    const MemoryUse before = arena::use();
    struct Held {
        unsigned char* data;
        std::size_t bytes;
        int value;
    };
    std::vector<Held> held;
    std::mt19937 random(1);
    const auto release = [&](std::size_t i) {
        const auto [data, bytes, value] = held[i];
        CHECK(std::all_of(data, data + bytes, [value = value](int byte) { return byte == value; }));
        arena::release(data);
        held[i] = held.back();
        held.pop_back();
    };
    for (int i = 0; i < 3000; ++i) {
        if (held.size() > 40 || (!held.empty() && random() % 2)) {
            release(random() % held.size());
        } else {
            const std::size_t bytes = random() % (random() % 8 ? 5000 : 200000);
            held.push_back({static_cast<unsigned char*>(arena::allocate(bytes)), bytes, i % 251});
            std::memset(held.back().data, held.back().value, bytes);
        }
        if (i % 500 == 0) arena::free_cached();
    }
    while (!held.empty()) release(0);
    arena::free_cached();
    CHECK(arena::use().active == before.active);
    CHECK(arena::use().cached == before.cached);
}

TEST_CASE("what is freed between blocks in use goes back to the system, too" * doctest::skip(!kCaches)) {
    constexpr std::size_t kBytes = 4 << 20;
    auto* const block = static_cast<unsigned char*>(arena::allocate(kBytes));
    void* const wall = arena::allocate(1);
    std::memset(block, 1, kBytes);
    arena::release(block);
    arena::free_cached();
    CHECK(arena::allocate(kBytes) == block);
    // All but the ends, which may share pages with their neighbours, is as Linux gives new pages.
    CHECK(std::all_of(block + 4096, block + kBytes - 4096, [](int byte) { return byte == 0; }));
    arena::release(block);
    arena::release(wall);
}

TEST_CASE("active, peak and cached bytes are counted") {
    arena::free_cached();
    const auto before = arena::use().active;
    arena::reset_peak();
    {
        const Tensor a = empty({16, 64});    // 4096 bytes
        const Tensor view = a.slice(0, 0, 3), handle = a;
        CHECK(arena::use().active - before == 4096);
        const Tensor b = empty({16});
        CHECK(arena::use().active - before == 4096 + 64);
    }
    const MemoryUse after = arena::use();
    CHECK(after.active == before);
    CHECK(after.peak - before == 4096 + 64);
    CHECK(after.cached == (kCaches ? 4096 + 64 : 0));
}

TEST_CASE("a training loop asks the system for nothing after its first step") {
    arena::free_cached();
    Tensor w = ones({64, 64});
    w.requires_grad();
    const Tensor x = ones({32, 64});
    const auto step = [&] {
        mean(sq(silu(x.reshape({32, 1, 64}) * w.reshape({1, 64, 64})))).backward();
        const MemoryUse use = arena::use();
        return use.active + use.cached;    // all that was ever touched
    };
    step();
    const auto second = step();
    for (int i = 0; i < 3; ++i) CHECK((step() == second || !kCaches));
}

TEST_CASE("memory that someone else owns is used, and kept alive, but not released") {
    const auto owner = std::make_shared<std::vector<float>>(4, 2.f);
    const std::weak_ptr<std::vector<float>> watch = owner;
    {
        const Tensor x(std::make_shared<Storage>(owner->data(), 16, owner), {2, 2}, DType::f32);
        CHECK(x.values() == std::vector<double>(4, 2));
        CHECK(owner.use_count() == 2);
    }
    CHECK(watch.use_count() == 1);
}

TEST_CASE("threads may allocate and release at once") {
    const auto before = arena::use().active;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([t] {
            for (int i = 1; i < 500; ++i) {
                const std::size_t bytes = static_cast<std::size_t>(64 * (i % 17 + 1));
                void* block = arena::allocate(bytes);
                std::memset(block, t, bytes);
                arena::release(block);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(arena::use().active == before);
}

TEST_CASE("a guard sees writes beyond a block, and fills new blocks with NaN") {
    const arena::Guard guard;
    {
        Tensor x = empty({5});
        CHECK(std::isnan(x.values()[4]));
        std::fill_n(x.data<float>(), 5, 1.f);
    }
    CHECK(guard.overruns() == 0);
    {
        Tensor x = empty({5});
        std::fill_n(x.data<float>(), 6, 1.f);
    }
    CHECK(guard.overruns() == 1);
}
