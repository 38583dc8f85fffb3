// The memory of this process, as Linux counts it.
#pragma once

#include <cstdint>

namespace lull {

// The most that it has had at any time, in MiB; 0 where the system does not say.
std::int64_t peak_memory_mib();

}    // namespace lull
