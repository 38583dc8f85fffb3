// Executes the threads of a CUDA block on the CPU: every thread is a fiber, which runs until it waits for others.
//
// What a GPU would leave undefined is an Error that names the kernel, the block and the threads: a barrier or a warp's
// operation that some threads never reach, or that they reach at different places; an address that is not aligned as the
// access wants it. AddressSanitizer sees accesses out of bounds, since shared memory is allocated at its exact size;
// ThreadSanitizer sees races between the threads of a block and of different blocks, since fibers are threads to it and only
// barriers order them. Shared memory begins with a pattern: a kernel that reads what nobody wrote gives another result with
// another pattern.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <source_location>
#include <string>
#include <string_view>

namespace lull::cuda {
struct Dim3;
struct Launch;
}    // namespace lull::cuda

namespace lull::cuda::host {

// Runs body once for every thread of every block. Blocks run one after the other.
void run(const Launch& how, std::string_view kernel, const std::function<void()>& body);

// Of the thread that runs now.
const Dim3& thread_index();
const Dim3& block_index();
const Dim3& block_size();
const Dim3& grid_size();

// The block's shared memory, checked to be as large as what the kernel takes it for.
std::byte* shared_memory(std::size_t bytes);

// Throws Error, naming kernel, block and thread: an access of so many bytes at an address that is no multiple of them.
[[noreturn]] void fail_misaligned(const void* address, int bytes);

// The thread waits until all threads of its block, or of its warp, have called this at this place.
using Place = std::source_location;
void wait_for_block(const Place& place);
void wait_for_warp(const Place& place);

// What a lane shows to the others of its warp: up to 64 bytes. Every lane calls show, reads what it wants from shown_by, and
// then calls shown.
void show(const void* value, std::size_t bytes, const Place& place);
const std::uint32_t* shown_by(int lane);
void shown(const Place& place);
int lane();

// Copies that have been begun land when they are waited for, and not before.
struct AsyncCopy {
    void* to;
    const void* from;
    int group;
};
void begin_copy(void* to, const void* from);
void commit_copies();
// The next copy that must have landed when all but the last `pending` groups have; false when there is none.
bool next_copy(int pending, AsyncCopy& copy);

// For tests: the byte that shared memory is filled with before a block runs, and the kernels that ran so far, each with the
// most shared memory that it was launched with, in bytes.
void set_shared_fill(int byte);
const std::map<std::string, std::size_t>& executed_kernels();

}    // namespace lull::cuda::host
