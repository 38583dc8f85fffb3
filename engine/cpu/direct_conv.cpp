#include "engine/cpu/direct_conv.h"

#include <algorithm>

#include "engine/cpu/narrow_conv.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"

namespace lull::cpu {
namespace {

// Register tiles: kBroadcasts<T, V> pixels (or input channels) by V vectors of output channels, V = 1 or 2.
template <class T, int V>
constexpr int kBroadcasts = (HWY_MAX_BYTES >= 64 ? 16 : 8) / V;

// What the tile kernel needs besides pointers.
template <class T>
struct Sum {
    std::int64_t channels, x_block;
    const std::int64_t* offsets;
    std::int64_t taps;
};

// Where a tile of outputs goes; bias and residual may be null.
template <class T>
struct Output {
    T* y;
    const T* bias;
    const T* residual;
    std::int64_t y_column;
};

// R neighbouring pixels × V vectors of output channels, `columns` ≤ V·lanes of them real.
template <class T, int R, int V>
void conv_tile(const Sum<T>& sum, const T* HWY_RESTRICT x, const T* HWY_RESTRICT w, const Output<T>& out, std::int64_t columns) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> acc[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[r][v] = hn::Zero(d);
    }
    for (std::int64_t c0 = 0; c0 < sum.channels; c0 += L, x += sum.x_block) {
        const std::int64_t channels = std::min<std::int64_t>(L, sum.channels - c0);
        for (std::int64_t t = 0; t < sum.taps; ++t) {
            const T* p = x + sum.offsets[t];
            for (std::int64_t c = 0; c < channels; ++c, ++p, w += V * L) {
                Vec<T> w_v[V];
#pragma GCC unroll 2
                for (int v = 0; v < V; ++v) w_v[v] = hn::Load(d, w + v * L);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    const Vec<T> x_r = hn::Set(d, p[r * L]);
#pragma GCC unroll 2
                    for (int v = 0; v < V; ++v) acc[r][v] = hn::MulAdd(x_r, w_v[v], acc[r][v]);
                }
            }
        }
    }
    const auto write = [&](int v, auto lane) {
        const Vec<T> bias = out.bias ? lane.load(out.bias + v * L) : hn::Zero(d);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const std::int64_t at = r * out.y_column + v * L;
            Vec<T> y = hn::Add(acc[r][v], bias);
            if (out.residual) y = hn::Add(y, lane.load(out.residual + at));
            lane.store(y, out.y + at);
        }
    };
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
        if (columns >= (v + 1) * L)
            write(v, Whole<T>{});
        else
            write(v, First<T>{static_cast<int>(columns - v * L)});
    }
}

// A row of output pixels: tiles of R, and what is left in tiles of R/2, R/4, … 1.
template <class T, int R, int V>
void conv_row(const Sum<T>& sum, const T* x, const T* w, Output<T> out, std::int64_t columns, std::int64_t pixels) {
    while (pixels >= R) {
        conv_tile<T, R, V>(sum, x, w, out, columns);
        x += R * lanes<T>();
        out.y += R * out.y_column;
        if (out.residual) out.residual += R * out.y_column;
        pixels -= R;
    }
    if constexpr (R > 1) {
        if (pixels > 0) conv_row<T, R / 2, V>(sum, x, w, out, columns, pixels);
    }
}

// A row of output pixels with one channel.
template <class T, int R>
void dot_row(const Sum<T>& sum, const std::vector<std::int64_t>& offsets, const T* x, const T* w, Output<T> out,
             std::int64_t pixels) {
    for (; pixels >= R; pixels -= R, x += R * lanes<T>()) {
        T y[R];
        dot_tile<T, R>((sum.channels + lanes<T>() - 1) / lanes<T>(), sum.x_block, offsets, x, w, y);
        for (int r = 0; r < R; ++r) {
            T value = y[r] + (out.bias ? *out.bias : T(0));
            if (out.residual) {
                value += *out.residual;
                out.residual += out.y_column;
            }
            *out.y = value;
            out.y += out.y_column;
        }
    }
    if constexpr (R > 1) {
        if (pixels > 0) dot_row<T, R / 2>(sum, offsets, x, w, out, pixels);
    }
}

constexpr std::int64_t kBandPixels = 128;

// partial[c][o] += Σ_pixels x[c] dy[o] for C channels × V vectors of one tap.
template <class T>
struct WeightGrid {
    std::int64_t rows, columns;
    std::int64_t x_row, dy_row, dy_block;
    std::int64_t partial_row;
};

