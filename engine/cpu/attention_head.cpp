// Forward is vectorised over queries: a vector of them meets one key after another, and so their scores (keys, a vector),
// the softmax and the sums over values are lane by lane, with nothing to add up across lanes however small d is (8 in the
// lesson's U-Net).
//
// Backward is vectorised over keys, as the gradients of K and V are sums over queries: K and V are packed transposed,
// (d, keys), and queries go in blocks of kRows. Panels are padded with zeros (rows to kRows, d to kDepth, keys to whole
// vectors), so there is one path and no tail; a mask of -∞ makes the probabilities of the padding keys 0.
//
// Backward. With s_ij = q_i·k_j / √d, P_ij = e^{s_ij - lse_i}, o_i = Σ_j P_ij v_j:
//     dv_j = Σ_i P_ij do_i
//     dP_ij = do_i·v_j
//     ds_ij = P_ij (dP_ij - D_i),  D_i = Σ_j P_ij dP_ij = do_i·o_i
//     dq_i = Σ_j ds_ij k_j / √d,   dk_j = Σ_i ds_ij q_i / √d
// P is computed again from q, k and lse (Dao et al. 2022, arXiv 2205.14135): neither direction stores (queries, keys).
#include "engine/cpu/attention_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "engine/cpu/math.h"
#include "engine/cpu/simd.h"

namespace lull::cpu {

namespace {

constexpr int kRows = 8;     // sums in flight: as many as hide the latency of two multiply-add units
constexpr int kDepth = 4;    // channels at a time where a sum runs over vectors of keys

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// Extents of the packed panels. A panel over keys has rows `pitch` apart: one vector more than it holds, so that rows
// do not start at multiples of 4 KiB, which share a cache set.
template <class T>
struct Packed {
    explicit Packed(const HeadShape& shape)
        : queries(round_up(shape.queries, kRows)),
          keys(round_up(shape.keys, lanes<T>())),
          depth(round_up(shape.dim, kDepth)),
          pitch(keys + lanes<T>()) {}

    std::int64_t queries, keys, depth, pitch;

