// How many threads CPU kernels use.
#pragma once

namespace lull {

int thread_count();                    // at first: OMP_NUM_THREADS, or the processors this process may run on
void set_thread_count(int threads);    // throws Error unless threads ≥ 1

}    // namespace lull
