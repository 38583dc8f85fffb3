#include "engine/cpu/winograd.h"

#include <algorithm>

#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/transpose.h"
#include "engine/cpu/winograd_transforms.h"

namespace lull::cpu {
namespace {

constexpr int kTile = 4, kPatch = 6;    // of outputs, of inputs
constexpr int kVectors = 2;             // of output channels, in a chunk

// Register tiles: kRows tiles (or input channels) by up to kVectors vectors of output channels.
constexpr int kRows = HWY_MAX_BYTES >= 64 ? 8 : 4;

// product[r] = Σ_c points[r][c] filter[c]: R tiles, rows `row` apart; filter: (C, V vectors).
template <class T, int R, int V>
void multiply_tiles(std::int64_t channels, const T* HWY_RESTRICT points, std::int64_t row, const T* HWY_RESTRICT filter,
                    T* HWY_RESTRICT product) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = hn::Zero(d);
    }
    for (std::int64_t c = 0; c < channels; ++c, filter += V * L) {
        Vec<T> f[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) f[v] = hn::Load(d, filter + v * L);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vec<T> x = hn::Set(d, points[r * row + c]);
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(x, f[v], sum[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) hn::Store(sum[r][v], d, product + (r * V + v) * L);
    }
}

// All tiles, and what is left of them in register tiles of half the rows, a quarter, …
template <class T, int R, int V>
void multiply_all(std::int64_t tiles, std::int64_t channels, const T* points, std::int64_t row, const T* filter, T* product) {
    for (; tiles >= R; tiles -= R, points += R * row, product += R * V * lanes<T>())
        multiply_tiles<T, R, V>(channels, points, row, filter, product);
    if constexpr (R > 1) {
        if (tiles > 0) multiply_all<T, R / 2, V>(tiles, channels, points, row, filter, product);
    }
}

// sum[c] (+)= Σ_tiles x[tile][c] dy[tile]: R channels × V vectors; rows of x, dy and sum lie so far apart.
struct Pitches {
    std::int64_t x, dy, sum;
};

template <class T, int R, int V>
void sum_tiles(std::int64_t tiles, const Pitches& pitch, const T* HWY_RESTRICT x, const T* HWY_RESTRICT dy, T* HWY_RESTRICT sum,
               bool add) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> total[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) total[r][v] = add ? hn::Load(d, sum + r * pitch.sum + v * L) : hn::Zero(d);
    }
    for (std::int64_t t = 0; t < tiles; ++t, x += pitch.x, dy += pitch.dy) {
        Vec<T> g[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) g[v] = hn::Load(d, dy + v * L);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vec<T> x_r = hn::Set(d, x[r]);
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) total[r][v] = hn::MulAdd(x_r, g[v], total[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) hn::Store(total[r][v], d, sum + r * pitch.sum + v * L);
    }
}

// Tiles that are worked on together: their points, 36 C of them each, should stay in a core's L2 cache.
std::int64_t slab_tiles(std::int64_t channels) { return channels <= 64 ? 64 : 32; }
// Tiles whose products stay in L1 until they are transformed.
constexpr std::int64_t kRange = 16, kShortRange = kRows;    // the latter where there would be fewer ranges than threads
constexpr std::int64_t kSumTiles = 128;                     // as many rows of dy stay in L1 while all channels of x pass

}    // namespace

template <class T>
Winograd<T>::Winograd(std::int64_t rows, std::int64_t columns, std::int64_t channels, std::int64_t out_channels)
    : rows_(rows),
      columns_(columns),
      channels_(channels),
      out_channels_(out_channels),
      tile_rows_((rows + kTile - 1) / kTile),
      tile_columns_((columns + kTile - 1) / kTile) {}

template <class T>
typename Winograd<T>::Place Winograd<T>::place(std::int64_t tile) const {
    const std::int64_t in_image = tile % tiles();
    return {tile / tiles(), in_image / tile_columns_ * kTile, in_image % tile_columns_ * kTile};
}