    std::int64_t rows_panel() const { return queries * depth; }    // (queries, depth)
    std::int64_t keys_panel() const { return depth * pitch; }      // (depth, keys)
    std::int64_t block() const { return kRows * pitch; }           // (kRows, keys)
    std::int64_t sums() const { return kRows * depth; }            // (kRows, depth)
};

// (count, dim) rows `stride` apart → rows `depth` ≥ dim apart, scaled; the rest of `to`, (rows, depth), is zero.
template <class T>
void pack_rows(const T* from, std::int64_t count, const HeadShape& shape, T scale, T* to, std::int64_t rows, std::int64_t depth) {
    std::fill_n(to, rows * depth, T(0));
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t c = 0; c < shape.dim; ++c) to[i * depth + c] = scale * from[i * shape.stride + c];
}

// (keys, dim) rows `stride` apart → to (depth, keys), zeros around them.
template <class T>
void pack_keys(const Packed<T>& packed, const HeadShape& shape, const T* from, T* to) {
    std::fill_n(to, packed.keys_panel(), T(0));
    for (std::int64_t j = 0; j < shape.keys; ++j)
        for (std::int64_t c = 0; c < shape.dim; ++c) to[c * packed.pitch + j] = from[j * shape.stride + c];
}

// A gradient (depth, keys) → (keys, dim) rows `stride` apart.
template <class T>
void unpack_keys(const Packed<T>& packed, const HeadShape& shape, const T* from, HeadGradient<T> to) {
    if (!to.data) return;
    for (std::int64_t j = 0; j < shape.keys; ++j) {
        for (std::int64_t c = 0; c < shape.dim; ++c) {
            T& target = to.data[j * shape.stride + c];
            target = to.add ? target + from[c * packed.pitch + j] : from[c * packed.pitch + j];
        }
    }
}

// 0 for a key, -∞ for padding.
template <class T>
void fill_mask(const Packed<T>& packed, const HeadShape& shape, T* mask) {
    std::fill_n(mask, shape.keys, T(0));
    std::fill(mask + shape.keys, mask + packed.keys, -std::numeric_limits<T>::infinity());
}

// Calls finish(r, j, Σ_c rows[r][c] keys[c][j]) for each of kRows rows and each vector of keys that starts at j.
template <class T, class Finish>
void products(const Packed<T>& packed, const T* rows, const T* keys, const Finish& finish) {
    const Tag<T> d;
    for (std::int64_t j = 0; j < packed.keys; j += lanes<T>()) {
        Vec<T> sum[kRows];
        for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
        for (std::int64_t c = 0; c < packed.depth; ++c) {
            const Vec<T> key = hn::Load(d, keys + c * packed.pitch + j);
            for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(hn::Set(d, rows[r * packed.depth + c]), key, sum[r]);
        }
        for (int r = 0; r < kRows; ++r) finish(r, j, sum[r]);
    }
}

// sums[r][c] = Σ_j block[r][j] keys[c][j]. block: (kRows, keys), sums: (kRows, depth).
template <class T>
void sums_over_keys(const Packed<T>& packed, const T* block, const T* keys, T* sums) {
    const Tag<T> d;
    constexpr int kHalf = kRows / 2;
    for (int r0 = 0; r0 < kRows; r0 += kHalf) {
        for (std::int64_t c0 = 0; c0 < packed.depth; c0 += kDepth) {
            Vec<T> sum[kHalf][kDepth];
            for (auto& row : sum)
                for (Vec<T>& element : row) element = hn::Zero(d);
            for (std::int64_t j = 0; j < packed.keys; j += lanes<T>()) {
                Vec<T> key[kDepth];
                for (int c = 0; c < kDepth; ++c) key[c] = hn::Load(d, keys + (c0 + c) * packed.pitch + j);
                for (int r = 0; r < kHalf; ++r) {
                    const Vec<T> weight = hn::Load(d, block + (r0 + r) * packed.pitch + j);
                    for (int c = 0; c < kDepth; ++c) sum[r][c] = hn::MulAdd(weight, key[c], sum[r][c]);
                }
            }
            for (int r = 0; r < kHalf; ++r)
                for (int c = 0; c < kDepth; ++c)
                    sums[(r0 + r) * packed.depth + c0 + c] = hn::GetLane(hn::SumOfLanes(d, sum[r][c]));
        }
    }
}

// keys[c][j] += Σ_r rows[r][c] block[r][j]
template <class T>
void add_outer_products(const Packed<T>& packed, const T* rows, const T* block, T* keys) {
    const Tag<T> d;
    for (std::int64_t j = 0; j < packed.keys; j += lanes<T>()) {
        Vec<T> weight[kRows];
        for (int r = 0; r < kRows; ++r) weight[r] = hn::Load(d, block + r * packed.pitch + j);
        for (std::int64_t c = 0; c < packed.depth; ++c) {
            Vec<T> sum = hn::Load(d, keys + c * packed.pitch + j);
            for (int r = 0; r < kRows; ++r) sum = hn::MulAdd(hn::Set(d, rows[r * packed.depth + c]), weight[r], sum);
            hn::Store(sum, d, keys + c * packed.pitch + j);
        }
    }
}

// Calls f(begin, std::integral_constant<int, size>) for blocks of kBlock, then of 1, that are [0, n).
template <int kBlock, class F>
void in_blocks(std::int64_t n, const F& f) {
    std::int64_t begin = 0;
    for (; begin + kBlock <= n; begin += kBlock) f(begin, std::integral_constant<int, kBlock>());
    for (; begin < n; ++begin) f(begin, std::integral_constant<int, 1>());
}

// scores[j] = Σ_c keys[j][c] queries[c] for a vector of queries, and the largest of them. keys: (keys, d).
template <class T>
Vec<T> scores_of(const HeadShape& shape, const T* keys, const T* queries, T* scores) {
    const Tag<T> d;
    Vec<T> largest = hn::Set(d, -std::numeric_limits<T>::infinity());
    in_blocks<kRows>(shape.keys, [&]<int n>(std::int64_t j, std::integral_constant<int, n>) {
        Vec<T> sum[n];
        for (int i = 0; i < n; ++i) sum[i] = hn::Zero(d);
        for (std::int64_t c = 0; c < shape.dim; ++c) {
            const Vec<T> query = hn::Load(d, queries + c * lanes<T>());
            for (int i = 0; i < n; ++i) sum[i] = hn::MulAdd(hn::Set(d, keys[(j + i) * shape.dim + c]), query, sum[i]);
        }
        for (int i = 0; i < n; ++i) {
            largest = hn::Max(largest, sum[i]);
            hn::Store(sum[i], d, scores + (j + i) * lanes<T>());
        }
    });
    return largest;
}

// sums[c] = scale Σ_j weights[j] values[j][c] for a vector of queries. values: (keys, d).
template <class T>
void average_values(const HeadShape& shape, const T* weights, const T* values, Vec<T> scale, T* sums) {
    const Tag<T> d;
    in_blocks<kRows>(shape.dim, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
        Vec<T> sum[n];
        for (int i = 0; i < n; ++i) sum[i] = hn::Zero(d);
        for (std::int64_t j = 0; j < shape.keys; ++j) {
            const Vec<T> weight = hn::Load(d, weights + j * lanes<T>());
            for (int i = 0; i < n; ++i) sum[i] = hn::MulAdd(hn::Set(d, values[j * shape.dim + c + i]), weight, sum[i]);
        }
        for (int i = 0; i < n; ++i) hn::Store(hn::Mul(sum[i], scale), d, sums + (c + i) * lanes<T>());
    });
}

