#include <cstring>
#include <numeric>
#include <vector>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/embedding/kernels.h"

namespace lull::cpu {

void embedding_forward(const Tensor& table, const Tensor& index, Tensor& y) {
    const std::int64_t rows = table.size(0), count = index.size(0);
    const std::int64_t* row = index.data<std::int64_t>();
    for (std::int64_t i = 0; i < count; ++i)
        check(0 <= row[i] && row[i] < rows, "embedding", "expected indices in [0, ", rows, "), got ", row[i]);
    const std::int64_t bytes = table.size(1) * size_of(table.dtype());
    parallel_ranges(count, std::max<std::int64_t>(1, (1 << 16) / std::max<std::int64_t>(1, bytes)),
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t i = begin; i < end; ++i)
                            std::memcpy(y.raw() + i * bytes, table.raw() + row[i] * bytes, static_cast<std::size_t>(bytes));
                    });
}

// A row of the table belongs to one thread, which adds up its gradients in the order of the batch. A counting sort
// says which they are: positions[first[k]] … positions[first[k + 1] - 1] are the i with index[i] = k.
void embedding_backward(const Tensor& index, const Tensor& dy, Into dtable) {
    const std::int64_t rows = dtable.tensor.size(0), width = dtable.tensor.size(1), count = index.size(0);
    const std::int64_t* row = index.data<std::int64_t>();
    std::vector<std::int64_t> first(static_cast<std::size_t>(rows) + 1), positions(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) ++first[static_cast<std::size_t>(row[i]) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::int64_t i = 0; i < count; ++i) positions[static_cast<std::size_t>(next[static_cast<std::size_t>(row[i])]++)] = i;

    with_compute_dtype("embedding", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const T* source = dy.data<T>();
        T* target = dtable.tensor.data<T>();
        parallel_for(rows, [&](std::int64_t k) {
            T* sum = target + k * width;
            if (!dtable.add) std::fill_n(sum, width, T(0));
            for (auto at = first[static_cast<std::size_t>(k)]; at < first[static_cast<std::size_t>(k) + 1]; ++at) {
                const T* term = source + positions[static_cast<std::size_t>(at)] * width;
                map(
                    width, sum, [](Vec<T> a, Vec<T> b) { return hn::Add(a, b); }, sum, term);
            }
        });
    });
}

}    // namespace lull::cpu