template <class T>
void Winograd<T>::pack(const T* weight, std::int64_t tap_step, std::int64_t channel_step, std::int64_t out_step, bool flipped) {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t chunk = kVectors * L, vectors = padded(out_channels_) / L;
    const std::int64_t chunks = (out_channels_ + chunk - 1) / chunk;
    filters_ = Buffer<T>(kPoints * chunks * filter_pitch(chunk));
    // A vector of output channels and as many input channels at a time: whichever of them is contiguous, whole cache lines
    // are read.
    parallel_for(vectors * ((channels_ + L - 1) / L), [&](std::int64_t piece) {
        const std::int64_t o0 = piece % vectors * L, c0 = piece / vectors * L;
        const std::int64_t outs = std::min(L, out_channels_ - o0), channels = std::min(L, channels_ - c0);
        alignas(64) T block[9][L][L] = {};    // [tap][c][o]
        for (std::int64_t tap = 0; tap < 9; ++tap) {
            const T* const from = weight + (flipped ? 8 - tap : tap) * tap_step + c0 * channel_step + o0 * out_step;
            if (outs == L && channel_step == 1) {
                transpose(from, out_step, channels, block[tap][0], L);
            } else if (outs == L && out_step == 1) {
                for (std::int64_t c = 0; c < channels; ++c) std::copy_n(from + c * channel_step, L, block[tap][c]);
            } else {
                for (std::int64_t o = 0; o < outs; ++o)
                    for (std::int64_t c = 0; c < channels; ++c) block[tap][c][o] = from[c * channel_step + o * out_step];
            }
        }
        const std::int64_t chunk_begin = o0 / chunk * chunk, width = std::min(chunk, padded(out_channels_) - chunk_begin);
        T* const to = filters_.data() + kPoints * (chunk_begin / chunk) * filter_pitch(chunk) + c0 * width + o0 - chunk_begin;
        for (std::int64_t c = 0; c < channels; ++c) {
            transform<T, 3, kPatch>(
                transform_filter_axis<T>, [&](int i, int j) { return hn::Load(Tag<T>(), block[3 * i + j][c]); },
                [&](int i, int j, Vec<T> value) {
                    hn::Store(value, Tag<T>(), to + (kPatch * i + j) * filter_pitch(width) + c * width);
                });
        }
    });
}

template <class T>
void Winograd<T>::run(std::int64_t count, const PaddedLayout<T>& layout, const T* x, T* y, const T* bias,
                      const T* residual) const {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t all = count * tiles(), slab = std::min(all, slab_tiles(channels_)), blocks = layout.blocks();
    const std::int64_t row = blocks * L, pitch = slab * row + L;
    const std::int64_t chunks = (out_channels_ + kVectors * L - 1) / (kVectors * L);
    const std::int64_t range = (slab + kRange - 1) / kRange * chunks < threads_for_a_loop() ? kShortRange : kRange;
    Scratch scratch;
    T* const points = scratch.take<T>(kPoints * pitch);
    for (std::int64_t begin = 0; begin < all; begin += slab) {
        const std::int64_t end = std::min(all, begin + slab), ranges = (end - begin + range - 1) / range;
        const auto transform_input = [&](std::int64_t piece) {
            const std::int64_t block = piece % blocks, first = begin + piece / blocks * range;
            for (std::int64_t tile = first; tile < std::min(end, first + range); ++tile) {
                const Place at = place(tile);
                const T* const from =
                    x + at.image * layout.size() + block * layout.block_pitch() + layout.offset(at.row, at.column);
                T* const to = points + (tile - begin) * row + block * L;
                transform<T, kPatch, kPatch>(
                    transform_input_axis<T>,
                    [&](int i, int j) { return hn::Load(Tag<T>(), from + i * layout.row_pitch() + j * L); },
                    [&](int i, int j, Vec<T> value) { hn::Store(value, Tag<T>(), to + (kPatch * i + j) * pitch); });
            }
        };
        const auto multiply = [&](std::int64_t piece) {
            const std::int64_t chunk = piece / ranges, first = begin + piece % ranges * range;
            multiply_and_transform(first, std::min(end, first + range), points + (first - begin) * row, pitch, chunk, y, bias,
                                   residual);
        };
        if (chunks == 1) {    // a range's points are read where they were written
            parallel_for(ranges, [&](std::int64_t i) {
                for (std::int64_t block = 0; block < blocks; ++block) transform_input(i * blocks + block);
                multiply(i);
            });
        } else {
            parallel_for(ranges * blocks, transform_input);
            parallel_for(chunks * ranges, multiply);
        }
    }
}

