#include "engine/cuda/runtime.h"

#include "engine/error.h"

namespace lull::cuda {

const std::string& unavailable() {
    static const std::string reason = "this build has no CUDA";
    return reason;
}

// Without a device there is no device memory, so that the rest is never asked for.
std::string device_name() { fail("cuda", unavailable()); }
std::size_t most_shared_bytes() { fail("cuda", unavailable()); }
void limit_shared_bytes(std::size_t) {}
void* allocate(std::size_t) { fail("cuda", unavailable()); }
void free(void*) noexcept {}
void upload(const void*, void*, std::size_t) { fail("cuda", unavailable()); }
void download(const void*, void*, std::size_t) { fail("cuda", unavailable()); }
void fill(void*, int, std::size_t) { fail("cuda", unavailable()); }
BadIndex* bad_index() { fail("cuda", unavailable()); }
void synchronize() {}

}    // namespace lull::cuda
