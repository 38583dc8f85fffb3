// A vector of queries meets one key after another: their scores (keys, lanes), the softmax and the sums over values are lane
// by lane, with nothing to add up across lanes however small d is (8 in the lesson's U-Net). So are scores, the softmax's
// gradient and the gradient of q in backward; those of k and v are sums over queries, and there the lanes are channels.
//
// Backward. With s_ij = q_i·k_j / √d, P_ij = e^{s_ij - lse_i}, o_i = Σ_j P_ij v_j:
//     dv_j = Σ_i P_ij do_i
//     dP_ij = do_i·v_j
//     ds_ij = P_ij (dP_ij - D_i),  D_i = Σ_j P_ij dP_ij = do_i·o_i
//     dq_i = Σ_j ds_ij k_j / √d,   dk_j = Σ_i ds_ij q_i / √d
// P is computed again from q, k and lse (Dao et al. 2022, arXiv 2205.14135): neither direction stores (queries, keys).
// Exponentials are powers of 2: keys are packed with the factor log2 e / √d.
#include "engine/cpu/attention_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>

#include "engine/cpu/math.h"
#include "engine/cpu/simd.h"
#include "engine/cpu/transpose.h"

namespace lull::cpu {

namespace {

constexpr int kKeys = 8;               // at a time: sums enough to hide the latency of two multiply-add units
constexpr std::int64_t kBlock = 64;    // keys whose P and ds stay in the nearest cache in backward

// A vector of channels, of which heads have few.
template <class T>
using ChannelTag = hn::CappedTag<T, 8>;
template <class T>
constexpr std::int64_t kChannels = hn::MaxLanes(ChannelTag<T>());

// Calls f(begin, std::integral_constant<int, size>) for blocks of kKeys, then of 1, that are [begin, end).
template <class F>
void in_blocks(std::int64_t begin, std::int64_t end, const F& f) {
    for (; begin + kKeys <= end; begin += kKeys) f(begin, std::integral_constant<int, kKeys>());
    for (; begin < end; ++begin) f(begin, std::integral_constant<int, 1>());
}

// Rows of channels are packed at this distance, padded with zeros to whole vectors. It is a constant where a head has as many
// channels as in most U-Nets, and all loops over them unroll.
constexpr std::int64_t kUsualDim = 8;
template <class T>
std::int64_t padded(std::int64_t dim) {
    return round_up(dim, kChannels<T>);
}

// Rows [0, count) of (…, dim), `stride` apart, times scale → to, rows `depth` apart, and zeros to the end of (rows, depth).
template <class T>
HWY_INLINE void pack_rows(const HeadShape& shape, const T* from, std::int64_t count, T scale, T* to, std::int64_t rows,
                          std::int64_t depth) {
    const ChannelTag<T> d;
    const auto factor = hn::Set(d, scale);
    for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t c = 0; c < depth; c += kChannels<T>) {
            const T* const at = from + i * shape.stride + c;
            const std::int64_t rest = shape.dim - c;
            const auto x = rest >= kChannels<T> ? hn::LoadU(d, at) : load_first(d, at, static_cast<std::size_t>(rest));
            hn::StoreU(hn::Mul(x, factor), d, to + i * depth + c);
        }
    }
    std::fill(to + count * depth, to + rows * depth, T(0));
}

// And back: to (+)= scale·rows.
template <class T>
HWY_INLINE void unpack_rows(const HeadShape& shape, const T* rows, std::int64_t count, std::int64_t depth, T scale,
                            HeadGradient<T> to) {
    const ChannelTag<T> d;
    const auto factor = hn::Set(d, scale);
    for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t c = 0; c < shape.dim; c += kChannels<T>) {
            T* const at = to.data + i * shape.stride + c;
            const auto valid = static_cast<std::size_t>(std::min(kChannels<T>, shape.dim - c));
            auto x = hn::Mul(hn::LoadU(d, rows + i * depth + c), factor);
            if (valid == static_cast<std::size_t>(kChannels<T>)) {
                hn::StoreU(to.add ? hn::Add(x, hn::LoadU(d, at)) : x, d, at);
            } else {
                if (to.add) x = hn::Add(x, load_first(d, at, valid));
                store_first(x, d, at, valid);
            }
        }
    }
}