template <class T, int C, int V>
void weight_tile(const WeightGrid<T>& grid, const T* HWY_RESTRICT x, const T* HWY_RESTRICT dy, T* HWY_RESTRICT partial) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> acc[C][V];
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[c][v] = hn::Load(d, partial + c * grid.partial_row + v * L);
    }
    for (std::int64_t i = 0; i < grid.rows; ++i, x += grid.x_row, dy += grid.dy_row) {
        for (std::int64_t j = 0; j < grid.columns; ++j) {
            Vec<T> dy_v[V];
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) dy_v[v] = hn::Load(d, dy + v * grid.dy_block + j * L);
#pragma GCC unroll 16
            for (int c = 0; c < C; ++c) {
                const Vec<T> x_c = hn::Set(d, x[j * L + c]);
#pragma GCC unroll 2
                for (int v = 0; v < V; ++v) acc[c][v] = hn::MulAdd(x_c, dy_v[v], acc[c][v]);
            }
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) hn::Store(acc[c][v], d, partial + c * grid.partial_row + v * L);
    }
}

}    // namespace

template <class T>
DirectConvolution<T>::DirectConvolution(const ConvShape& shape, const PaddedLayout<T>& input, const PaddedLayout<T>& gradient)
    : shape_(shape), input_(input), gradient_(gradient), forward_(forward_pass()) {}

template <class T>
typename DirectConvolution<T>::Pass DirectConvolution<T>::forward_pass() const {
    const PaddedLayout<T>& x = input_;
    const std::int64_t y_row = shape_.out_width() * shape_.out_channels;
    Pass pass{.rows = shape_.out_height(),
              .columns = shape_.out_width(),
              .channels = shape_.channels,
              .out_channels = shape_.out_channels,
              .x_row = shape_.stride * x.row_pitch(),
              .x_block = x.block_pitch(),
              .y_begin = 0,
              .y_row = y_row,
              .y_column = shape_.out_channels,
              .taps = {},
              .offsets = {},
              .weights = {}};
    for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
        pass.taps.push_back(tap);
        pass.offsets.push_back(x.offset(tap / shape_.kernel_width, tap % shape_.kernel_width));
    }
    return pass;
}

template <class T>
typename DirectConvolution<T>::Pass DirectConvolution<T>::backward_pass(std::int64_t row_phase, std::int64_t column_phase) const {
    const PaddedLayout<T>& dy = gradient_;
    const std::int64_t s = shape_.stride;
    Pass pass{.rows = (shape_.height - row_phase + s - 1) / s,
              .columns = (shape_.width - column_phase + s - 1) / s,
              .channels = shape_.out_channels,
              .out_channels = shape_.channels,
              .x_row = dy.row_pitch(),
              .x_block = dy.block_pitch(),
              .y_begin = (row_phase * shape_.width + column_phase) * shape_.channels,
              .y_row = s * shape_.width * shape_.channels,
              .y_column = s * shape_.channels,
              .taps = {},
              .offsets = {},
              .weights = {}};
    for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
        const std::int64_t row = row_phase + shape_.padding - tap / shape_.kernel_width;
        const std::int64_t column = column_phase + shape_.padding - tap % shape_.kernel_width;
        if (row % s != 0 || column % s != 0) continue;
        pass.taps.push_back(tap);
        pass.offsets.push_back(dy.offset(dy.top + row / s, dy.left + column / s));
    }
    return pass;
}

// weight's element (tap, c, o) is weight[tap·tap_step + c·channel_step + o·out_step].
template <class T>
void DirectConvolution<T>::pack(Pass& pass, const T* weight, std::int64_t tap_step, std::int64_t channel_step,
                                std::int64_t out_step) {
    constexpr std::int64_t L = lanes<T>();
    const auto taps = static_cast<std::int64_t>(pass.taps.size());
    if (pass.is_narrow()) {
        const std::int64_t size = pass.out_channels * taps * padded(pass.channels);
        pass.weights = Buffer<T>(size);
        std::fill_n(pass.weights.data(), size, T(0));
        for (std::int64_t o = 0; o < pass.out_channels; ++o)
            for (std::int64_t c = 0; c < pass.channels; ++c)
                for (std::int64_t t = 0; t < taps; ++t)
                    pass.weights.data()[((o * (padded(pass.channels) / L) + c / L) * taps + t) * L + c % L] =
                        weight[pass.taps[static_cast<std::size_t>(t)] * tap_step + c * channel_step + o * out_step];
        return;
    }
    pass.weights = Buffer<T>(taps * pass.channels * padded(pass.out_channels));
    T* out = pass.weights.data();
    for (std::int64_t o0 = 0; o0 < pass.out_channels;) {
        const std::int64_t width = pass.out_channels - o0 > L ? 2 * L : L, valid = std::min(width, pass.out_channels - o0);
        for (std::int64_t c0 = 0; c0 < pass.channels; c0 += L) {
            for (const std::int64_t tap : pass.taps) {
                for (std::int64_t c = c0; c < std::min(c0 + L, pass.channels); ++c, out += width) {
                    const T* from = weight + tap * tap_step + c * channel_step + o0 * out_step;
                    for (std::int64_t o = 0; o < valid; ++o) out[o] = from[o * out_step];
                    std::fill(out + valid, out + width, T(0));
                }
            }
        }
        o0 += width;
    }
}

