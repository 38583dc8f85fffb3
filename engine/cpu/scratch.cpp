#include "engine/cpu/scratch.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/storage.h"

namespace lull::cpu {

namespace {

struct Release {
    void operator()(std::byte* block) const { arena::release(block); }
};

struct Block {
    std::unique_ptr<std::byte, Release> data;
    std::size_t bytes;
};

// Buffers that were handed out do not move: a stack that is too small grows by another block.
struct Stack {
    std::vector<Block> blocks;
    std::size_t block = 0, used = 0;    // blocks before `block` are taken, and `used` bytes of that one
};

thread_local Stack stack;

constexpr std::size_t kSmallestBlock = std::size_t{4} << 20;    // so that a thread soon has all that it needs

}    // namespace

Scratch::Scratch() : block_(stack.block), used_(stack.used) {}

Scratch::~Scratch() {
    stack.block = block_;
    stack.used = used_;
}

void* Scratch::take_bytes(std::size_t bytes) noexcept {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    while (stack.block < stack.blocks.size() && stack.used + bytes > stack.blocks[stack.block].bytes) {
        ++stack.block;
        stack.used = 0;
    }
    if (stack.block == stack.blocks.size()) {
        const std::size_t size = std::max(bytes, kSmallestBlock);
        stack.blocks.push_back({std::unique_ptr<std::byte, Release>(static_cast<std::byte*>(arena::allocate(size))), size});
        stack.used = 0;
    }
    void* const taken = stack.blocks[stack.block].data.get() + stack.used;
    stack.used += bytes;
    return taken;
}

}    // namespace lull::cpu
