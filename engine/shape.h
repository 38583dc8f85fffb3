// The extents of a tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

#include "engine/error.h"

namespace lull {

inline constexpr int kMaxRank = 6;

// Up to kMaxRank extents, outermost first, stored in place. Rank 0 is a scalar: one element.
class Shape {
  public:
    Shape() = default;
    Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
    explicit Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
        check(rank_ <= kMaxRank, "shape", "expected at most ", kMaxRank, " axes, got ", extents.size());
        std::copy(extents.begin(), extents.end(), extents_.begin());
    }

    int rank() const { return rank_; }

    // Axes count from the front, negative ones from the back: -1 is the last. Throws Error when there is no such axis.
    int axis(int index) const {
        check(index >= -rank_ && index < rank_, "shape", "no axis ", index, " in shape ", *this);
        return index < 0 ? index + rank_ : index;
    }
    std::int64_t operator[](int index) const { return extents_[static_cast<std::size_t>(axis(index))]; }
    std::int64_t& operator[](int index) { return extents_[static_cast<std::size_t>(axis(index))]; }

    std::int64_t elements() const {
        std::int64_t product = 1;
        for (const std::int64_t extent : *this) product *= extent;
        return product;
    }

    const std::int64_t* begin() const { return extents_.data(); }
    const std::int64_t* end() const { return extents_.data() + rank_; }

    friend bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

    // (8, 32, 32, 1)
    friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
        out << '(';
        for (int i = 0; i < shape.rank_; ++i) out << (i ? ", " : "") << shape[i];
        return out << (shape.rank_ == 1 ? ",)" : ")");
    }

  private:
    std::array<std::int64_t, kMaxRank> extents_{};
    int rank_ = 0;
};

}    // namespace lull