// A vector of rows: packed (lanes, depth), and transposed (depth, lanes).
template <class T>
struct RowVector {
    T *rows, *lane;

    RowVector(Scratch& scratch, std::int64_t depth)
        : rows(scratch.take<T>(lanes<T>() * depth)), lane(scratch.take<T>(lanes<T>() * depth)) {}

    HWY_INLINE void load(const HeadShape& shape, const T* from, std::int64_t count, std::int64_t depth) {
        pack_rows(shape, from, count, T(1), rows, lanes<T>(), depth);
        transpose(rows, depth, depth, lane, lanes<T>());
    }
    // (depth, lanes) → rows `stride` apart.
    HWY_INLINE void store(const HeadShape& shape, std::int64_t count, std::int64_t depth, T scale, HeadGradient<T> to) {
        transpose_back(lane, lanes<T>(), depth, rows, depth);
        unpack_rows(shape, rows, count, depth, scale, to);
    }
};

// sum[i] = Σ_c rows[i][c] lane[c] for n rows and a vector of queries.
template <class T, int n>
HWY_INLINE void products(std::int64_t depth, const T* rows, const T* lane, Vec<T> (&sum)[n]) {
    const Tag<T> d;
    for (int i = 0; i < n; ++i) sum[i] = hn::Zero(d);
    for (std::int64_t c = 0; c < depth; ++c) {
        const Vec<T> x = hn::Load(d, lane + c * lanes<T>());
        for (int i = 0; i < n; ++i) sum[i] = hn::MulAdd(hn::Set(d, rows[i * depth + c]), x, sum[i]);
    }
}

// lane[c] += Σ_j weights[j] rows[j][c] for `count` rows and a vector of queries. weights: (count, lanes).
template <class T>
HWY_INLINE void add_weighted_rows(std::int64_t count, std::int64_t depth, const T* weights, const T* rows, T* lane) {
    constexpr int kSums = static_cast<int>(kChannels<T>);
    const Tag<T> d;
    for (std::int64_t c = 0; c < depth; c += kSums) {
        Vec<T> sum[kSums];
        for (int i = 0; i < kSums; ++i) sum[i] = hn::Load(d, lane + (c + i) * lanes<T>());
        for (std::int64_t j = 0; j < count; ++j) {
            const Vec<T> weight = hn::Load(d, weights + j * lanes<T>());
            for (int i = 0; i < kSums; ++i) sum[i] = hn::MulAdd(hn::Set(d, rows[j * depth + c + i]), weight, sum[i]);
        }
        for (int i = 0; i < kSums; ++i) hn::Store(sum[i], d, lane + (c + i) * lanes<T>());
    }
}

// sums[j] += Σ_i weights[j][i] rows[i], with i over a vector of queries. weights: (n, lanes), rows: (lanes, depth).
template <class T, int n>
HWY_INLINE void add_over_queries(std::int64_t depth, const T* weights, const T* rows, T* sums) {
    const ChannelTag<T> d;
    for (std::int64_t c = 0; c < depth; c += kChannels<T>) {
        hn::Vec<ChannelTag<T>> sum[n];
        for (int j = 0; j < n; ++j) sum[j] = hn::LoadU(d, sums + j * depth + c);
        for (int i = 0; i < lanes<T>(); ++i) {
            const auto row = hn::LoadU(d, rows + i * depth + c);
            for (int j = 0; j < n; ++j) sum[j] = hn::MulAdd(hn::Set(d, weights[j * lanes<T>() + i]), row, sum[j]);
        }
        for (int j = 0; j < n; ++j) hn::StoreU(sum[j], d, sums + j * depth + c);
    }
}

template <class T>
T inverse_root(std::int64_t dim) {
    return T(1) / std::sqrt(static_cast<T>(dim));
}

