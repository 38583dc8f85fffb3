// LULL_HOST_DEVICE: for small functions that code on the CPU and CUDA kernels (engine/cuda/device.h) both call.
#pragma once

#ifdef __CUDACC__
#define LULL_HOST_DEVICE __host__ __device__
#else
#define LULL_HOST_DEVICE
#endif
