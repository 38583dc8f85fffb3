#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
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

TEST_CASE("a freed block is given to the next request that fills it well enough") {
    arena::free_cached();
    void* first = arena::allocate(64 * 1000);
    arena::release(first);
    if (kCaches) {
        void* small = arena::allocate(64 * 700);    // less than three quarters
        CHECK(small != first);
        void* fitting = arena::allocate(64 * 800);
        CHECK(fitting == first);
        void* second = arena::allocate(64 * 800);    // taken already
        CHECK(second != first);
        for (void* block : {small, fitting, second}) arena::release(block);
    }
    arena::free_cached();
    CHECK(arena::use().cached == 0);
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
        return use.active + use.cached;    // all that was ever taken from the system
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
