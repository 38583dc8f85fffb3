// Working memory that the threads of a CPU kernel share.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/storage.h"

namespace lull::cpu {

// An uninitialised array from the arena. It is made before a parallel loop, never inside one (Scratch is for that): it may
// throw.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::int64_t size) : data_(static_cast<T*>(arena::allocate(static_cast<std::size_t>(size) * sizeof(T)))) {}
    T* data() const { return data_.get(); }

  private:
    struct Release {
        void operator()(T* data) const { arena::release(data); }
    };
    std::unique_ptr<T, Release> data_;
};

}    // namespace lull::cpu
