// GroupNorm of one image, forward and backward, in pieces that group_norm and resnet_block put together.
//
// With μ and r = 1/√(σ² + ε) of a channel's group, x̂ = (x - μ) r, z = γ x̂ + β, a = SiLU(z) or z.
// Backward, from da:   dz = da SiLU'(z),   dγ = Σ dz x̂,   dβ = Σ dz   (over pixels), and as μ and r depend on all n
// elements of the group,   dx = r (γ dz - m₁ - x̂ m₂),   m₁ = Σ γ dz / n,   m₂ = Σ γ dz x̂ / n   (over the group):
// the projection of γ dz off the directions 1 and x̂, along which x can move without changing x̂.
// Every step is per channel an affine function of x and dz, so all loops run over whole vectors of channels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/cpu/math.h"
#include "engine/cpu/partial_sums.h"
#include "engine/cpu/scratch.h"

namespace lull::cpu {

// An image whose channels come from two places: first ‖ second, (pixels, first_channels) and (pixels, the rest).
// first_channels is a multiple of lanes<T>(), or all: no vector of channels straddles the seam.
template <class T>
struct Image {
    std::int64_t pixels, channels;
    const T* first;
    std::int64_t first_channels;
    const T* second = nullptr;

    const T* at(std::int64_t pixel, std::int64_t channel) const {
        return channel < first_channels ? first + pixel * first_channels + channel
                                        : second + pixel * (channels - first_channels) + channel - first_channels;
    }
};

struct Groups {
    std::int64_t count;    // divides the channels
    double eps;
};

// Elements of an array of one value per channel, filled up to whole vectors.
template <class T>
std::int64_t channel_array(std::int64_t channels) {
    return round_up(channels, lanes<T>());
}

// μ and r of each group of x + shift, in two passes. shift: (channels) or null. statistics: (groups, 2).
template <class T>
void group_statistics(const Image<T>& x, const T* shift, const Groups& groups, T* statistics) {
    const Tag<T> d;
    Scratch scratch;
    const std::int64_t size = channel_array<T>(x.channels), width = x.channels / groups.count;
    T* const sums = scratch.take<T>(size);
    T* const centre = scratch.take<T>(size);
    const double elements = static_cast<double>(width * x.pixels);
    for_each_vector<T>(x.channels, [&](std::int64_t c, auto lane) {
        hn::Store(sum_in_order<T>(x.pixels, [&](std::int64_t p) { return lane.load(x.at(p, c)); }), d, sums + c);
    });
    std::fill_n(centre, size, T(0));
    for (std::int64_t g = 0; g < groups.count; ++g) {
        double mean = 0;
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
            mean += static_cast<double>(sums[c]);
            if (shift) mean += static_cast<double>(shift[c]) * static_cast<double>(x.pixels);
        }
        statistics[2 * g] = static_cast<T>(mean / elements);
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) centre[c] = statistics[2 * g] - (shift ? shift[c] : T(0));
    }
    for_each_vector<T>(x.channels, [&](std::int64_t c, auto lane) {
        const Vec<T> mean = hn::Load(d, centre + c);
        hn::Store(sum_in_order<T>(x.pixels,
                                  [&](std::int64_t p) {
                                      const Vec<T> deviation = hn::Sub(lane.load(x.at(p, c)), mean);
                                      return hn::Mul(deviation, deviation);
                                  }),
                  d, sums + c);
    });
    for (std::int64_t g = 0; g < groups.count; ++g) {
        double variance = 0;
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) variance += static_cast<double>(sums[c]);
        statistics[2 * g + 1] = static_cast<T>(1 / std::sqrt(variance / elements + groups.eps));
    }
}

// Per channel: x̂ = x·scale + offset (the shift included).
template <class T>
struct Normalise {
    T *scale, *offset;

    Normalise(Scratch& scratch, std::int64_t channels, const T* shift, const Groups& groups, const T* statistics)
        : scale(scratch.take<T>(channel_array<T>(channels))), offset(scratch.take<T>(channel_array<T>(channels))) {
        std::fill_n(scale, channel_array<T>(channels), T(0));
        std::fill_n(offset, channel_array<T>(channels), T(0));
        for (std::int64_t c = 0; c < channels; ++c) {
            const T *group = statistics + c / (channels / groups.count) * 2, mean = group[0], rstd = group[1];
            scale[c] = rstd;
            offset[c] = ((shift ? shift[c] : T(0)) - mean) * rstd;
        }
    }
    Vec<T> operator()(Vec<T> x, std::int64_t c) const {
        return hn::MulAdd(x, hn::Load(Tag<T>(), scale + c), hn::Load(Tag<T>(), offset + c));
    }
};