template <class T>
T inverse_root(std::int64_t dim) {
    return T(1) / std::sqrt(static_cast<T>(dim));
}

}    // namespace

template <class T>
void attention_head_forward(const HeadShape& shape, const T* q, const T* k, const T* v, T* out, T* lse, Scratch& scratch) {
    const Tag<T> d;
    constexpr int kLanes = lanes<T>();
    T* const keys = scratch.take<T>(shape.keys * shape.dim);    // K and V, their rows end to end
    T* const values = scratch.take<T>(shape.keys * shape.dim);
    T* const queries = scratch.take<T>(shape.dim * kLanes);    // (d, lanes): a vector of queries / √d
    T* const scores = scratch.take<T>(shape.keys * kLanes);    // (keys, lanes), then their exponentials
    T* const sums = scratch.take<T>(shape.dim * kLanes);       // (d, lanes)
    pack_rows(k, shape.keys, shape, T(1), keys, shape.keys, shape.dim);
    pack_rows(v, shape.keys, shape, T(1), values, shape.keys, shape.dim);
    const T scale = inverse_root<T>(shape.dim);

    for (std::int64_t first = 0; first < shape.queries; first += kLanes) {
        const auto count = static_cast<int>(std::min<std::int64_t>(kLanes, shape.queries - first));
        for (std::int64_t c = 0; c < shape.dim; ++c) {
            for (int i = 0; i < kLanes; ++i)
                queries[c * kLanes + i] = i < count ? scale * q[(first + i) * shape.stride + c] : T(0);
        }
        const Vec<T> largest = scores_of(shape, keys, queries, scores);
        Vec<T> total = hn::Zero(d);
        for (std::int64_t j = 0; j < shape.keys; ++j) {
            const Vec<T> e = vexp_at_most_e(hn::Sub(hn::Load(d, scores + j * kLanes), largest));
            total = hn::Add(total, e);
            hn::Store(e, d, scores + j * kLanes);
        }
        average_values(shape, scores, values, hn::Div(hn::Set(d, T(1)), total), sums);
        for (int i = 0; i < count; ++i)
            for (std::int64_t c = 0; c < shape.dim; ++c) out[(first + i) * shape.stride + c] = sums[c * kLanes + i];
        if (lse) First<T>{count}.store(hn::Add(largest, vlog(total)), lse + first);
    }
}

