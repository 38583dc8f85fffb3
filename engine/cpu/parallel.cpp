// A pool of threads that sleep between jobs, after a short wait awake. OpenMP's runtime spins for milliseconds instead,
// and where other programs want the processors too, training was three times slower for it.
#include "engine/cpu/parallel.h"

#include <hwy/cache_control.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/threads.h"

namespace lull::cpu {

namespace {

constexpr int kSpins = 1000;    // some 50 µs: longer than the serial code between most kernels

thread_local bool inside_job = false;

template <class Done>
void spin_until(const Done& done) {
    for (int i = 0; i < kSpins && !done(); ++i) hwy::Pause();
}

class ThreadPool {
  public:
    ~ThreadPool() {
        signal_ = kStop;
        signal_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    // One job at a time: the caller holds `busy`.
    void run(std::int64_t n, std::uint32_t helpers, void (*call)(const void*, std::int64_t), const void* context) {
        while (threads_.size() < helpers) {
            const auto index = static_cast<std::uint32_t>(threads_.size());
            threads_.emplace_back([this, index] { wait_for_jobs(index); });
        }
        n_ = n;
        call_ = call;
        context_ = context;
        next_ = 0;
        working_ = helpers;
        generation_ = (generation_ + 1) & 0x7fff;
        signal_ = generation_ << 16 | helpers;
        signal_.notify_all();
        take_pieces();
        spin_until([&] { return working_ == 0; });
        for (std::uint32_t left = working_; left != 0; left = working_) working_.wait(left);
    }

    std::mutex busy;

  private:
    static constexpr std::uint32_t kStop = 0xffff0000;

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
            if (index >= (seen & 0xffff)) continue;
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
