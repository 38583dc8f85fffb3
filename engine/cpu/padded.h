// The form in which convolution kernels read an image.
//
// Channels lie in blocks of lanes<T>(), zeros behind the last, and the image has margins of zeros. So the pixels that a
// register tile reads are one vector apart, whatever the number of channels: a compile-time constant, one base pointer.
// For a convolution of stride s the columns are dealt into s phases (column c is element c / s of phase c mod s): the
// pixels s columns apart that neighbouring outputs read are neighbours again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"

namespace lull::cpu {

// [block][row][phase][column / phases][lane]
template <class T>
struct PaddedLayout {
    std::int64_t height, width, channels;    // of the image
    std::int64_t top, left;                  // where it begins
    std::int64_t rows, columns;              // margins included; columns per phase
    std::int64_t phases = 1;

    std::int64_t blocks() const { return (channels + lanes<T>() - 1) / lanes<T>(); }
    std::int64_t row_pitch() const { return phases * columns * lanes<T>(); }
    std::int64_t block_pitch() const { return rows * row_pitch(); }
    std::int64_t size() const { return blocks() * block_pitch(); }
    // Of lane 0 in block 0; rows and columns count from the margin's corner.
    std::int64_t offset(std::int64_t row, std::int64_t column) const {
        if (phases == 1) return row * row_pitch() + column * lanes<T>();
        return row * row_pitch() + (column % phases * columns + column / phases) * lanes<T>();
    }
};

// Where each pixel of the image lies, in row-major order.
template <class T>
std::vector<std::int64_t> pixel_offsets(const PaddedLayout<T>& layout) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t p = 0; p < layout.height * layout.width; ++p) {
        offsets.push_back(layout.offset(layout.top + p / layout.width, layout.left + p % layout.width));
    }
    return offsets;
}

// Fills the margins with zeros.
template <class T>
void clear_margins(const PaddedLayout<T>& layout, T* out) {
    if (layout.phases > 1) {
        std::fill_n(out, layout.size(), T(0));
        return;
    }
    const std::int64_t left = layout.left * lanes<T>(), end = left + layout.width * lanes<T>();
    for (std::int64_t block = 0; block < layout.blocks(); ++block) {
        for (std::int64_t row = 0; row < layout.rows; ++row, out += layout.row_pitch()) {
            const bool inside = row >= layout.top && row < layout.top + layout.height;
            std::fill(out, out + (inside ? left : layout.row_pitch()), T(0));
            if (inside) std::fill(out + end, out + layout.row_pitch(), T(0));
        }
    }
}

// Fills the image and clears the margins: pixel p's vector of channels [c, c + lanes) becomes f(p, c, lane), where
// lane.load(…) reads as many channels as there are. Shares a large image's rows among the threads, unless a caller's loop has
// them.
template <class T, class F>
void write_padded(const PaddedLayout<T>& layout, T* out, const F& f) {
    constexpr std::int64_t kElements = 8192;    // worth a thread's attention: some microseconds, with an activation
    clear_margins(layout, out);
    const std::int64_t row = layout.width * layout.channels;
    parallel_ranges(layout.height, std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, row)),
                    [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t i = begin; i < end; ++i) {
                            for_each_vector<T>(layout.channels, [&](std::int64_t c, auto lane) {
                                T* const block = out + c / lanes<T>() * layout.block_pitch();
                                for (std::int64_t j = 0; j < layout.width; ++j)
                                    hn::Store(f(i * layout.width + j, c, lane), Tag<T>(),
                                              block + layout.offset(layout.top + i, layout.left + j));
                            });
                        }
                    });
}

// image: (height, width, channels)
template <class T>
void copy_padded(const PaddedLayout<T>& layout, const T* image, T* out) {
    write_padded(layout, out,
                 [&](std::int64_t p, std::int64_t c, auto lane) { return lane.load(image + p * layout.channels + c); });
}

}    // namespace lull::cpu