template <class T>
void attention_head_backward(const HeadShape& shape, const T* q, const T* k, const T* v, const T* out, const T* lse,
                             const T* dout, HeadGradient<T> dq, HeadGradient<T> dk, HeadGradient<T> dv, Scratch& scratch) {
    const Tag<T> d;
    const Packed<T> packed(shape);
    T* const queries = scratch.take<T>(packed.rows_panel());    // q / √d
    T* const dresults = scratch.take<T>(packed.rows_panel());
    T* const keys = scratch.take<T>(packed.keys_panel());
    T* const values = scratch.take<T>(packed.keys_panel());
    T* const dkeys = scratch.take<T>(packed.keys_panel());
    T* const dvalues = scratch.take<T>(packed.keys_panel());
    T* const mask = scratch.take<T>(packed.keys);
    T* const P = scratch.take<T>(packed.block());
    T* const dS = scratch.take<T>(packed.block());
    T* const sums = scratch.take<T>(packed.sums());
    const T scale = inverse_root<T>(shape.dim);
    pack_rows(q, shape.queries, shape, scale, queries, packed.queries, packed.depth);
    pack_rows(dout, shape.queries, shape, T(1), dresults, packed.queries, packed.depth);
    pack_keys(packed, shape, k, keys);
    pack_keys(packed, shape, v, values);
    fill_mask(packed, shape, mask);
    std::fill_n(dkeys, packed.keys_panel(), T(0));
    std::fill_n(dvalues, packed.keys_panel(), T(0));

    for (std::int64_t first = 0; first < shape.queries; first += kRows) {
        const T* query = queries + first * packed.depth;
        const T* dresult = dresults + first * packed.depth;
        const auto rows = static_cast<int>(std::min<std::int64_t>(kRows, shape.queries - first));
        // A padding row has q = do = 0: its P does not matter, its ds is 0.
        T log_sum[kRows] = {}, D[kRows] = {};
        for (int r = 0; r < rows; ++r) {
            log_sum[r] = lse[first + r];
            for (std::int64_t c = 0; c < shape.dim; ++c)
                D[r] += dresult[r * packed.depth + c] * out[(first + r) * shape.stride + c];
        }
        products(packed, query, keys, [&](int r, std::int64_t j, Vec<T> score) {
            const Vec<T> masked = hn::Add(score, hn::Load(d, mask + j));
            hn::Store(vexp_at_most_e(hn::Sub(masked, hn::Set(d, log_sum[r]))), d, P + r * packed.pitch + j);
        });
        products(packed, dresult, values, [&](int r, std::int64_t j, Vec<T> dP) {
            const Vec<T> p = hn::Load(d, P + r * packed.pitch + j);
            hn::Store(hn::Mul(p, hn::Sub(dP, hn::Set(d, D[r]))), d, dS + r * packed.pitch + j);
        });
        add_outer_products(packed, dresult, P, dvalues);
        add_outer_products(packed, query, dS, dkeys);
        if (!dq.data) continue;
        sums_over_keys(packed, dS, keys, sums);
        for (int r = 0; r < rows; ++r) {
            for (std::int64_t c = 0; c < shape.dim; ++c) {
                T& target = dq.data[(first + r) * shape.stride + c];
                const T value = scale * sums[r * packed.depth + c];
                target = dq.add ? target + value : value;
            }
        }
    }
    unpack_keys(packed, shape, dkeys, dk);
    unpack_keys(packed, shape, dvalues, dv);
}

template void attention_head_forward(const HeadShape&, const float*, const float*, const float*, float*, float*, Scratch&);
template void attention_head_forward(const HeadShape&, const double*, const double*, const double*, double*, double*, Scratch&);
template void attention_head_backward(const HeadShape&, const float*, const float*, const float*, const float*, const float*,
                                      const float*, HeadGradient<float>, HeadGradient<float>, HeadGradient<float>, Scratch&);
template void attention_head_backward(const HeadShape&, const double*, const double*, const double*, const double*, const double*,
                                      const double*, HeadGradient<double>, HeadGradient<double>, HeadGradient<double>, Scratch&);

}    // namespace lull::cpu
