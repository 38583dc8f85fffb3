#include "engine/cuda/runtime.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "engine/cuda/host/memory.h"
#include "engine/error.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace lull::cuda {

namespace {

constexpr std::size_t kReserved = std::size_t{16} << 30;    // addresses, not memory
constexpr std::size_t kAligned = 256;                       // as cudaMalloc; also the poisoned zone behind every block

class DeviceMemory {
  public:
    DeviceMemory() {
        void* range = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        check(range != MAP_FAILED, "cuda", "no addresses for device memory");
        start_ = static_cast<std::byte*>(range);
        free_[0] = kReserved;
    }

    // The first gap that is large enough.
    void* allocate(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        const std::size_t wanted = (bytes + kAligned - 1) / kAligned * kAligned + kAligned;
        for (auto gap = free_.begin(); gap != free_.end(); ++gap) {
            const auto [offset, size] = *gap;
            if (size < wanted) continue;
            free_.erase(gap);
            if (size > wanted) free_[offset + wanted] = size - wanted;
            used_[offset] = wanted;
            ASAN_POISON_MEMORY_REGION(start_ + offset, wanted);
            ASAN_UNPOISON_MEMORY_REGION(start_ + offset, bytes);
            return start_ + offset;
        }
        return nullptr;
    }

    void free(void* memory) {
        const std::lock_guard lock(mutex_);
        const auto used = used_.find(static_cast<std::size_t>(static_cast<std::byte*>(memory) - start_));
        auto [offset, size] = *used;
        used_.erase(used);
        ASAN_POISON_MEMORY_REGION(start_ + offset, size);
        const auto after = free_.lower_bound(offset);
        if (after != free_.end() && after->first == offset + size) {
            size += after->second;
            free_.erase(after);
        }
        const auto before = free_.lower_bound(offset);
        if (before != free_.begin() && std::prev(before)->first + std::prev(before)->second == offset)
            std::prev(before)->second += size;
        else
            free_[offset] = size;
    }

    void open(int change) {
        const std::lock_guard lock(mutex_);
        const bool was_open = users_ > 0;
        users_ += change;
        if (was_open != (users_ > 0)) mprotect(start_, kReserved, users_ > 0 ? PROT_READ | PROT_WRITE : PROT_NONE);
    }

  private:
    std::mutex mutex_;
    std::byte* start_ = nullptr;
    std::map<std::size_t, std::size_t> free_, used_;    // offset → size
    int users_ = 0;
};

constexpr std::size_t kSharedBytes = std::size_t{99} << 10;
std::size_t shared_limit = kSharedBytes;

DeviceMemory& device_memory() {
    static auto* const memory = new DeviceMemory;    // outlives the arena
    return *memory;
}

}    // namespace

namespace host {
DeviceMemoryOpen::DeviceMemoryOpen() { device_memory().open(1); }
DeviceMemoryOpen::~DeviceMemoryOpen() { device_memory().open(-1); }
}    // namespace host

const std::string& unavailable() {
    static const std::string reason;
    return reason;
}

std::string device_name() { return "the CPU, executing CUDA kernels"; }

std::size_t most_shared_bytes() { return shared_limit; }
void limit_shared_bytes(std::size_t most) { shared_limit = std::min(most, kSharedBytes); }

void* allocate(std::size_t bytes) { return device_memory().allocate(bytes); }
void free(void* memory) noexcept { device_memory().free(memory); }

void upload(const void* from, void* to, std::size_t bytes) {
    const host::DeviceMemoryOpen open;
    std::memcpy(to, from, bytes);
}
void download(const void* from, void* to, std::size_t bytes) {
    synchronize();
    const host::DeviceMemoryOpen open;
    std::memcpy(to, from, bytes);
}
void fill(void* memory, int byte, std::size_t bytes) {
    const host::DeviceMemoryOpen open;
    std::memset(memory, byte, bytes);
}

BadIndex* bad_index() {
    static BadIndex noted;
    return &noted;
}

void synchronize() {
    if (!bad_index()->where) return;
    const BadIndex bad = std::exchange(*bad_index(), {});
    fail(bad.where, "expected ", bad.what, " in [0, ", bad.limit, "), got ", bad.index, " for row ", bad.row);
}

}    // namespace lull::cuda
