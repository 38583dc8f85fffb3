#include "engine/storage.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>

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
    std::size_t segment;                     // bytes to ask for at once, if there are so many
    std::size_t alignment;                   // of blocks, and the unit of their sizes
    void* (*allocate)(std::size_t bytes);    // null when there is no more
    void (*free)(void* memory);
    void (*forget)(std::byte* begin, std::byte* end);    // contents that nobody needs; null: that would save nothing
    void (*fill)(void* memory, int byte, std::size_t bytes);
    void (*read)(const void* memory, void* to, std::size_t bytes);
    bool exact = false;    // something sees what goes beyond a block's last byte: no rounding up, no zones
    bool reuses = !kAddressSanitizer;
};

// In huge pages where Linux gives them: the first touch of a 4 KiB page costs as much as writing it, and kernels that stride
// through megabytes would miss the table of small pages.
void* huge_pages(std::size_t bytes) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    if (bytes < kHugePage) return std::aligned_alloc(kAlignment, bytes);
    void* memory = nullptr;
    if (posix_memalign(&memory, kHugePage, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);    // the rest of it would be wasted
#endif
    return memory;
}

void forget_pages(std::byte* begin, std::byte* end) {
    static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(begin) + page - 1) / page * page;
    const std::uintptr_t last = reinterpret_cast<std::uintptr_t>(end) / page * page;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

// Linux gives pages when they are touched: a large segment costs nothing.
const System cpu_system{.segment = std::size_t{1} << 30,
                        .alignment = kAlignment,
                        .allocate = huge_pages,
                        .free = [](void* memory) { std::free(memory); },
                        .forget = forget_pages,
                        .fill = [](void* memory, int byte, std::size_t bytes) { std::memset(memory, byte, bytes); },
                        .read = [](const void* memory, void* to, std::size_t bytes) { std::memcpy(to, memory, bytes); }};
const System cuda_system{.segment = std::size_t{64} << 20,
                         .alignment = 256,    // as cudaMalloc's: libraries choose their kernels by it
                         .allocate = cuda::allocate,
                         .free = cuda::free,
                         .forget = nullptr,
                         .fill = cuda::fill,
                         .read = cuda::download,
                         .exact = kAddressSanitizer || kComputeSanitizer,
                         .reuses = !kAddressSanitizer && !kComputeSanitizer};

// The system gives segments, which are cut into blocks without gaps. Neighbours that are free become one block.
class Arena {
  public:
    explicit Arena(const System& system) : system_(system) {}
    ~Arena() { free_all(); }

    void* allocate(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        const bool zoned = guards > 0 && !system_.exact;
        const std::size_t least = std::max<std::size_t>(bytes, 1), zone = zoned ? kAlignment : 0;
        const std::size_t wanted =
            system_.exact ? least : (least + zone + system_.alignment - 1) / system_.alignment * system_.alignment;
        auto& [data, block] = *take(wanted);
        block.guarded_from = zoned ? bytes : wanted;
        active_ += wanted;
        peak_ = std::max(peak_, active_);
        if (guards > 0) {
            system_.fill(data, kUnwritten, bytes);
            if (zoned) system_.fill(data + bytes, kZoneByte, wanted - bytes);
        }
        return data;
    }

    void release(void* data) noexcept {
        const std::lock_guard lock(mutex_);
        auto block = blocks_.find(static_cast<std::byte*>(data));
        if (is_damaged(*block)) ++overruns_;
        active_ -= block->second.bytes;
        if (!starts_segment(block) && std::prev(block)->second.free) block = joined(std::prev(block));
        if (const auto next = std::next(block); next != blocks_.end() && next->second.free && !starts_segment(next))
            block = joined(block);
        block->second.free = true;
        free_.emplace(block->second.bytes, block->first);
        if (!system_.reuses) free_all();    // so that a sanitizer sees what comes too late
    }

    void free_cached() {
        const std::lock_guard lock(mutex_);
        free_all();
    }

    MemoryUse use() {
        const std::lock_guard lock(mutex_);
        std::int64_t touched = 0;
        for (const auto& [begin, end] : segments_) touched += end - begin;
        const auto active = static_cast<std::int64_t>(active_);
        return {.active = active, .peak = static_cast<std::int64_t>(peak_), .cached = touched - active};
    }

