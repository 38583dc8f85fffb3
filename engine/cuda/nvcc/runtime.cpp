#include "engine/cuda/runtime.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "engine/cuda/nvcc/runtime.h"

namespace lull::cuda {

namespace {

// Pinned memory that uploads pass through: the copy to the device goes on while the caller does. Halves take turns, and the
// event after a half's last copy says when it may be written again.
class Staging {
  public:
    void upload(const void* from, void* to, std::size_t bytes) {
        const auto* source = static_cast<const std::byte*>(from);
        auto* target = static_cast<std::byte*>(to);
        while (bytes > 0) {
            const std::size_t part = std::min(bytes, kHalf);
            if (used_ + part > kHalf) turn();
            std::byte* const place = memory() + half_ * kHalf + used_;
            std::memcpy(place, source, part);
            check_cuda(cudaMemcpyAsync(target, place, part, cudaMemcpyHostToDevice, stream()), "upload");
            used_ += (part + 63) / 64 * 64;
            source += part;
            target += part;
            bytes -= part;
        }
    }

  private:
    static constexpr std::size_t kHalf = std::size_t{8} << 20;

    std::byte* memory() {
        if (memory_) return memory_;
        void* memory = nullptr;
        check_cuda(cudaMallocHost(&memory, 2 * kHalf), "upload");
        for (cudaEvent_t& event : copied_) check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "upload");
        return memory_ = static_cast<std::byte*>(memory);
    }

    void turn() {
        memory();
        check_cuda(cudaEventRecord(copied_[half_], stream()), "upload");
        half_ = 1 - half_;
        used_ = 0;
        check_cuda(cudaEventSynchronize(copied_[half_]), "upload");    // at once when it was never recorded
    }

    std::byte* memory_ = nullptr;    // lives as long as the process
    cudaEvent_t copied_[2] = {};
    std::size_t half_ = 0, used_ = 0;
};

std::size_t shared_limit = std::numeric_limits<std::size_t>::max();

}    // namespace

const std::string& unavailable() {
    static const std::string reason = []() -> std::string {
        int devices = 0;
        const cudaError_t status = cudaGetDeviceCount(&devices);
        if (status == cudaSuccess && devices > 0) return "";
        return std::string("no CUDA device: ") + (status == cudaSuccess ? "none found" : cudaGetErrorString(status));
    }();
    return reason;
}

cudaStream_t stream() {
    static const cudaStream_t made = [] {
        check(available(), "cuda", unavailable());
        cudaStream_t result = nullptr;
        check_cuda(cudaStreamCreateWithFlags(&result, cudaStreamNonBlocking), "cuda");
        return result;
    }();
    return made;
}

std::string device_name() {
    check(available(), "cuda", unavailable());
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, 0), "cuda");
    return properties.name;
}

std::size_t most_shared_bytes() {
    static const std::size_t of_device = [] {
        int bytes = 0;
        check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cuda");
        return static_cast<std::size_t>(bytes);
    }();
    return std::min(of_device, shared_limit);
}
void limit_shared_bytes(std::size_t most) { shared_limit = most; }

void* allocate(std::size_t bytes) {
    check(available(), "cuda", unavailable());
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, bytes);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();    // which forgets it
        return nullptr;
    }
    check_cuda(status, "memory");
    return memory;
}

void free(void* memory) noexcept { cudaFree(memory); }    // at the program's end the driver may be gone already

void upload(const void* from, void* to, std::size_t bytes) {
    static Staging staging;
    staging.upload(from, to, bytes);
}

void download(const void* from, void* to, std::size_t bytes) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream()), "download");
    synchronize();
}

void fill(void* memory, int byte, std::size_t bytes) { check_cuda(cudaMemsetAsync(memory, byte, bytes, stream()), "fill"); }

BadIndex* bad_index() {
    static BadIndex* const noted = [] {
        void* memory = nullptr;
        check_cuda(cudaHostAlloc(&memory, sizeof(BadIndex), cudaHostAllocMapped), "cuda");
        return new (memory) BadIndex;
    }();
    return noted;
}

void synchronize() {
    check_cuda(cudaStreamSynchronize(stream()), "cuda");
    if (!bad_index()->where) return;
    const BadIndex bad = std::exchange(*bad_index(), {});
    fail(bad.where, "expected ", bad.what, " in [0, ", bad.limit, "), got ", bad.index, " for row ", bad.row);
}

}    // namespace lull::cuda