// depth: padded(d), as a number or a constant.
template <class T, class Depth>
void forward(Depth depth, const HeadShape& shape, const T* q, const T* k, const T* v, T* out, T* lse, Scratch& scratch) {
    const Tag<T> d;
    constexpr int kLanes = lanes<T>();
    T* const keys = scratch.take<T>(shape.keys * depth);
    T* const values = scratch.take<T>(shape.keys * depth);
    T* const scores = scratch.take<T>(shape.keys * kLanes);    // (keys, lanes), then their powers of 2
    RowVector<T> queries(scratch, depth), results(scratch, depth);
    pack_rows(shape, k, shape.keys, inverse_root<T>(shape.dim) * std::numbers::log2e_v<T>, keys, shape.keys, depth);
    pack_rows(shape, v, shape.keys, T(1), values, shape.keys, depth);

    for (std::int64_t first = 0; first < shape.queries; first += kLanes) {
        const std::int64_t count = std::min<std::int64_t>(kLanes, shape.queries - first);
        queries.load(shape, q + first * shape.stride, count, depth);
        Vec<T> largest = hn::Set(d, -std::numeric_limits<T>::infinity());
        in_blocks(0, shape.keys, [&]<int n>(std::int64_t j, std::integral_constant<int, n>) {
            Vec<T> score[n];
            products(depth, keys + j * depth, queries.lane, score);
            for (int i = 0; i < n; ++i) {
                largest = hn::Max(largest, score[i]);
                hn::Store(score[i], d, scores + (j + i) * kLanes);
            }
        });
        Vec<T> total = hn::Zero(d);
        in_blocks(0, shape.keys, [&]<int n>(std::int64_t j, std::integral_constant<int, n>) {
            for (int i = 0; i < n; ++i) {
                T* const score = scores + (j + i) * kLanes;
                const Vec<T> e = vexp2_at_most_2(hn::Sub(hn::Load(d, score), largest));
                total = hn::Add(total, e);
                hn::Store(e, d, score);
            }
        });
        std::fill_n(results.lane, depth * kLanes, T(0));
        add_weighted_rows(shape.keys, depth, scores, values, results.lane);
        const Vec<T> scale = hn::Div(hn::Set(d, T(1)), total);
        for (std::int64_t c = 0; c < depth; ++c)
            hn::Store(hn::Mul(hn::Load(d, results.lane + c * kLanes), scale), d, results.lane + c * kLanes);
        results.store(shape, count, depth, T(1), {out + first * shape.stride, false});
        if (!lse) continue;
        const Vec<T> log_sum = hn::MulAdd(largest, hn::Set(d, std::numbers::ln2_v<T>), vlog(total));
        store_first(log_sum, d, lse + first, static_cast<std::size_t>(count));
    }
}