template <class T>
void DirectConvolution<T>::pack_forward(const T* weight) {
    pack(forward_, weight, shape_.channels, 1, shape_.taps() * shape_.channels);
}

template <class T>
void DirectConvolution<T>::pack_backward(const T* weight) {
    backward_.clear();
    for (std::int64_t i = 0; i < std::min(shape_.stride, shape_.height); ++i) {
        for (std::int64_t j = 0; j < std::min(shape_.stride, shape_.width); ++j) {
            backward_.push_back(backward_pass(i, j));
            pack(backward_.back(), weight, shape_.channels, shape_.taps() * shape_.channels, 1);
        }
    }
}

// Rows that one thread computes while another may have the next: few enough to share a single image.
constexpr std::int64_t kBandRows = 8;

template <class T>
void DirectConvolution<T>::run(const Pass& pass, std::int64_t count, std::int64_t x_image, const T* x, std::int64_t y_image, T* y,
                               const T* bias, const T* residual) {
    constexpr std::int64_t L = lanes<T>();
    const auto taps = static_cast<std::int64_t>(pass.taps.size());
    const Sum<T> sum{pass.channels, pass.x_block, pass.offsets.data(), taps};
    const std::int64_t width = pass.is_narrow() ? 1 : 2 * L;    // of a chunk of output channels
    const std::int64_t bands = (pass.rows + kBandRows - 1) / kBandRows, chunks = (pass.out_channels + width - 1) / width;
    parallel_for(count * chunks * bands, [&](std::int64_t piece) {
        const std::int64_t band = piece % bands * kBandRows, o = piece / bands % chunks * width, n = piece / (bands * chunks);
        const std::int64_t left = pass.out_channels - o;
        const T* const w = pass.weights.data() + taps * (pass.is_narrow() ? padded(pass.channels) : pass.channels) * o;
        for (std::int64_t i = band; i < std::min(pass.rows, band + kBandRows); ++i) {
            const std::int64_t at = n * y_image + pass.y_begin + i * pass.y_row + o;
            const Output<T> out{y + at, bias ? bias + o : nullptr, residual ? residual + at : nullptr, pass.y_column};
            const T* const x_row = x + n * x_image + i * pass.x_row;
            if (pass.is_narrow())
                dot_row<T, 8>(sum, pass.offsets, x_row, w, out, pass.columns);
            else if (left > L)
                conv_row<T, kBroadcasts<T, 2>, 2>(sum, x_row, w, out, left, pass.columns);
            else
                conv_row<T, kBroadcasts<T, 1>, 1>(sum, x_row, w, out, left, pass.columns);
        }
    });
}

template <class T>
void DirectConvolution<T>::forward(std::int64_t count, const T* x, T* y, const T* bias, const T* residual) const {
    const std::int64_t y_image = shape_.out_height() * shape_.out_width() * shape_.out_channels;
    run(forward_, count, input_.size(), x, y_image, y, bias, residual);
}

template <class T>
void DirectConvolution<T>::backward_data(std::int64_t count, const T* dy, T* dx, bool add) const {
    const std::int64_t dx_image = shape_.height * shape_.width * shape_.channels;
    for (const Pass& pass : backward_) run(pass, count, gradient_.size(), dy, dx_image, dx, nullptr, add ? dx : nullptr);
}

