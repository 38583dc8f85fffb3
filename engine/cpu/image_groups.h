// How the images of a batch are handed to the threads: in groups of neighbours, so many that a layer's weights are worth
// reading for them. Neither the groups nor their order depends on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/cpu/parallel.h"
#include "engine/threads.h"

namespace lull::cpu {

// Calls f(i) for i in [0, n): handed out to the threads if few of them are idle in the last turn, else one after the other, and
// f shares its work.
template <class F>
void share_or_hand_out(std::int64_t n, const F& f) {
    const std::int64_t threads = thread_count(), turns = (n + threads - 1) / threads;
    if (3 * n >= 2 * turns * threads) return parallel_for(n, f);
    for (std::int64_t i = 0; i < n; ++i) f(i);
}

// Calls f(first image, images) for every group.
template <class F>
void for_each_group(std::int64_t images, std::int64_t group, const F& f) {
    share_or_hand_out((images + group - 1) / group, [&](std::int64_t i) { f(i * group, std::min(group, images - i * group)); });
}

// For sums over images: groups come in rounds, and those of a round have a slot each: calls f(slot, first image, images) for
// its groups, then end_round(slots used, images of the last).
template <class F, class End>
void for_each_round(std::int64_t images, std::int64_t group, std::int64_t slots, const F& f, const End& end_round) {
    const std::int64_t groups = (images + group - 1) / group;
    for (std::int64_t begin = 0; begin < groups; begin += slots) {
        const std::int64_t used = std::min(slots, groups - begin);
        const auto count = [&](std::int64_t slot) { return std::min(group, images - (begin + slot) * group); };
        share_or_hand_out(used, [&](std::int64_t slot) { f(slot, (begin + slot) * group, count(slot)); });
        end_round(used, count(used - 1));
    }
}

// How many slots of so many bytes: enough for some threads, but few enough for the cache.
inline std::int64_t slots_for(std::int64_t images, std::int64_t group, std::int64_t slot_bytes) {
    constexpr std::int64_t kMost = 16, kFewest = 4, kBytes = std::int64_t{4} << 20;
    const std::int64_t groups = std::max<std::int64_t>(1, (images + group - 1) / group);
    return std::min(groups, std::clamp(kBytes / std::max<std::int64_t>(1, slot_bytes), kFewest, kMost));
}

}    // namespace lull::cpu
