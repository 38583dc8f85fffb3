// Memory: the caching arena, and the reference-counted block that tensors share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/device.h"

namespace lull {

// Bytes of an arena, for reports. cached: were in use once, and are now between or behind the blocks that are. peak: the highest
// active since reset_peak.
struct MemoryUse {
    std::int64_t active = 0, peak = 0, cached = 0;
};

// Alignment of every block on the CPU (on CUDA 256), and the unit that sizes are rounded to.
inline constexpr std::size_t kAlignment = 64;

// A freed block is kept, joined to what is free beside it, and cut for the next requests, so that a training loop stops
// calling the system's allocator after its first step. A request gets the smallest free block that holds it. Each device has an
// arena; on CUDA a freed block is used again at once, because all work there runs in one stream.
// Thread-safe. Throws Error when the system has no more memory.
namespace arena {
void* allocate(std::size_t bytes, Device device = Device::cpu);
void release(void* block, Device device = Device::cpu) noexcept;
MemoryUse use(Device device = Device::cpu);
void reset_peak(Device device = Device::cpu);
void free_cached(Device device = Device::cpu);

// For tests. While one lives, every block of any arena begins as NaN (all bits set) and ends in a zone that must stay as it
// is: what reads memory that nobody wrote, or writes beyond the end, shows. Overruns are noticed when a block is released.
class Guard {
  public:
    Guard();
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    std::int64_t overruns() const;    // blocks found damaged since the guard was made

  private:
    std::int64_t overruns_before_;
};
}    // namespace arena

// One block of an arena, or memory that someone else owns; shared by all views of it.
//
// What is derived from weights (transformed filters) can be kept with them. Optimizers and loaders, which write to weights,
// call changed(): it counts the change and frees what was derived. Whoever keeps a pointer from Tensor::data() and writes
// through it later does the same.
class Storage {
  public:
    explicit Storage(std::size_t bytes, Device device = Device::cpu);           // uninitialised
    Storage(void* borrowed, std::size_t bytes, std::shared_ptr<void> owner);    // the CPU's; owner keeps the memory alive
    ~Storage();
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;

    std::byte* data() const { return static_cast<std::byte*>(data_); }
    std::size_t bytes() const { return bytes_; }
    Device device() const { return device_; }

    std::uint64_t version() const { return version_; }
    void changed();

    // What was derived under this key (a kind of value and a place in the storage), or what make() returns now, which is kept.
    // Several threads may ask at once; none may while another writes to the elements.
    using Key = std::vector<std::int64_t>;
    template <class V, class F>
    std::shared_ptr<const V> derived(const Key& key, const F& make) {
        std::shared_ptr<const void> value = find_derived(key);
        if (!value) keep_derived(key, value = std::shared_ptr<const V>(make()));
        return std::static_pointer_cast<const V>(value);
    }

  private:
    std::shared_ptr<const void> find_derived(const Key& key);
    void keep_derived(const Key& key, std::shared_ptr<const void> value);

    std::uint64_t version_ = 0;
    std::mutex mutex_;    // of derived_
    std::map<Key, std::shared_ptr<const void>> derived_;
    void* data_;
    std::size_t bytes_;
    std::shared_ptr<void> owner_;
    Device device_;
    bool borrowed_;
};

}    // namespace lull
