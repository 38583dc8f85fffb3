// How the launchers of GroupNorm cut an image into parts for blocks (Cut, in parts.cuh): whole images in shared memory where they
// fit, otherwise chunks of their pixels.
#pragma once

#include <algorithm>

#include "engine/cuda/runtime.h"
#include "engine/ops/group_norm/parts.cuh"

namespace lull::cuda {

namespace {

// A part of k groups and that many pixels, `tensors` of which lie in shared memory together with that many
// `sums` per channel.
template <class T, int V>
Cut cut_into(const Source<T>& in, int k, int pixels, int tensors, int sums) {
    Cut cut{};
    cut.groups = k;
    cut.channels = k * (in.channels / in.groups);
    cut.pixels = pixels;
    cut.slabs = in.groups / k;
    cut.chunks = (in.pixels + pixels - 1) / pixels;
    cut.columns = cut.channels / V;
    cut.width = std::min(cut.columns, kNormThreads);
    cut.span = cut.width <= kWarp ? kWarp : kNormThreads;
    cut.rows = cut.span / cut.width * (kNormThreads / cut.span);
    cut.partial_rows = cut.span == kWarp ? kNormThreads / kWarp : cut.rows;
    const auto bytes = static_cast<std::size_t>(pixels) * static_cast<std::size_t>(cut.channels) * sizeof(T) *
                       static_cast<std::size_t>(tensors > 0);
    cut.slab_bytes = static_cast<int>(std::min<std::size_t>((bytes + 15) / 16 * 16, std::size_t{1} << 30));
    const int floats_of_sums = sums * (cut.partial_rows + 1) * cut.channels + (sums > 0 ? 2 * k : 0);
    cut.shared_bytes = static_cast<std::size_t>(cut.slab_bytes) * static_cast<std::size_t>(tensors) +
                       static_cast<std::size_t>(floats_of_sums) * sizeof(float);
    return cut;
}

// Whole images in shared memory: as few groups as are whole sectors and have a vector for every thread. Where two blocks of
// those do not fit on a multiprocessor, as few as are whole vectors; where not even one of those does, the former, to be cut
// into chunks.
template <class T, int V>
Cut cut_slabs(const Source<T>& in, int tensors, int sums) {
    Cut fewest{}, best{};
    for (int k = 1; k <= in.groups; ++k) {
        if (in.groups % k != 0 || k * (in.channels / in.groups) % V != 0) continue;
        const Cut cut = cut_into<T, V>(in, k, in.pixels, tensors, sums);
        if (fewest.groups == 0) fewest = cut;
        best = cut;
        if (cut.channels * sizeof(T) % 32 == 0 && std::int64_t{in.pixels} * cut.columns >= kNormThreads) break;
    }
    return best.shared_bytes > most_shared_bytes() / 2 && fewest.shared_bytes <= most_shared_bytes() ? fewest : best;
}

// Chunks of pixels with about that many vectors for each thread, read from where they are; or in shared memory.
template <class T, int V>
Cut cut_chunks(const Source<T>& in, int k, int vectors, int sums) {
    const int columns = k * (in.channels / in.groups) / V, pixels = std::max(1, vectors * kNormThreads / columns);
    return cut_into<T, V>(in, k, std::min(pixels, in.pixels), 0, sums);
}
template <class T, int V>
Cut cut_slab_chunks(const Source<T>& in, int k, int sums) {
    constexpr int kBytes = 32 << 10;
    const int bytes = k * (in.channels / in.groups) * static_cast<int>(sizeof(T));
    return cut_into<T, V>(in, k, std::min(in.pixels, std::max(1, kBytes / bytes)), 1, sums);
}

}    // namespace

}    // namespace lull::cuda
