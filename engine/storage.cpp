#include "engine/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "engine/cuda/runtime.h"
#include "engine/error.h"

namespace lull {

namespace {

constexpr int kUnwritten = 0xFF, kZoneByte = 0xA5;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

// compute-sanitizer is at work, says who calls it (scripts/gpu_check.sh).
const bool kComputeSanitizer = std::getenv("LULL_COMPUTE_SANITIZER") != nullptr;

// Where an arena's memory comes from, and what tests do with it.
struct System {
    void* (*allocate)(std::size_t bytes);    // null when there is no more
    void (*free)(void* memory);
    void (*fill)(void* memory, int byte, std::size_t bytes);
    void (*read)(const void* memory, void* to, std::size_t bytes);
    bool exact = false;    // something sees what goes beyond a block's last byte: no rounding up, no zones
    bool reuses = !kAddressSanitizer;
};

// Large blocks lie in huge pages where Linux gives them: the first touch of a 4 KiB page costs as much as writing it, and
// kernels that stride through megabytes would miss the table of small pages.
void* aligned_memory(std::size_t bytes) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    if (bytes < kHugePage) return std::aligned_alloc(kAlignment, bytes);
    void* memory = nullptr;
    if (posix_memalign(&memory, kHugePage, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);    // the rest of it would be wasted
#endif
    return memory;
}

const System cpu_system{.allocate = aligned_memory,
                        .free = [](void* memory) { std::free(memory); },
                        .fill = [](void* memory, int byte, std::size_t bytes) { std::memset(memory, byte, bytes); },
                        .read = [](const void* memory, void* to, std::size_t bytes) { std::memcpy(to, memory, bytes); }};
const System cuda_system{.allocate = cuda::allocate,
                         .free = cuda::free,
                         .fill = cuda::fill,
                         .read = cuda::download,
                         .exact = kAddressSanitizer || kComputeSanitizer,
                         .reuses = !kAddressSanitizer && !kComputeSanitizer};

class Arena {
  public:
    explicit Arena(const System& system) : system_(system) {}
    ~Arena() { free_all(); }

    void* allocate(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        const bool zoned = guards > 0 && !system_.exact;
        const std::size_t least = std::max<std::size_t>(bytes, 1), zone = zoned ? kAlignment : 0;
        const std::size_t wanted = system_.exact ? least : (least + zone + kAlignment - 1) / kAlignment * kAlignment;
        auto [block, capacity] = reuse(wanted);
        if (!block) std::tie(block, capacity) = std::pair(from_system(wanted), wanted);
        use_.active += static_cast<std::int64_t>(capacity);
        use_.peak = std::max(use_.peak, use_.active);
        if (guards > 0) {
            system_.fill(block, kUnwritten, bytes);
            if (zoned) system_.fill(static_cast<std::byte*>(block) + bytes, kZoneByte, capacity - bytes);
        }
        active_[block] = {capacity, zoned ? bytes : capacity};
        return block;
    }

    void release(void* block) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = active_.find(block);
        const auto [capacity, guarded_from] = found->second;
        active_.erase(found);
        use_.active -= static_cast<std::int64_t>(capacity);
        if (is_damaged(block, capacity, guarded_from)) ++overruns_;
        if (!system_.reuses) return system_.free(block);    // so that a sanitizer sees what comes too late
        use_.cached += static_cast<std::int64_t>(capacity);
        free_.emplace(capacity, block);
    }

    void free_cached() {
        const std::lock_guard lock(mutex_);
        free_all();
    }

    MemoryUse use() {
        const std::lock_guard lock(mutex_);
        return use_;
    }

    void reset_peak() {
        const std::lock_guard lock(mutex_);
        use_.peak = use_.active;
    }

    std::int64_t overruns() {
        const std::lock_guard lock(mutex_);
        return overruns_;
    }

    static inline std::atomic<int> guards = 0;

  private:
    struct Active {
        std::size_t capacity;
        std::size_t guarded_from;    // bytes from here to the capacity are kZoneByte; the capacity itself for no guard
    };

    bool is_damaged(const void* block, std::size_t capacity, std::size_t guarded_from) const {
        if (guarded_from == capacity) return false;
        std::vector<unsigned char> zone(capacity - guarded_from);
        try {
            system_.read(static_cast<const std::byte*>(block) + guarded_from, zone.data(), zone.size());
        } catch (const Error&) {    // a device whose work has failed; the next synchronize says so
            return true;
        }
        return !std::all_of(zone.begin(), zone.end(), [](int byte) { return byte == kZoneByte; });
    }

    // The smallest free block that is large enough, if the request fills three quarters of it.
    std::pair<void*, std::size_t> reuse(std::size_t wanted) {
        const auto fit = free_.lower_bound(wanted);
        if (fit == free_.end() || fit->first / 4 * 3 > wanted) return {};
        const auto [capacity, block] = *fit;
        free_.erase(fit);
        use_.cached -= static_cast<std::int64_t>(capacity);
        return {block, capacity};
    }

    void free_all() {
        for (const auto& [capacity, block] : free_) system_.free(block);
        free_.clear();
        use_.cached = 0;
    }

    void* from_system(std::size_t bytes) {
        void* memory = system_.allocate(bytes);
        if (!memory) {
            free_all();    // perhaps what lies idle is enough
            memory = system_.allocate(bytes);
        }
        check(memory != nullptr, "memory", "out of memory: ", bytes >> 20, " MiB wanted, ", use_.active >> 20,
              " MiB in use; smaller batches, images or networks need less");
        return memory;
    }

    const System& system_;
    std::mutex mutex_;
    std::unordered_map<void*, Active> active_;
    std::multimap<std::size_t, void*> free_;
    MemoryUse use_;
    std::int64_t overruns_ = 0;
};

Arena& arena_of(Device device) {
    static Arena cpu(cpu_system), cuda(cuda_system);
    return device == Device::cpu ? cpu : cuda;
}

std::int64_t all_overruns() { return arena_of(Device::cpu).overruns() + arena_of(Device::cuda).overruns(); }

}    // namespace

namespace arena {
void* allocate(std::size_t bytes, Device device) { return arena_of(device).allocate(bytes); }
void release(void* block, Device device) noexcept { arena_of(device).release(block); }
MemoryUse use(Device device) { return arena_of(device).use(); }
void reset_peak(Device device) { arena_of(device).reset_peak(); }
void free_cached(Device device) { arena_of(device).free_cached(); }

Guard::Guard() : overruns_before_(all_overruns()) { ++Arena::guards; }
Guard::~Guard() { --Arena::guards; }
std::int64_t Guard::overruns() const { return all_overruns() - overruns_before_; }
}    // namespace arena

Storage::Storage(std::size_t bytes, Device device)
    : data_(arena::allocate(bytes, device)), bytes_(bytes), device_(device), borrowed_(false) {}
Storage::Storage(void* borrowed, std::size_t bytes, std::shared_ptr<void> owner)
    : data_(borrowed), bytes_(bytes), owner_(std::move(owner)), device_(Device::cpu), borrowed_(true) {}
Storage::~Storage() {
    if (!borrowed_) arena::release(data_, device_);
}

void Storage::changed() {
    const std::lock_guard lock(mutex_);
    ++version_;
    derived_.clear();
}

std::shared_ptr<const void> Storage::find_derived(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = derived_.find(key);
    return found == derived_.end() ? nullptr : found->second;
}

void Storage::keep_derived(const Key& key, std::shared_ptr<const void> value) {
    const std::lock_guard lock(mutex_);
    derived_[key] = std::move(value);
}

}    // namespace lull