template <class T>
void DirectConvolution<T>::backward_weights(const T* x, const T* dy, T* partial) const {
    const std::int64_t least = std::min(shape_.channels, shape_.out_channels);
    if (least <= kNarrow && shape_.taps() >= 9) return backward_narrow_weights(x, dy, partial);
    constexpr std::int64_t L = lanes<T>();
    constexpr int kOne = std::min<int>(kBroadcasts<T, 1>, L), kTwo = std::min<int>(kBroadcasts<T, 2>, L);
    const PaddedLayout<T>&x_layout = input_, &dy_layout = gradient_;
    const std::int64_t out_padded = padded(shape_.out_channels), channels_padded = padded(shape_.channels);
    // A band of rows at a time: its vectors stay in L1 for all taps and channels.
    const std::int64_t band = std::max<std::int64_t>(1, kBandPixels / std::max<std::int64_t>(1, dy_layout.width));
    for (std::int64_t row = 0; row < dy_layout.height; row += band) {
        const WeightGrid<T> grid{std::min(band, dy_layout.height - row),
                                 dy_layout.width,
                                 shape_.stride * x_layout.row_pitch(),
                                 dy_layout.row_pitch(),
                                 dy_layout.block_pitch(),
                                 out_padded};
        for (std::int64_t o = 0; o < out_padded;) {
            const std::int64_t vectors = out_padded - o > L ? 2 : 1;
            const T* dy_o = dy + dy_layout.offset(dy_layout.top + row, dy_layout.left) + o / L * dy_layout.block_pitch();
            for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
                const T* x_tap = x + row * grid.x_row + forward_.offsets[static_cast<std::size_t>(tap)];
                T* out = partial + tap * channels_padded * out_padded + o;
                for (std::int64_t c = 0; c < shape_.channels;) {
                    const T* x_c = x_tap + c / L * x_layout.block_pitch() + c % L;
                    if (vectors == 2) {
                        weight_tile<T, kTwo, 2>(grid, x_c, dy_o, out + c * out_padded);
                        c += kTwo;
                    } else {
                        weight_tile<T, kOne, 1>(grid, x_c, dy_o, out + c * out_padded);
                        c += kOne;
                    }
                }
            }
            o += vectors * L;
        }
    }
}

template <class T>
void DirectConvolution<T>::backward_narrow_weights(const T* x, const T* dy, T* partial) const {
    constexpr std::int64_t L = lanes<T>();
    const std::int64_t C = padded(shape_.channels), O = padded(shape_.out_channels), taps = shape_.taps();
    const T* const dy_image = dy + gradient_.offset(gradient_.top, gradient_.left);
    const std::int64_t x_row = shape_.stride * input_.row_pitch();
    if (shape_.channels <= shape_.out_channels) {
        const NarrowGrid grid{gradient_.height, gradient_.width, gradient_.row_pitch(), x_row};
        for (std::int64_t c = 0; c < shape_.channels; ++c)
            for (std::int64_t o = 0; o < O; o += L)
                all_taps<T, false>(grid, dy_image + o / L * gradient_.block_pitch(), x + c / L * input_.block_pitch() + c % L,
                                   forward_.offsets, partial + c * O + o, C * O);
        return;
    }
    // Vectors of input channels: [tap][C], and from there to the partial sum's [tap][C][O].
    const NarrowGrid grid{gradient_.height, gradient_.width, x_row, gradient_.row_pitch()};
    Scratch scratch;
    T* const sum = scratch.take<T>(taps * C);
    for (std::int64_t o = 0; o < shape_.out_channels; ++o) {
        std::fill_n(sum, taps * C, T(0));
        for (std::int64_t c = 0; c < C; c += L)
            all_taps<T, true>(grid, x + c / L * input_.block_pitch(), dy_image + o / L * gradient_.block_pitch() + o % L,
                              forward_.offsets, sum + c, C);
        for (std::int64_t i = 0; i < taps * C; ++i) partial[i * O + o] += sum[i];
    }
}

template <class T>
void DirectConvolution<T>::sum_weights(const T* partials, std::int64_t count, T* dweight, bool add) const {
    const std::int64_t O = shape_.out_channels, C = shape_.channels, taps = shape_.taps();
    const std::int64_t out_padded = padded(O), channels_padded = padded(C);
    parallel_ranges(O, lanes<T>(), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            for (std::int64_t c = 0; c < C; ++c) {
                const T* from = partials + (tap * channels_padded + c) * out_padded + begin;
                alignas(64) T sum[lanes<T>()];
                Vec<T> total = hn::Load(Tag<T>(), from);
                for (std::int64_t i = 1; i < count; ++i) total = hn::Add(total, hn::Load(Tag<T>(), from + i * partial_size()));
                hn::Store(total, Tag<T>(), sum);
                for (std::int64_t o = begin; o < end; ++o) {
                    T& to = dweight[(o * taps + tap) * C + c];
                    to = add ? to + sum[o - begin] : sum[o - begin];
                }
            }
        }
    });
}

template class DirectConvolution<float>;
template class DirectConvolution<double>;

}    // namespace lull::cpu
