// How many threads CPU kernels use.
#pragma once

namespace lull {

int thread_count();                    // at first: the processors this process may run on
void set_thread_count(int threads);    // throws Error unless 1 ≤ threads ≤ 1024

}    // namespace lull
