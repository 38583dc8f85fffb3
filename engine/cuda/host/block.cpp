#include "engine/cuda/host/block.h"

#include <sys/mman.h>

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <vector>

#include "engine/cuda/device.h"
#include "engine/cuda/host/memory.h"
#include "engine/cuda/runtime.h"
#include "engine/error.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef LULL_FIBERS_UNDER_TSAN    // this file itself is compiled without ThreadSanitizer
#include <sanitizer/tsan_interface.h>
#endif

namespace lull::cuda::host {

namespace {

namespace context = boost::context::detail;

enum class State { ready, at_warp, at_block, done };

constexpr std::size_t kStack = std::size_t{256} << 10, kPage = 4096;
constexpr std::size_t kMostShown = 64;

// A stack with a page below it that must not be touched. Stacks are made once, and never taken apart.
std::byte* make_stack() {
    void* memory = mmap(nullptr, kStack + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(memory != MAP_FAILED, "cuda", "no memory for the stacks of a block's threads");
    mprotect(memory, kPage, PROT_NONE);
    return static_cast<std::byte*>(memory) + kPage;
}

// copies: only the fiber itself touches their memory, which ThreadSanitizer sees it allocate and free. What else the sanitizers
// are told about fibers is nothing without them.
struct Fiber {
    context::fcontext_t at{};
    std::byte* stack = make_stack();
    std::vector<AsyncCopy> copies{};
    int groups = 0;    // of copies, that have been committed
#ifdef __SANITIZE_ADDRESS__
    void* fake_stack = nullptr;
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
    void* tsan = __tsan_create_fiber(0);
#endif
};

struct Thread {
    Dim3 index{};
    State state = State::ready;
    Place place{};    // where it waits
    std::uint32_t shown[kMostShown / 4] = {};
};

#ifdef LULL_FIBERS_UNDER_TSAN
// Barriers as ThreadSanitizer sees them: before it waits a thread releases the tag of the barrier's turn, and acquires it
// after. Tags change from turn to turn: with one tag, each thread's release would order it before the next one's acquire.
struct Order {
    char tags[3] = {};
    unsigned turn = 0;
    void before() { __tsan_release(&tags[turn % 3]); }
    void after(unsigned of_turn) { __tsan_acquire(&tags[of_turn % 3]); }
};
#else
struct Order {
    unsigned turn = 0;
    void before() {}
    void after(unsigned) {}
};
#endif

class Grid;
thread_local Grid* now = nullptr;    // whose threads this thread of the CPU runs
int shared_fill = 0x7f;              // floats of about 3.4e38

std::map<std::string, std::size_t>& executed() {
    static std::map<std::string, std::size_t> kernels;
    return kernels;
}

std::string text(const Dim3& d) {
    return '(' + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ')';
}

std::string text(const Place& place) {
    const std::string file = place.file_name();
    const std::size_t inside = file.rfind("engine/");
    return (inside == file.npos ? file : file.substr(inside)) + ':' + std::to_string(place.line());
}

// Fibers are used again by the next launch.
std::vector<std::unique_ptr<Fiber>>& fibers(std::size_t count) {
    thread_local std::vector<std::unique_ptr<Fiber>> all;
    while (all.size() < count) all.push_back(std::make_unique<Fiber>());
    return all;
}

class Grid {
  public:
    Grid(const Launch& how, std::string_view kernel, const std::function<void()>& body)
        : how_(how),
          kernel_(kernel),
          body_(body),
          count_(how.block.x * how.block.y * how.block.z),
          threads_(count_),
          fibers_(fibers(count_)),
          warps_((count_ + kWarp - 1) / kWarp) {
        check(count_ >= 1 && count_ <= 1024, kernel_, "expected 1 to 1024 threads in a block, got ", text(how.block));
        check(how.grid.y <= 65535 && how.grid.z <= 65535, kernel_, "expected a grid of at most 65535 blocks along y and z, got ",
              text(how.grid));
        check(how.shared_bytes <= most_shared_bytes(), kernel_, "expected at most ", most_shared_bytes(),
              " bytes of shared memory, got ", how.shared_bytes);
    }

    ~Grid() {
        now = nullptr;
#ifdef __SANITIZE_ADDRESS__
        // A thread that a failure has left inside the kernel leaves marks on its stack, which the next launch uses.
        for (unsigned i = 0; i < count_; ++i) {
            if (threads_[i].state != State::done) ASAN_UNPOISON_MEMORY_REGION(fibers_[i]->stack, kStack);
        }
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
        join_threads();
        if (all_shared_) munmap(all_shared_, all_shared_bytes_);
#endif
    }

    void run() {
        const DeviceMemoryOpen open;
        now = this;
#ifdef LULL_FIBERS_UNDER_TSAN
        // Every block's shared memory lies elsewhere: blocks are not ordered, so one's accesses would race with the next one's.
        const std::size_t blocks = std::size_t{how_.grid.x} * how_.grid.y * how_.grid.z;
        all_shared_bytes_ = std::max<std::size_t>(kPage, blocks * aligned(how_.shared_bytes));
        void* memory =
            mmap(nullptr, all_shared_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        check(memory != MAP_FAILED, kernel_, "no memory for the shared memory of ", blocks, " blocks");
        all_shared_ = static_cast<std::byte*>(memory);
        std::size_t used = 0;
        __tsan_release(&launched_);    // after mmap, which counts as a write
#endif
        for (block_.z = 0; block_.z < how_.grid.z; ++block_.z) {
            for (block_.y = 0; block_.y < how_.grid.y; ++block_.y) {
                for (block_.x = 0; block_.x < how_.grid.x; ++block_.x) {
#ifdef LULL_FIBERS_UNDER_TSAN
                    shared_ = all_shared_ + used;
                    used += aligned(how_.shared_bytes);
                    for (std::size_t i = 0; i < how_.shared_bytes; ++i) shared_[i] = static_cast<std::byte>(shared_fill);
                    run_block();
#else
                    const std::unique_ptr<std::byte, AlignedDelete> shared(
                        static_cast<std::byte*>(operator new (how_.shared_bytes, std::align_val_t{kSharedAlignment})));
                    std::memset(shared.get(), shared_fill, how_.shared_bytes);
                    shared_ = shared.get();
                    run_block();
#endif
                }
            }
        }
    }

    // From a fiber: back to the scheduler, until what the thread waits for has come.
    void wait(State what, const Place& place) {
        Thread& thread = current();
        Order& order = what == State::at_warp ? warps_[running_ / kWarp] : whole_;
        const unsigned turn = order.turn;
        order.before();
        thread.state = what;
        thread.place = place;
        leave_fiber();
        order.after(turn);
    }

    Thread& current() { return threads_[running_]; }
    Fiber& fiber() { return *fibers_[running_]; }
    Thread& of_warp(int lane) { return threads_[running_ / kWarp * kWarp + static_cast<unsigned>(lane)]; }
    unsigned running() const { return running_; }
    const Dim3& block() const { return block_; }
    const Launch& how() const { return how_; }
    std::string_view kernel() const { return kernel_; }
    std::byte* shared() const { return shared_; }

  private:
    static constexpr std::size_t kSharedAlignment = 128;
    static std::size_t aligned(std::size_t bytes) { return (bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment; }
    struct AlignedDelete {
        void operator()(std::byte* memory) const { operator delete (memory, std::align_val_t{kSharedAlignment}); }
    };

    void run_block() {
        for (unsigned i = 0; i < count_; ++i) {
            threads_[i] = {.index = {i % how_.block.x, i / how_.block.x % how_.block.y, i / how_.block.x / how_.block.y}};
            Fiber& fiber = *fibers_[i];
            fiber.at = context::make_fcontext(fiber.stack + kStack, kStack, enter);
            fiber.copies.clear();
            fiber.groups = 0;
        }
        for (;;) {
            for (unsigned first = 0; first < count_; first += kWarp) run_warp(first, std::min(first + kWarp, count_));
            // Every thread waits at a barrier or is done.
            const auto waiting = [](const Thread& thread) { return thread.state == State::at_block; };
            const auto one = std::find_if(threads_.begin(), threads_.end(), waiting);
            if (one == threads_.end()) return;
            for (const Thread& thread : threads_) check_together(*one, thread, "a barrier");
            ++whole_.turn;
            for (Thread& thread : threads_) thread.state = State::ready;
        }
    }

    // Until all lanes wait for the block or are done.
    void run_warp(unsigned first, unsigned last) {
        for (;;) {
            for (unsigned i = first; i < last; ++i) {
                if (threads_[i].state == State::ready) resume(i);
            }
            const auto begin = threads_.begin() + first, end = threads_.begin() + last;
            const auto waiting = [](const Thread& thread) { return thread.state == State::at_warp; };
            const auto one = std::find_if(begin, end, waiting);
            if (one == end) return;
            for (auto lane = begin; lane != end; ++lane) check_together(*one, *lane, "an operation of the warp");
            ++warps_[first / kWarp].turn;
            for (auto lane = begin; lane != end; ++lane) lane->state = State::ready;
        }
    }

    // Both wait for the same thing at the same place.
    void check_together(const Thread& a, const Thread& b, const char* what) {
        if (b.state == a.state && b.place.line() == a.place.line() && b.place.column() == a.place.column() &&
            std::strcmp(b.place.file_name(), a.place.file_name()) == 0)
            return;
        fail(kernel_, "block ", text(block_), ": thread ", text(a.index), " waits at ", text(a.place), " for ", what,
             ", but thread ", text(b.index), ' ', b.state == State::done ? "has left the kernel" : "waits at " + text(b.place));
    }

    void resume(unsigned i) {
        running_ = i;
        Fiber& fiber = *fibers_[i];
#ifdef __SANITIZE_ADDRESS__
        void* fake_stack = nullptr;
        __sanitizer_start_switch_fiber(&fake_stack, fiber.stack, kStack);
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
        __tsan_switch_to_fiber(fiber.tsan, __tsan_switch_to_fiber_no_sync);
#endif
        fiber.at = context::jump_fcontext(fiber.at, nullptr).fctx;
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
        if (error_) std::rethrow_exception(error_);
    }

    void leave_fiber() {
        [[maybe_unused]] Fiber& fiber = *fibers_[running_];
#ifdef __SANITIZE_ADDRESS__
        const bool done = current().state == State::done;
        __sanitizer_start_switch_fiber(done ? nullptr : &fiber.fake_stack, scheduler_stack_, scheduler_stack_bytes_);
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
        __tsan_switch_to_fiber(main_, __tsan_switch_to_fiber_no_sync);
#endif
        scheduler_ = context::jump_fcontext(scheduler_, nullptr).fctx;
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(fiber.fake_stack, nullptr, nullptr);
#endif
    }

    static void enter(context::transfer_t from) {
        Grid& grid = *now;
        grid.scheduler_ = from.fctx;
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(nullptr, &grid.scheduler_stack_, &grid.scheduler_stack_bytes_);
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
        __tsan_acquire(&grid.launched_);
#endif
        try {
            grid.body_();
        } catch (...) {    // nothing can be thrown from a fiber's stack to another's
            grid.error_ = std::current_exception();
        }
#ifdef LULL_FIBERS_UNDER_TSAN
        __tsan_release(&grid.finished_);
#endif
        grid.current().state = State::done;
        grid.leave_fiber();
    }

#ifdef LULL_FIBERS_UNDER_TSAN
    // Whatever the threads did comes before what follows: also what those did that a failure has left where they wait. They get
    // new fibers, since the old ones are inside the kernel.
    void join_threads() {
        for (unsigned i = 0; i < count_; ++i) {
            if (threads_[i].state == State::done) continue;
            void*& fiber = fibers_[i]->tsan;
            __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
            __tsan_release(&finished_);
            __tsan_switch_to_fiber(main_, __tsan_switch_to_fiber_no_sync);
            __tsan_destroy_fiber(fiber);
            fiber = __tsan_create_fiber(0);
        }
        __tsan_acquire(&finished_);
    }
#endif

    const Launch& how_;
    std::string_view kernel_;
    const std::function<void()>& body_;
    unsigned count_, running_ = 0;
    Dim3 block_{};
    std::vector<Thread> threads_;
    std::vector<std::unique_ptr<Fiber>>& fibers_;
    std::vector<Order> warps_;
    Order whole_;
    std::byte* shared_ = nullptr;
    context::fcontext_t scheduler_{};
    std::exception_ptr error_;
#ifdef __SANITIZE_ADDRESS__
    const void* scheduler_stack_ = nullptr;
    std::size_t scheduler_stack_bytes_ = 0;
#endif
#ifdef LULL_FIBERS_UNDER_TSAN
    void* main_ = __tsan_get_current_fiber();
    char launched_ = 0, finished_ = 0;
    std::byte* all_shared_ = nullptr;
    std::size_t all_shared_bytes_ = 0;
#endif
};

}    // namespace

void run(const Launch& how, std::string_view kernel, const std::function<void()>& body) {
    std::size_t& most_shared = executed()[std::string(kernel)];
    most_shared = std::max(most_shared, how.shared_bytes);
    Grid(how, kernel, body).run();
}

const Dim3& thread_index() { return now->current().index; }
const Dim3& block_index() { return now->block(); }
const Dim3& block_size() { return now->how().block; }
const Dim3& grid_size() { return now->how().grid; }

std::byte* shared_memory(std::size_t bytes) {
    check(bytes <= now->how().shared_bytes, now->kernel(), "expected at most the ", now->how().shared_bytes,
          " bytes of shared memory that it was launched with, got a use of ", bytes);
    return now->shared();
}

void fail_misaligned(const void* address, int bytes) {
    fail(now->kernel(), "block ", text(now->block()), ": thread ", text(now->current().index), " accesses ", bytes,
         " bytes at an address that is ", reinterpret_cast<std::uintptr_t>(address) % static_cast<std::uintptr_t>(bytes),
         " bytes beyond a multiple of ", bytes);
}

void wait_for_block(const Place& place) { now->wait(State::at_block, place); }
void wait_for_warp(const Place& place) { now->wait(State::at_warp, place); }

int lane() { return static_cast<int>(now->running() % kWarp); }

void show(const void* value, std::size_t bytes, const Place& place) {
    const auto* words = static_cast<const std::uint32_t*>(value);
    for (std::size_t i = 0; i < bytes / 4; ++i) now->current().shown[i] = words[i];
    wait_for_warp(place);
}
const std::uint32_t* shown_by(int lane) { return now->of_warp(lane).shown; }
void shown(const Place& place) { wait_for_warp(place); }

void begin_copy(void* to, const void* from) {
    Fiber& fiber = now->fiber();
    fiber.copies.push_back({to, from, fiber.groups});
}
void commit_copies() { ++now->fiber().groups; }

bool next_copy(int pending, AsyncCopy& copy) {
    Fiber& fiber = now->fiber();
    const auto due = [&](const AsyncCopy& c) { return c.group < fiber.groups - pending; };
    const auto found = std::find_if(fiber.copies.begin(), fiber.copies.end(), due);
    if (found == fiber.copies.end()) return false;
    copy = *found;
    fiber.copies.erase(found);
    return true;
}

void set_shared_fill(int byte) { shared_fill = byte; }
const std::map<std::string, std::size_t>& executed_kernels() { return executed(); }

}    // namespace lull::cuda::host
