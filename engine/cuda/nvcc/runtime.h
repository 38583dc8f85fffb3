// The CUDA runtime, for what is compiled with it: errors become lull's, and there is one stream.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "engine/error.h"

namespace lull::cuda {

// Throws Error("[what] CUDA: out of memory") unless the status is success.
inline void check_cuda(cudaError_t status, std::string_view what) {
    check(status == cudaSuccess, what, "CUDA: ", cudaGetErrorString(status));
}

// The stream that all work is done in; the first call makes the device ready.
cudaStream_t stream();

}    // namespace lull::cuda