template <class T, class Depth>
void backward(Depth depth, const HeadShape& shape, const T* q, const T* k, const T* v, const T* out, const T* lse, const T* dout,
              HeadGradient<T> dq, HeadGradient<T> dk, HeadGradient<T> dv, Scratch& scratch) {
    const Tag<T> d;
    constexpr int kLanes = lanes<T>();
    const std::int64_t size = shape.keys * depth;
    T* const keys = scratch.take<T>(size);
    T* const values = scratch.take<T>(size);
    T* const dkeys = scratch.take<T>(size);
    T* const dvalues = scratch.take<T>(size);
    T* const P = scratch.take<T>(kBlock * kLanes);    // (keys, lanes)
    T* const ds = scratch.take<T>(kBlock * kLanes);
    RowVector<T> queries(scratch, depth), results(scratch, depth), dresults(scratch, depth), dqueries(scratch, depth);
    const T scale = inverse_root<T>(shape.dim);
    pack_rows(shape, k, shape.keys, scale * std::numbers::log2e_v<T>, keys, shape.keys, depth);
    pack_rows(shape, v, shape.keys, T(1), values, shape.keys, depth);
    std::fill_n(dkeys, size, T(0));
    std::fill_n(dvalues, size, T(0));

    for (std::int64_t first = 0; first < shape.queries; first += kLanes) {
        const std::int64_t count = std::min<std::int64_t>(kLanes, shape.queries - first), row = first * shape.stride;
        queries.load(shape, q + row, count, depth);
        results.load(shape, out + row, count, depth);
        dresults.load(shape, dout + row, count, depth);
        Vec<T> D = hn::Zero(d);
        for (std::int64_t c = 0; c < shape.dim; ++c)
            D = hn::MulAdd(hn::Load(d, results.lane + c * kLanes), hn::Load(d, dresults.lane + c * kLanes), D);
        // A lane without a query has P = 0.
        const Vec<T> log_sum = hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(count)),
                                              load_first(d, lse + first, static_cast<std::size_t>(count)),
                                              hn::Set(d, std::numeric_limits<T>::infinity()));
        const Vec<T> log2_sum = hn::Mul(log_sum, hn::Set(d, std::numbers::log2e_v<T>));
        std::fill_n(dqueries.lane, depth * kLanes, T(0));

        for (std::int64_t begin = 0; begin < shape.keys; begin += kBlock) {
            const std::int64_t end = std::min(shape.keys, begin + kBlock);
            in_blocks(begin, end, [&]<int n>(std::int64_t j, std::integral_constant<int, n>) {
                Vec<T> p[n], dp[n];
                T *const P_j = P + (j - begin) * kLanes, *const ds_j = ds + (j - begin) * kLanes;
                products(depth, keys + j * depth, queries.lane, p);
                for (int i = 0; i < n; ++i) p[i] = vexp2_at_most_2(hn::Sub(p[i], log2_sum));
                products(depth, values + j * depth, dresults.lane, dp);
                for (int i = 0; i < n; ++i) {
                    hn::Store(p[i], d, P_j + i * kLanes);
                    hn::Store(hn::Mul(p[i], hn::Sub(dp[i], D)), d, ds_j + i * kLanes);
                }
            });
            in_blocks(begin, end, [&]<int n>(std::int64_t j, std::integral_constant<int, n>) {
                add_over_queries<T, n>(depth, P + (j - begin) * kLanes, dresults.rows, dvalues + j * depth);
                add_over_queries<T, n>(depth, ds + (j - begin) * kLanes, queries.rows, dkeys + j * depth);
            });
            add_weighted_rows(end - begin, depth, ds, keys + begin * depth, dqueries.lane);
        }
        // The keys' factor was scale·log2 e.
        if (dq.data) dqueries.store(shape, count, depth, std::numbers::ln2_v<T>, {dq.data + row, dq.add});
    }
    if (dk.data) unpack_rows(shape, dkeys, shape.keys, depth, scale, dk);
    if (dv.data) unpack_rows(shape, dvalues, shape.keys, depth, T(1), dv);
}

// Calls f(depth).
template <class T, class F>
void with_depth(std::int64_t dim, const F& f) {
    if (padded<T>(dim) == kUsualDim)
        f(std::integral_constant<std::int64_t, kUsualDim>());
    else
        f(padded<T>(dim));
}

}    // namespace

template <class T>
void attention_head_forward(const HeadShape& shape, const T* q, const T* k, const T* v, T* out, T* lse, Scratch& scratch) {
    with_depth<T>(shape.dim, [&](auto depth) { forward(depth, shape, q, k, v, out, lse, scratch); });
}

template <class T>
void attention_head_backward(const HeadShape& shape, const T* q, const T* k, const T* v, const T* out, const T* lse,
                             const T* dout, HeadGradient<T> dq, HeadGradient<T> dk, HeadGradient<T> dv, Scratch& scratch) {
    with_depth<T>(shape.dim, [&](auto depth) { backward(depth, shape, q, k, v, out, lse, dout, dq, dk, dv, scratch); });
}

template void attention_head_forward(const HeadShape&, const float*, const float*, const float*, float*, float*, Scratch&);
template void attention_head_forward(const HeadShape&, const double*, const double*, const double*, double*, double*, Scratch&);
template void attention_head_backward(const HeadShape&, const float*, const float*, const float*, const float*, const float*,
                                      const float*, HeadGradient<float>, HeadGradient<float>, HeadGradient<float>, Scratch&);
template void attention_head_backward(const HeadShape&, const double*, const double*, const double*, const double*, const double*,
                                      const double*, HeadGradient<double>, HeadGradient<double>, HeadGradient<double>, Scratch&);

}    // namespace lull::cpu
