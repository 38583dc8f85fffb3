// Memory that a piece of work needs while it runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lull::cpu {

// Takes buffers from a stack that its thread keeps: after the first calls nothing is allocated. Scopes nest, so a callee's
// buffers lie behind its caller's; all that a scope took goes back when it ends. It belongs to the thread that made it.
// When the system has no more memory the program ends: there is no throwing out of a parallel loop.
class Scratch {
  public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    // count elements, uninitialised, 64-byte aligned.
    template <class T>
    T* take(std::int64_t count) {
        return static_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
    }

  private:
    void* take_bytes(std::size_t bytes) noexcept;

    std::size_t block_, used_;    // where the stack stood
};

}    // namespace lull::cpu
