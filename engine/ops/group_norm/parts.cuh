// What the GroupNorm kernels are put together from: how an image is cut into parts for blocks, sums over the pixels of a part,
// and what is computed for a vector of channels.
#pragma once

#include "engine/cuda/device.h"

namespace lull::cuda {

namespace {

constexpr int kNormThreads = 256;

// A block has `groups` groups of an image, `channels` channels, and of those up to `pixels` pixels. Its threads form rows of
// `width` columns, a column being V neighbouring channels: neighbours read neighbouring vectors, and a thread meets the same
// elements in every phase. Rows fill a warp as far as they can, so that shuffles add up its pixels, or else the block.
struct Cut {
    int groups, channels, pixels;
    int slabs, chunks;     // parts of an image: beside each other along the channels, and one after the other
    int columns, width;    // of a part, and of them those that a row of threads has at a time
    int span, rows;        // threads that rows fill (a warp's or a block's), and rows of the block
    int partial_rows;      // sums per channel that a block adds up at its end
    int slab_bytes;        // of a tensor's part in shared memory
    std::size_t shared_bytes;
};

struct Part {
    std::int64_t image;
    int chunk, group, channel, pixel, pixels;    // its first group, channel and pixel, and how many pixels
};

LULL_DEVICE Part part_of_block(const Cut& cut, int image_pixels) {
    const unsigned slabs = static_cast<unsigned>(cut.slabs), chunks = static_cast<unsigned>(cut.chunks);
    Part part{};
    const int slab = static_cast<int>(blockIdx.x % slabs);
    part.image = blockIdx.x / slabs / chunks;
    part.chunk = static_cast<int>(blockIdx.x / slabs % chunks);
    part.group = slab * cut.groups;
    part.channel = slab * cut.channels;
    part.pixel = part.chunk * cut.pixels;
    part.pixels = image_pixels - part.pixel < cut.pixels ? image_pixels - part.pixel : cut.pixels;
    return part;
}

// Calls f(column, row) for the columns of the thread. A thread without a row gets one beyond the last pixel.
template <class F>
LULL_DEVICE void for_each_column(const Cut& cut, const F& f) {
    const int thread = static_cast<int>(threadIdx.x), seat = thread % cut.span, rows = cut.span / cut.width;
    const int row = seat / cut.width < rows ? thread / cut.span * rows + seat / cut.width : cut.pixels;
    for (int column = seat % cut.width; column < cut.columns; column += cut.width) f(column, row);
}

// Inside for_each_column: puts the thread's sums over its pixels with the others'. partial: (partial_rows, channels).
template <int V>
LULL_DEVICE void keep_sums(const Cut& cut, int column, const float (&sums)[V], float* partial) {
    const int seat = static_cast<int>(threadIdx.x) % cut.span, rows = cut.span / cut.width, row = seat / cut.width;
    float total[V];
    for (int k = 0; k < V; ++k) total[k] = sums[k];
    if (cut.span == kWarp) {    // row r takes r + 1's, then r + 2's, r + 4's, …, until row 0 has all
        for (int distance = 1; distance < rows; distance *= 2) {
            for (int k = 0; k < V; ++k) {
                const float other = shuffle(total[k], (seat + distance * cut.width) % kWarp);
                if (row + distance < rows) total[k] += other;
            }
        }
    }
    const int target = cut.span == kWarp ? warp_of_thread() : row;
    if (row < (cut.span == kWarp ? 1 : rows)) {
        for (int k = 0; k < V; ++k) partial[target * cut.channels + column * V + k] = total[k];
    }
}

// What keep_sums kept, for kSums partials one after the other, added up: sums (kSums, channels). With barriers around it.
template <int kSums>
LULL_DEVICE void add_up(const Cut& cut, const float* partial, float* sums) {
    sync_block();
    for (int i = static_cast<int>(threadIdx.x); i < kSums * cut.channels; i += kNormThreads) {
        const float* const from = partial + i / cut.channels * cut.partial_rows * cut.channels + i % cut.channels;
        float sum = 0;
        for (int row = 0; row < cut.partial_rows; ++row) sum += from[row * cut.channels];
        sums[i] = sum;
    }
    sync_block();
}

// Calls f(group) for the groups of the part, a warp for each.
template <class F>
LULL_DEVICE void for_each_group(int groups, const F& f) {
    for (int group = warp_of_thread(); group < groups; group += kNormThreads / kWarp) f(group);
}
// Σ f(c) over the channels of a group, by a warp.
template <class F>
LULL_DEVICE float group_sum(int group, int width, const F& f) {
    float sum = 0;
    for (int c = group * width + lane_of_thread(); c < (group + 1) * width; c += kWarp) sum += f(c);
    return warp_sum(sum);
}

// An array of f32 or bf16 that is read a few times, or nothing, which is zeros.
struct Floats {
    const void* data;
    bool is_bf16;
    LULL_DEVICE float operator[](std::int64_t i) const {
        if (!data) return 0;
        return is_bf16 ? to_float(static_cast<const bf16*>(data)[i]) : static_cast<const float*>(data)[i];
    }
};
// The same to write to, or to add to.
struct FloatsInto {
    void* data;
    bool is_bf16, add;
    LULL_DEVICE void put(std::int64_t i, float value) const {
        if (!data) return;
        if (is_bf16) {
            bf16* const at = static_cast<bf16*>(data) + i;
            *at = to_bf16(add ? to_float(*at) + value : value);
        } else {
            float* const at = static_cast<float*>(data) + i;
            *at = add ? *at + value : value;
        }
    }
};

// ---- Sources and targets ----

// V neighbouring channels of all pixels of an image.
template <class T>
struct Column {
    T* first;
    std::int64_t stride;
    LULL_DEVICE T* at(int pixel) const { return first + pixel * stride; }
};

// x ‖ skip with bias and emb.
template <class T>
struct Source {
    const T *x, *skip;
    Floats bias, emb;
    int pixels, x_channels, channels, groups;
    LULL_DEVICE Column<const T> column(std::int64_t image, int c) const {
        const int rest = channels - x_channels;
        if (c < x_channels) return {x + image * pixels * x_channels + c, x_channels};
        return {skip + image * pixels * rest + c - x_channels, rest};
    }
    LULL_DEVICE float added(std::int64_t image, int c) const { return bias[c] + emb[image * channels + c]; }
    LULL_DEVICE int width() const { return channels / groups; }    // of a group
};

// dx ‖ dskip; null where not wanted.
template <class T>
struct Target {
    T *x, *skip;
    bool add_x, add_skip;
    int pixels, x_channels, channels;
    LULL_DEVICE Column<T> column(std::int64_t image, int c) const {
        const int rest = channels - x_channels;
        if (c < x_channels) return {x ? x + image * pixels * x_channels + c : nullptr, x_channels};
        return {skip ? skip + image * pixels * rest + c - x_channels : nullptr, rest};
    }
    LULL_DEVICE bool adds(int c) const { return c < x_channels ? add_x : add_skip; }
};

struct Affine {
    Floats weight, bias;
};

// V channels' constants: n = (x - centre) rstd, z = gamma n + beta.
template <int V>
struct Constants {
    float centre[V], rstd[V], gamma[V], beta[V];

