#include "engine/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "engine/error.h"

namespace lull {

namespace {

// In front of every block, so that releasing one needs no look-up.
struct alignas(kAlignment) Header {
    std::size_t capacity;
    std::size_t guarded_from;    // bytes from here to the capacity are kZoneByte; the capacity itself for no guard
};

constexpr int kUnwritten = 0xFF, kZoneByte = 0xA5;

class Arena {
  public:
    ~Arena() { free_cached(); }

    void* allocate(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        const std::size_t zone = guards_ > 0 ? kAlignment : 0;
        const std::size_t wanted = (std::max<std::size_t>(bytes, 1) + zone + kAlignment - 1) / kAlignment * kAlignment;
        Header* header = reuse(wanted);
        if (!header) header = from_system(wanted);
        use_.active += static_cast<std::int64_t>(header->capacity);
        use_.peak = std::max(use_.peak, use_.active);
        header->guarded_from = header->capacity;
        if (guards_ > 0) guard_block(header, bytes);
        return header + 1;
    }

    void release(void* block) noexcept {
        Header* header = static_cast<Header*>(block) - 1;
        const std::lock_guard lock(mutex_);
        use_.active -= static_cast<std::int64_t>(header->capacity);
        if (is_damaged(header)) ++overruns_;
#ifdef __SANITIZE_ADDRESS__
        std::free(header);    // never reused, so that AddressSanitizer sees what comes too late
#else
        use_.cached += static_cast<std::int64_t>(header->capacity);
        free_.emplace(header->capacity, header);
#endif
    }

    void free_cached() {
        const std::lock_guard lock(mutex_);
        for (const auto& [capacity, header] : free_) std::free(header);
        free_.clear();
        use_.cached = 0;
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

    void count_guards(int change) {
        const std::lock_guard lock(mutex_);
        guards_ += change;
    }

  private:
    static void guard_block(Header* header, std::size_t bytes) {
        auto* block = reinterpret_cast<unsigned char*>(header + 1);
        std::memset(block, kUnwritten, bytes);
        std::memset(block + bytes, kZoneByte, header->capacity - bytes);
        header->guarded_from = bytes;
    }

    static bool is_damaged(const Header* header) {
        const auto* block = reinterpret_cast<const unsigned char*>(header + 1);
        return !std::all_of(block + header->guarded_from, block + header->capacity, [](int byte) { return byte == kZoneByte; });
    }

    // The smallest free block that is large enough, if the request fills three quarters of it.
    Header* reuse(std::size_t wanted) {
        const auto fit = free_.lower_bound(wanted);
        if (fit == free_.end() || fit->first / 4 * 3 > wanted) return nullptr;
        Header* header = fit->second;
        free_.erase(fit);
        use_.cached -= static_cast<std::int64_t>(header->capacity);
        return header;
    }

    // Large blocks lie in huge pages where Linux gives them: the first touch of a 4 KiB page costs as much as writing it, and
    // kernels that stride through megabytes would miss the table of small pages.
    static void* system_memory(std::size_t bytes) {
        constexpr std::size_t kHugePage = std::size_t{2} << 20;
        if (bytes < kHugePage) return std::aligned_alloc(kAlignment, bytes);
        void* memory = nullptr;
        if (posix_memalign(&memory, kHugePage, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
        madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);    // the rest of it would be wasted
#endif
        return memory;
    }

    Header* from_system(std::size_t capacity) {
        void* memory = system_memory(sizeof(Header) + capacity);
        if (!memory) {
            for (const auto& [cached, header] : free_) std::free(header);    // perhaps what lies idle is enough
            free_.clear();
            use_.cached = 0;
            memory = system_memory(sizeof(Header) + capacity);
        }
        check(memory != nullptr, "memory", "out of memory: ", capacity >> 20, " MiB wanted, ", use_.active >> 20,
              " MiB in use; smaller batches, images or networks need less");
        return new (memory) Header{capacity, capacity};
    }

    std::mutex mutex_;
    std::multimap<std::size_t, Header*> free_;
    MemoryUse use_;
    int guards_ = 0;
    std::int64_t overruns_ = 0;
};

Arena& the_arena() {
    static Arena arena;
    return arena;
}

}    // namespace

namespace arena {
void* allocate(std::size_t bytes) { return the_arena().allocate(bytes); }
void release(void* block) noexcept { the_arena().release(block); }
MemoryUse use() { return the_arena().use(); }
void reset_peak() { the_arena().reset_peak(); }
void free_cached() { the_arena().free_cached(); }

Guard::Guard() : overruns_before_(the_arena().overruns()) { the_arena().count_guards(1); }
Guard::~Guard() { the_arena().count_guards(-1); }
std::int64_t Guard::overruns() const { return the_arena().overruns() - overruns_before_; }
}    // namespace arena

Storage::Storage(std::size_t bytes) : data_(arena::allocate(bytes)), bytes_(bytes), borrowed_(false) {}
Storage::Storage(void* borrowed, std::size_t bytes, std::shared_ptr<void> owner)
    : data_(borrowed), bytes_(bytes), owner_(std::move(owner)), borrowed_(true) {}
Storage::~Storage() {
    if (!borrowed_) arena::release(data_);
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
