#include <algorithm>
#include <array>

#include "engine/cpu/convert.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/copy/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kGrain = 1 << 14;

template <class To, class From>
To converted(From value) {
    if constexpr (std::is_same_v<From, bf16>)
        return converted<To>(static_cast<float>(value));
    else if constexpr (std::is_same_v<To, bf16>)
        return bf16(static_cast<float>(value));
    else
        return static_cast<To>(value);
}

// Two strided views of one shape as rows along the last axis: row r starts at from_offset, to_offset.
struct Rows {
    Rows(const Tensor& from, const Tensor& to) : from_(from), to_(to) {
        const int rank = from.rank();
        length = rank > 0 ? from.size(-1) : 1;
        count = length > 0 ? from.elements() / length : 0;
        from_stride = rank > 0 ? from.strides()[-1] : 1;
        to_stride = rank > 0 ? to.strides()[-1] : 1;
    }

    // (from, to) offsets of row r, in elements.
    std::array<std::int64_t, 2> offsets(std::int64_t r) const {
        std::array<std::int64_t, 2> result{};
        for (int axis = from_.rank() - 2; axis >= 0; --axis) {
            const std::int64_t i = r % from_.size(axis);
            r /= from_.size(axis);
            result[0] += i * from_.strides()[axis];
            result[1] += i * to_.strides()[axis];
        }
        return result;
    }

    std::int64_t count, length, from_stride, to_stride;

  private:
    const Tensor& from_;
    const Tensor& to_;
};

// Calls f(from element, to element) for all pairs. Contiguous views are one long row, cut into ranges.
template <class From, class To, class F>
void for_each_pair(const Tensor& from, Tensor& to, const F& f) {
    const From* source = from.data<From>();
    To* target = to.data<To>();
    if (from.is_contiguous() && to.is_contiguous()) {
        parallel_ranges(from.elements(), kGrain, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) f(source[i], target[i]);
        });
        return;
    }
    const Rows rows(from, to);
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, rows.length));
    parallel_ranges(rows.count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
            const auto [from_offset, to_offset] = rows.offsets(r);
            for (std::int64_t i = 0; i < rows.length; ++i)
                f(source[from_offset + i * rows.from_stride], target[to_offset + i * rows.to_stride]);
        }
    });
}

}    // namespace

void copy_elements(const Tensor& from, Tensor to) {
    if (from.is_contiguous() && to.is_contiguous()) {
        const auto convert_all = [&]<class From, class To>(From, To) {
            const From* const source = from.data<From>();
            To* const target = to.data<To>();
            parallel_ranges(from.elements(), kGrain, [&](std::int64_t begin, std::int64_t end) {
                cpu::convert(source + begin, end - begin, target + begin);
            });
        };
        if (from.dtype() == DType::bf16 && to.dtype() == DType::f32) return convert_all(bf16{}, float{});
        if (from.dtype() == DType::f32 && to.dtype() == DType::bf16) return convert_all(float{}, bf16{});
    }
    with_dtype(from.dtype(), [&](auto from_type) {
        with_dtype(to.dtype(), [&](auto to_type) {
            using From = decltype(from_type);
            using To = decltype(to_type);
            for_each_pair<From, To>(from, to, [](const From& value, To& target) { target = converted<To>(value); });
        });
    });
}

void fill_elements(double value, Tensor to) {
    with_dtype(to.dtype(), [&](auto type) {
        using T = decltype(type);
        std::fill_n(to.data<T>(), to.elements(), converted<T>(value));
    });
}

void accumulate_elements(const Tensor& from, Tensor to) {
    if (from.dtype() == DType::bf16) {    // the sum is rounded
        for_each_pair<bf16, bf16>(from, to, [](const bf16& value, bf16& target) {
            target = bf16(static_cast<float>(target) + static_cast<float>(value));
        });
        return;
    }
    with_compute_dtype("accumulate", from.dtype(), [&](auto type) {
        using T = decltype(type);
        for_each_pair<T, T>(from, to, [](const T& value, T& target) { target += value; });
    });
}

}    // namespace lull::cpu