// a = SiLU(γ x̂ + β), or without the SiLU: the value of pixel p's channels from c on.
template <class T, bool kSilu>
struct NormaliseAndActivate {
    const Image<T>& x;
    const Normalise<T>& normalise;
    const T *weight, *bias;

    template <class Lanes>
    Vec<T> operator()(std::int64_t p, std::int64_t c, Lanes lane) const {
        const Vec<T> z = hn::MulAdd(normalise(lane.load(x.at(p, c)), c), lane.load(weight + c), lane.load(bias + c));
        if constexpr (kSilu)
            return vsilu(z);
        else
            return z;
    }
};

// The first half of backward. g: (pixels, channels), da on entry, dz on return. sum_dz = dβ and sum_dz_x = dγ of this image:
// channel arrays. keep(p, c, a) sees the activation, which backward-weights needs again, on the way.
template <class T, bool kSilu, class Keep>
void group_norm_backward_sums(const Image<T>& x, const Normalise<T>& normalise, const T* weight, const T* bias, T* g, T* sum_dz,
                              T* sum_dz_x, const Keep& keep) {
    const Tag<T> d;
    for_each_vector<T>(x.channels, [&](std::int64_t c, auto lane) {
        const Vec<T> gamma = lane.load(weight + c), beta = lane.load(bias + c);
        Vec<T> sum = hn::Zero(d), sum_x = hn::Zero(d);
        for (std::int64_t p = 0; p < x.pixels; ++p) {
            T* const g_p = g + p * x.channels + c;
            const Vec<T> x_hat = normalise(lane.load(x.at(p, c)), c), z = hn::MulAdd(x_hat, gamma, beta);
            Vec<T> dz = lane.load(g_p);
            if constexpr (kSilu) {
                Vec<T> derivative;
                keep(p, c, vsilu_and_derivative(z, derivative));
                dz = hn::Mul(dz, derivative);
                lane.store(dz, g_p);
            }
            sum = hn::Add(sum, dz);
            sum_x = hn::MulAdd(dz, x_hat, sum_x);
        }
        hn::Store(sum, d, sum_dz + c);
        hn::Store(sum_x, d, sum_dz_x + c);
    });
}

// The second half: dx = dz·of_dz + x·of_x + constant, per channel.
template <class T>
struct GroupNormGradient {
    const Image<T>& x;
    const T* dz;
    T *of_dz, *of_x, *constant;

    GroupNormGradient(Scratch& scratch, const Image<T>& image, const Normalise<T>& normalise, const T* weight, const T* dz_image,
                      const T* sum_dz, const T* sum_dz_x, const Groups& groups)
        : x(image), dz(dz_image) {
        const std::int64_t size = channel_array<T>(x.channels), width = x.channels / groups.count;
        for (T** array : {&of_dz, &of_x, &constant}) std::fill_n(*array = scratch.take<T>(size), size, T(0));
        const double elements = static_cast<double>(width * x.pixels);
        for (std::int64_t begin = 0; begin < x.channels; begin += width) {
            double m1 = 0, m2 = 0;
            for (std::int64_t c = begin; c < begin + width; ++c) {
                m1 += static_cast<double>(weight[c]) * static_cast<double>(sum_dz[c]);
                m2 += static_cast<double>(weight[c]) * static_cast<double>(sum_dz_x[c]);
            }
            for (std::int64_t c = begin; c < begin + width; ++c) {
                const T rstd = normalise.scale[c], rstd_m2 = rstd * static_cast<T>(m2 / elements);
                of_dz[c] = rstd * weight[c];
                of_x[c] = -rstd_m2 * rstd;
                constant[c] = -rstd * static_cast<T>(m1 / elements) - rstd_m2 * normalise.offset[c];
            }
        }
    }
    template <class Lanes>
    Vec<T> operator()(std::int64_t p, std::int64_t c, Lanes lane) const {
        const Tag<T> d;
        const Vec<T> from_x = hn::MulAdd(lane.load(x.at(p, c)), hn::Load(d, of_x + c), hn::Load(d, constant + c));
        return hn::MulAdd(lane.load(dz + p * x.channels + c), hn::Load(d, of_dz + c), from_x);
    }
};

}    // namespace lull::cpu
