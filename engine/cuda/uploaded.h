// Numbers that the CPU has and a kernel reads.
#pragma once

#include <span>

#include "engine/cuda/runtime.h"
#include "engine/storage.h"

namespace lull::cuda {

// A copy of values in device memory, for kernels that are launched before it goes: what frees the memory comes after them in
// the stream.
template <class T>
class Uploaded {
  public:
    explicit Uploaded(std::span<const T> values) : memory_(values.size_bytes(), Device::cuda) {
        if (!values.empty()) upload(values.data(), memory_.data(), values.size_bytes());
    }
    const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }

  private:
    Storage memory_;
};

}    // namespace lull::cuda
