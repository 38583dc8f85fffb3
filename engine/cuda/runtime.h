// What the engine asks of a CUDA device. Every build has these functions: in one without CUDA there is no device, in the one
// that executes kernels on the CPU (LULL_CUDA=host) there is always one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lull::cuda {

// Why there is no device, such as "this build has no CUDA"; empty when there is one.
const std::string& unavailable();
inline bool available() { return unavailable().empty(); }

// Such as "NVIDIA H200". Throws Error when there is none.
std::string device_name();

// How much shared memory a block can have. On the CPU as little as on the smallest of today's GPUs, so that kernels take the
// paths which they have for it.
std::size_t most_shared_bytes();
// For tests: as if a block could have no more than that, as on a smaller GPU.
void limit_shared_bytes(std::size_t most);

// Device memory, aligned to 256 bytes; null when none is left. Throws Error when there is no device.
void* allocate(std::size_t bytes);
void free(void* memory) noexcept;

// All work is done in one stream, in the order of the calls. upload returns before the bytes have arrived, but has read
// them; download waits for them.
void upload(const void* from, void* to, std::size_t bytes);
void download(const void* from, void* to, std::size_t bytes);
void fill(void* memory, int byte, std::size_t bytes);

// An index that a kernel found out of range among data that only the device has seen. The kernel notes it at bad_index(), memory
// that both sides reach; the next synchronize or download throws it as an Error, such as a label's:
// "[cross_entropy] expected labels in [0, 10), got 12 for row 3".
struct BadIndex {
    const char *where = nullptr, *what = nullptr;    // strings that live forever; null: there is none
    std::int64_t limit = 0, index = 0, row = 0;
};
BadIndex* bad_index();

// Waits for all work. Throws Error when any of it failed, or noted a bad index.
void synchronize();

}    // namespace lull::cuda