// Outputs of the tiles [begin, end) in one chunk of output channels.
template <class T>
void Winograd<T>::multiply_and_transform(std::int64_t begin, std::int64_t end, const T* points, std::int64_t pitch,
                                         std::int64_t chunk, T* y, const T* bias, const T* residual) const {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t o0 = chunk * kVectors * L, width = std::min(kVectors * L, padded(out_channels_) - o0);
    const std::int64_t row = padded(channels_), product_pitch = (end - begin) * width + L;
    const T* const filter = filters_.data() + kPoints * chunk * filter_pitch(kVectors * L);
    Scratch scratch;
    T* const product = scratch.take<T>(kPoints * product_pitch);
    for (std::int64_t point = 0; point < kPoints; ++point) {
        const auto multiply = width == L ? multiply_all<T, kRows, 1> : multiply_all<T, kRows, 2>;
        multiply(end - begin, channels_, points + point * pitch, row, filter + point * filter_pitch(width),
                 product + point * product_pitch);
    }
    for (std::int64_t tile = begin; tile < end; ++tile) {
        const Place at = place(tile);
        const std::int64_t rows = std::min<std::int64_t>(kTile, rows_ - at.row),
                           columns = std::min<std::int64_t>(kTile, columns_ - at.column);
        for (std::int64_t v = 0; v < width; v += L) {
            const T* const from = product + (tile - begin) * width + v;
            const std::int64_t o = o0 + v, to = ((at.image * rows_ + at.row) * columns_ + at.column) * out_channels_ + o;
            const auto write = [&](auto lane, auto whole) {
                const Vec<T> bias_o = bias ? lane.load(bias + o) : hn::Zero(Tag<T>());
                transform<T, kPatch, kTile>(
                    interpolate_axis<T, kTile>,
                    [&](int i, int j) { return hn::Load(Tag<T>(), from + (kPatch * i + j) * product_pitch); },
                    [&](int i, int j, Vec<T> value) {
                        if (!whole && (i >= rows || j >= columns)) return;
                        const std::int64_t pixel = to + (i * columns_ + j) * out_channels_;
                        value = hn::Add(value, bias_o);
                        if (residual) value = hn::Add(value, lane.load(residual + pixel));
                        lane.store(value, y + pixel);
                    });
            };
            const bool whole = rows == kTile && columns == kTile;
            if (o + L > out_channels_)
                write(First<T>{static_cast<int>(out_channels_ - o)}, std::false_type{});
            else if (whole)
                write(Whole<T>{}, std::true_type{});
            else
                write(Whole<T>{}, std::false_type{});
        }
    }
}

template <class T>
template <int N, class Axis>
void Winograd<T>::transform_tiles(std::int64_t count, const PaddedLayout<T>& layout, std::int64_t top, std::int64_t left,
                                  const T* x, T* points, const Axis& axis) const {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t blocks = layout.blocks(), row = blocks * L, pitch = point_pitch(count, layout.channels);
    parallel_for(count * blocks, [&](std::int64_t piece) {
        const std::int64_t image = piece / blocks, block = piece % blocks;
        const T* const from_image = x + image * layout.size() + block * layout.block_pitch();
        T* to = points + image * tiles() * row + block * L;
        for (std::int64_t tile = 0; tile < tiles(); ++tile, to += row) {
            const Place at = place(tile);
            const T* const from = from_image + layout.offset(top + at.row, left + at.column);
            transform<T, N, kPatch>(
                axis, [&](int i, int j) { return hn::Load(Tag<T>(), from + i * layout.row_pitch() + j * L); },
                [&](int i, int j, Vec<T> value) { hn::Store(value, Tag<T>(), to + (kPatch * i + j) * pitch); });
        }
    });
}

