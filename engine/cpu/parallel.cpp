// A pool of threads that sleep between jobs, after a short wait awake. OpenMP's runtime spins for milliseconds instead,
// and where other programs want the processors too, training was three times slower for it.
#include "engine/cpu/parallel.h"

#include <hwy/cache_control.h>

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/storage.h"
#include "engine/threads.h"

namespace lull::cpu {

namespace {

constexpr int kSpins = 4000;         // some 100 µs: longer than the serial code between most kernels
constexpr int kSpinsAtATime = 64;    // then whoever else wants the processor may have it: perhaps what is waited for

thread_local bool inside_job = false;

template <class Done>
void spin_until(const Done& done) {
    for (int i = 1; i < kSpins && !done(); ++i) {
        if (i % kSpinsAtATime == 0)
            std::this_thread::yield();
        else
            hwy::Pause();
    }
}

class ThreadPool {
  public:
    // The threads' scratch memory goes back to the arena when they end, so the arena must outlive the pool.
    ThreadPool() { arena::use(); }
    ~ThreadPool() {
        signal_ = kStop;
        signal_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    // One job at a time: the caller holds `busy`.
    void run(std::int64_t n, std::uint32_t helpers, void (*call)(const void*, std::int64_t), const void* context) {
        helpers = std::min(helpers, hire(helpers));
        n_ = n;
        call_ = call;
        context_ = context;
        next_ = 0;
        working_ = helpers;
        generation_ = (generation_ + 1) & kLastGeneration;
        signal_ = generation_ << kHelperBits | helpers;
        signal_.notify_all();
        take_pieces();
        spin_until([&] { return working_ == 0; });
        for (std::uint32_t left = working_; left != 0; left = working_) working_.wait(left);
    }

    std::mutex busy;

  private:
    // 1,023 helpers at most, as set_thread_count sees to. A thread would have to sleep through two million jobs for a
    // number to come again unseen.
    static constexpr int kHelperBits = 10;
    static constexpr std::uint32_t kHelpers = (1u << kHelperBits) - 1, kLastGeneration = (1u << 21) - 1, kStop = ~0u;

    // Makes the pool so large, or as large as the system allows. Returns its size.
    std::uint32_t hire(std::uint32_t wanted) {
        auto count = static_cast<std::uint32_t>(threads_.size());
        try {
            for (; count < wanted; ++count) threads_.emplace_back([this, count] { wait_for_jobs(count); });
        } catch (const std::system_error&) {}    // no more threads: the work gets done by those there are
        return count;
    }

    void take_pieces() {
        inside_job = true;
        for (std::int64_t i = next_++; i < n_; i = next_++) call_(context_, i);
        inside_job = false;
    }

    // The signal is a job's number and how many helpers it wants, in one word: a helper that sleeps through jobs that do
    // not want it cannot mistake one for another.
    void wait_for_jobs(std::uint32_t index) {
        for (std::uint32_t seen = 0;;) {
            spin_until([&] { return signal_ != seen; });
            signal_.wait(seen);
            seen = signal_;
            if (seen == kStop) return;
            if (index >= (seen & kHelpers)) continue;
            take_pieces();
            if (--working_ == 0) working_.notify_one();
        }
    }

    std::vector<std::thread> threads_;
    std::atomic<std::uint32_t> signal_ = 0, working_ = 0;
    std::atomic<std::int64_t> next_ = 0;
    std::uint32_t generation_ = 0;
    std::int64_t n_ = 0;
    void (*call_)(const void*, std::int64_t) = nullptr;
    const void* context_ = nullptr;
};

ThreadPool& the_pool() {
    static ThreadPool pool;
    return pool;
}

}    // namespace

int threads_for_a_loop() { return inside_job ? 1 : thread_count(); }

void run_on_pool(std::int64_t n, void (*call)(const void* context, std::int64_t i), const void* context) noexcept {
    const std::int64_t threads = std::min<std::int64_t>(n, thread_count());
    if (threads > 1 && !inside_job) {
        ThreadPool& pool = the_pool();
        if (const std::unique_lock lock(pool.busy, std::try_to_lock); lock) {
            return pool.run(n, static_cast<std::uint32_t>(threads - 1), call, context);
        }
    }
    for (std::int64_t i = 0; i < n; ++i) call(context, i);
}

}    // namespace lull::cpu