    // statistics: (groups, 2) from the group of channel `first` on.
    template <class T>
    LULL_DEVICE Constants(const Source<T>& in, const Affine& affine, std::int64_t image, int c, const float* statistics,
                          int first) {
        for (int k = 0; k < V; ++k) {
            const float* const group = statistics + 2 * ((c + k - first) / in.width());
            centre[k] = group[0] - in.added(image, c + k);
            rstd[k] = group[1];
            gamma[k] = affine.weight[c + k];
            beta[k] = affine.bias[c + k];
        }
    }
    LULL_DEVICE float normalised(float x, int k) const { return (x - centre[k]) * rstd[k]; }
    LULL_DEVICE float z(float n, int k) const { return gamma[k] * n + beta[k]; }
};

template <bool kSilu>
LULL_DEVICE float activated(float z) {
    return kSilu ? z * fast_sigmoid(z) : z;
}
// SiLU'(z) = s (1 + z (1 - s)), s the sigmoid.
template <bool kSilu>
LULL_DEVICE float slope(float z) {
    if constexpr (!kSilu) return 1;
    const float s = fast_sigmoid(z);
    return s * (1 + z * (1 - s));
}

template <class T, int V>
LULL_DEVICE void copy_pack_async(Pack<T, V>* to_shared, const T* from) {
    if constexpr (sizeof(Pack<T, V>) == 16)
        copy16_async(to_shared, from);
    else
        *to_shared = load_pack<V>(from);
}

// The block's part of x ‖ skip → slab (pixels, columns). Each thread may read what it copied after copy_wait.
template <class T, int V>
LULL_DEVICE void load_part(const Source<T>& in, const Cut& cut, const Part& part, Pack<T, V>* slab) {
    for_each_column(cut, [&](int column, int row) {
        const Column<const T> from = in.column(part.image, part.channel + column * V);
        for (int p = row; p < part.pixels; p += cut.rows)
            copy_pack_async(slab + p * cut.columns + column, from.at(part.pixel + p));
    });
    copy_commit();
}

// A block's shared memory behind its slabs, in floats: partial (kSums, partial_rows, channels), sums (kSums, channels) and
// two values per group.
template <int kSums>
struct Shared {
    std::byte* slabs;
    float *partial, *sums, *groups;
    LULL_DEVICE Shared(const Cut& cut, int slab_count) {
        slabs = &shared_memory<std::byte>();
        partial = reinterpret_cast<float*>(slabs + slab_count * cut.slab_bytes);
        sums = partial + kSums * cut.partial_rows * cut.channels;
        groups = sums + kSums * cut.channels;
    }
};

// Of each group of the part: its mean, and the sum of squares about it → shared.groups (groups, 2). The first mean is rounded;
// what the deviations from it add up to corrects both.
template <class T, int V>
LULL_DEVICE void moments(const Source<T>& in, const Cut& cut, const Part& part, const Pack<T, V>* slab, const Shared<2>& shared) {
    const int width = in.width();
    const float pixels = static_cast<float>(part.pixels), elements = pixels * static_cast<float>(width);
    for_each_column(cut, [&](int column, int row) {
        float sum[V] = {};
        for (int p = row; p < part.pixels; p += cut.rows) {
            const Pack<T, V> x = slab[p * cut.columns + column];
            for (int k = 0; k < V; ++k) sum[k] += to_float(x.at[k]);
        }
        keep_sums<V>(cut, column, sum, shared.partial);
    });
    add_up<1>(cut, shared.partial, shared.sums);
    for_each_group(cut.groups, [&](int g) {
        const float sum =
            group_sum(g, width, [&](int c) { return shared.sums[c] + pixels * in.added(part.image, part.channel + c); });
        if (lane_of_thread() == 0) shared.groups[2 * g] = sum / elements;
    });
    sync_block();

    float* const second = shared.partial + cut.partial_rows * cut.channels;
    for_each_column(cut, [&](int column, int row) {
        float centre[V], sum[V] = {}, squares[V] = {};
        for (int k = 0; k < V; ++k) {
            const int c = column * V + k;
            centre[k] = shared.groups[2 * (c / width)] - in.added(part.image, part.channel + c);
        }
        for (int p = row; p < part.pixels; p += cut.rows) {
            const Pack<T, V> x = slab[p * cut.columns + column];
            for (int k = 0; k < V; ++k) {
                const float deviation = to_float(x.at[k]) - centre[k];
                sum[k] += deviation;
                squares[k] += deviation * deviation;
            }
        }
        keep_sums<V>(cut, column, sum, shared.partial);
        keep_sums<V>(cut, column, squares, second);
    });
    add_up<2>(cut, shared.partial, shared.sums);
    for_each_group(cut.groups, [&](int g) {
        const float sum = group_sum(g, width, [&](int c) { return shared.sums[c]; });
        const float squares = group_sum(g, width, [&](int c) { return shared.sums[cut.channels + c]; });
        if (lane_of_thread() == 0) {
            shared.groups[2 * g] += sum / elements;
            shared.groups[2 * g + 1] = squares - sum * sum / elements;
        }
    });
    sync_block();
}

// y of a pack of x.
template <bool kSilu, class T, int V>
LULL_DEVICE Pack<T, V> normalised(const Constants<V>& constants, const Pack<T, V>& x) {
    Pack<T, V> y;
    for (int k = 0; k < V; ++k) {
        const float z = constants.z(constants.normalised(to_float(x.at[k]), k), k);
        y.at[k] = from_float<T>(activated<kSilu>(z));
    }
    return y;
}

// Backward's sums over pixels, per channel: Σ dz, Σ dz n and Σ n.
template <int V>
struct BackwardSums {
    float dz[V] = {}, dz_n[V] = {}, n[V] = {};