template <class T>
void Winograd<T>::transform_for_gradient(std::int64_t count, const PaddedLayout<T>& x_layout, const T* x,
                                         const PaddedLayout<T>& dy_layout, const T* dy, T* points) const {
    const auto x_axis = [](const auto& in, auto& out) { transform_input_axis<T>(in, out); };
    const auto dy_axis = [](const auto& in, auto& out) { transform_gradient_axis<T>(in, out); };
    transform_tiles<kPatch>(count, x_layout, 0, 0, x, points, x_axis);
    T* const dy_points = points + kPoints * point_pitch(count, channels_);
    transform_tiles<kTile>(count, dy_layout, dy_layout.top, dy_layout.left, dy, dy_points, dy_axis);
}

template <class T>
void Winograd<T>::multiply_point(std::int64_t point, std::int64_t count, const T* points, T* sum, bool add) const {
    constexpr std::int64_t L = lanes<T>();
    constexpr int R = std::min<int>(kRows, lanes<T>());
    const std::int64_t C = padded(channels_), O = padded(out_channels_), all = count * tiles();
    const Pitches pitch{C, O, O};
    const T* const x = points + point * point_pitch(count, channels_);
    const T* const dy = points + kPoints * point_pitch(count, channels_) + point * point_pitch(count, out_channels_);
    T* const to = sum + point * sum_pitch();
    for (std::int64_t t = 0; t < all; t += kSumTiles) {
        const std::int64_t tiles_now = std::min(kSumTiles, all - t);
        const bool add_now = add || t > 0;
        for (std::int64_t o = 0; o < O;) {
            const std::int64_t vectors = O - o > L ? 2 : 1;
            for (std::int64_t c = 0; c < C; c += R) {
                const auto multiply = vectors == 2 ? sum_tiles<T, R, 2> : sum_tiles<T, R, 1>;
                multiply(tiles_now, pitch, x + t * C + c, dy + t * O + o, to + c * O + o, add_now);
            }
            o += vectors * L;
        }
    }
}

template <class T>
void Winograd<T>::finish(const T* sums, std::int64_t count, T* dweight, bool add) const {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t C = padded(channels_), O = padded(out_channels_), blocks = O / L;
    parallel_for(blocks * (C / L), [&](std::int64_t piece) {
        const std::int64_t o0 = piece % blocks * L, c0 = piece / blocks * L;
        const std::int64_t outs = std::min(L, out_channels_ - o0), channels = std::min(L, channels_ - c0);
        alignas(64) T block[9][L][L];    // [tap][c][o]
        for (std::int64_t c = 0; c < channels; ++c) {
            transform<T, kPatch, 3>(
                interpolate_axis<T, 3>,
                [&](int i, int j) {
                    const T* const from = sums + (kPatch * i + j) * sum_pitch() + (c0 + c) * O + o0;
                    Vec<T> sum = hn::Load(Tag<T>(), from);
                    for (std::int64_t n = 1; n < count; ++n) sum = hn::Add(sum, hn::Load(Tag<T>(), from + n * sum_size()));
                    return sum;
                },
                [&](int i, int j, Vec<T> value) { hn::Store(value, Tag<T>(), block[3 * i + j][c]); });
        }
        for (std::int64_t tap = 0; tap < 9; ++tap) {
            T* const to = dweight + (o0 * 9 + tap) * channels_ + c0;
            if (outs == L && !add) {
                transpose_back(block[tap][0], L, channels, to, 9 * channels_);
                continue;
            }
            for (std::int64_t o = 0; o < outs; ++o)
                for (std::int64_t c = 0; c < channels; ++c) {
                    T& target = to[o * 9 * channels_ + c];
                    target = add ? target + block[tap][c][o] : block[tap][c][o];
                }
        }
    });
}

template class Winograd<float>;
template class Winograd<double>;

}    // namespace lull::cpu
