// Counter-based random numbers: Philox 4×32-10 (engine/philox.h).
//
// A number is a pure function of (seed, purpose, index, position): nothing is drawn in sequence, so nothing depends on
// the batch size, the number of threads, or which other numbers were asked for.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/philox.h"
#include "engine/tensor.h"

namespace lull {

// What a number is for. Two purposes never share one. The values are part of every checkpoint's meaning: append only.
enum class Purpose : std::uint32_t {
    initialise = 0,     // weights; index: the parameter's number
    order = 1,          // which sample comes when
    augment = 2,        // flips; index: position in the training stream
    noise_level = 3,    // σ or t; index: position in the training stream
    noise = 4,          // n in x = y + σ n; index: position in the training stream
    dropout = 5,        // index: position in the training stream
    start = 6,          // the first x of a sampler; index 0
    step_noise = 7,     // fresh noise of a sampler; index: the step
    data = 8,           // made-up data, in tests and benchmarks
};

// Ten rounds over a counter of 128 bits with a key of 64.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// A stream of numbers: positions 0, 1, 2… of one (seed, purpose, index). Key: the seed. Counter: the position / 4,
// the purpose, the index (64 bits).
struct RandomStream {
    std::uint64_t seed = 0;
    Purpose purpose = Purpose::data;
    std::uint64_t index = 0;

    // The integers of positions 4 number to 4 number + 3; kernels on CUDA ask for words.
    std::array<std::uint32_t, 4> block(std::uint32_t number) const;
    LULL_HOST_DEVICE PhiloxWords words(std::uint32_t number) const {
        return philox_words({number, static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(index),
                             static_cast<std::uint32_t>(index >> 32)},
                            static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
    }
    double uniform(std::uint32_t position = 0) const;    // (0, 1), 32 bits
    double normal(std::uint32_t position = 0) const;     // N(0, 1), of the same numbers as fill_normal's, in f64
};

// Fills y with N(0, 1): the elements of image n, (…) flattened, are positions 0… of streams[n]. y: (N, …), f32, or f64 on the
// CPU and bf16 on CUDA. The integers are the same on both devices, the numbers to a few roundings.
void fill_normal(Tensor& y, std::span<const RandomStream> streams);
// The same with the uniform distribution on [0, 1).
void fill_uniform(Tensor& y, std::span<const RandomStream> streams);

// One stream for a whole tensor.
Tensor random_normal(const Shape& shape, const RandomStream& stream, DType dtype = DType::f32, Device device = Device::cpu);
Tensor random_uniform(const Shape& shape, const RandomStream& stream, DType dtype = DType::f32, Device device = Device::cpu);

// A keyed permutation of 0…size-1, evaluated at one index without a table (a cycle-walking Feistel network over Philox).
// Different keys give different orders; the epoch is the usual index.
std::uint64_t permuted(std::uint64_t position, std::uint64_t size, std::uint64_t seed, std::uint64_t epoch);

}    // namespace lull