    template <bool kSilu, class T>
    LULL_DEVICE void add(const Constants<V>& constants, const Pack<T, V>& x, const Pack<T, V>& dy) {
        for (int k = 0; k < V; ++k) {
            const float normed = constants.normalised(to_float(x.at[k]), k);
            const float d = to_float(dy.at[k]) * slope<kSilu>(constants.z(normed, k));
            dz[k] += d;
            dz_n[k] += d * normed;
            n[k] += normed;
        }
    }
    // partial: (3, partial_rows, channels).
    LULL_DEVICE void keep(const Cut& cut, int column, float* partial) const {
        const int size = cut.partial_rows * cut.channels;
        keep_sums<V>(cut, column, dz, partial);
        keep_sums<V>(cut, column, dz_n, partial + size);
        keep_sums<V>(cut, column, n, partial + 2 * size);
    }
};

// The means of γ dz and of γ dz n over a group, by a warp, from sums over pixels (3, channels), channel `first` first. share: 1
// over the elements of a group, or 0 where the statistics do not move with x.
LULL_DEVICE void gradient_means(const Affine& affine, const float* sums, int channels, int first, int group, int width,
                                float share, float* means) {
    const float m1 = group_sum(group, width, [&](int c) { return affine.weight[first + c] * sums[c]; });
    const float m2 = group_sum(group, width, [&](int c) { return affine.weight[first + c] * sums[channels + c]; });
    if (lane_of_thread() == 0) {
        means[2 * group] = share * m1;
        means[2 * group + 1] = share * m2;
    }
}

// dx = rstd (γ dz - m₁ - n m₂) of a pack, written or added; and y once more.
template <bool kSilu, class T, int V>
LULL_DEVICE void write_gradient(const Constants<V>& constants, const float (&m1)[V], const float (&m2)[V], const Pack<T, V>& x,
                                const Pack<T, V>& dy, T* dx, bool add, T* y) {
    Pack<T, V> gradient, before;
    if (add && dx) before = load_pack<V>(static_cast<const T*>(dx));
    for (int k = 0; k < V; ++k) {
        const float n = constants.normalised(to_float(x.at[k]), k);
        const float dz = to_float(dy.at[k]) * slope<kSilu>(constants.z(n, k));
        const float value = constants.rstd[k] * (constants.gamma[k] * dz - m1[k] - n * m2[k]);
        gradient.at[k] = from_float<T>(add && dx ? to_float(before.at[k]) + value : value);
    }
    if (dx) store_pack(dx, gradient);
    if (y) store_pack(y, normalised<kSilu>(constants, x));
}

// Σ over pixels of dx, before rounding: the gradient of what is added to a channel.
LULL_DEVICE float added_gradient(float rstd, float gamma, const float* means, float pixels, float dz, float n) {
    return rstd * (gamma * dz - pixels * means[0] - n * means[1]);
}

}    // namespace

}    // namespace lull::cuda