    void reset_peak() {
        const std::lock_guard lock(mutex_);
        peak_ = active_;
    }

    std::int64_t overruns() {
        const std::lock_guard lock(mutex_);
        return overruns_;
    }

    static inline std::atomic<int> guards = 0;

  private:
    struct Block {
        std::size_t bytes;
        bool free;
        std::size_t guarded_from = 0;    // where in use: bytes from here to the end are kZoneByte
    };
    using Blocks = std::map<std::byte*, Block>;
    using Free = std::set<std::pair<std::size_t, std::byte*>>;

    bool starts_segment(Blocks::iterator block) const { return segments_.contains(block->first); }

    // The smallest free block that is large enough, of these the lowest; what is too much of it stays free.
    Blocks::iterator take(std::size_t wanted) {
        auto fit = free_.lower_bound({wanted, nullptr});
        if (fit == free_.end()) fit = new_segment(wanted);
        const auto [bytes, data] = *fit;
        const auto block = blocks_.find(data);
        if (bytes > wanted) {    // what may throw comes first, and is undone
            const auto rest = blocks_.emplace(data + wanted, Block{.bytes = bytes - wanted, .free = true}).first;
            try {
                free_.emplace(bytes - wanted, data + wanted);
            } catch (...) {
                blocks_.erase(rest);
                throw;
            }
        }
        free_.erase(fit);
        block->second = {.bytes = wanted, .free = false};
        std::byte*& touched = std::prev(segments_.upper_bound(data))->second;
        touched = std::max(touched, data + wanted);
        return block;
    }

    // A block and its next neighbour as one.
    Blocks::iterator joined(Blocks::iterator block) {
        const auto next = std::next(block);
        for (const auto& [data, part] : {*block, *next})
            if (part.free) free_.erase({part.bytes, data});
        block->second.bytes += next->second.bytes;
        blocks_.erase(next);
        return block;
    }

    bool is_damaged(const Blocks::value_type& of) const {
        const auto& [data, block] = of;
        if (block.guarded_from == block.bytes) return false;
        std::vector<unsigned char> zone(block.bytes - block.guarded_from);
        try {
            system_.read(data + block.guarded_from, zone.data(), zone.size());
        } catch (const Error&) {    // a device whose work has failed; the next synchronize says so
            return true;
        }
        return !std::all_of(zone.begin(), zone.end(), [](int byte) { return byte == kZoneByte; });
    }

    // Whole segments go back to the system, and of others what is free is forgotten.
    void free_all() {
        for (auto free = free_.begin(); free != free_.end();) {
            const auto [bytes, data] = *free;
            const auto block = blocks_.find(data), next = std::next(block);
            const bool last = next == blocks_.end() || starts_segment(next);
            if (last && starts_segment(block)) {
                system_.free(data);
                segments_.erase(data);
                blocks_.erase(block);
                free = free_.erase(free);
                continue;
            }
            if (system_.forget) {
                std::byte*& touched = std::prev(segments_.upper_bound(data))->second;
                system_.forget(data, std::min(touched, data + bytes));
                if (last) touched = data;
            }
            ++free;
        }
    }

    // A free block as large as a segment, or as wanted where there is not so much memory.
    Free::iterator new_segment(std::size_t wanted) {
        std::size_t bytes = system_.reuses ? std::max(wanted, system_.segment) : wanted;
        void* memory = system_.allocate(bytes);
        if (!memory) memory = system_.allocate(bytes = wanted);
        if (!memory) {
            free_all();    // perhaps what lies idle is enough
            memory = system_.allocate(bytes);
        }
        check(memory != nullptr, "memory", "out of memory: ", bytes >> 20, " MiB wanted, ", active_ >> 20,
              " MiB in use; smaller batches, images or networks need less");
        auto* const data = static_cast<std::byte*>(memory);
        try {
            segments_.emplace(data, data);
            blocks_.emplace(data, Block{.bytes = bytes, .free = true});
            return free_.emplace(bytes, data).first;
        } catch (...) {
            segments_.erase(data);
            blocks_.erase(data);
            system_.free(memory);
            throw;
        }
    }

    const System& system_;
    std::mutex mutex_;
    Blocks blocks_;
    Free free_;
    std::map<std::byte*, std::byte*> segments_;    // from where to where they were ever touched
    std::size_t active_ = 0, peak_ = 0;
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
