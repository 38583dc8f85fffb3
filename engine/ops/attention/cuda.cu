// Attention for the short sequences and small heads of a U-Net (T = 16 to 256 tokens, d = 8), forward and backward, f32 and
// bf16; the arithmetic is f32. The derivation stands in engine/cpu/attention_head.cpp.
//
// A block has several heads of an image. Two rows of a head (queries; in the second half of backward keys) belong to a thread,
// which keeps them and their sums in registers; the rows that they meet (keys and values; queries and gradients) lie in shared
// memory, all of them where T is as above, otherwise tile after tile. No score leaves the registers. Scores are taken eight at a
// time, and the sums rescaled when the largest score so far grows: an exponential and ten products for eight keys, where
// finding the largest first would cost every score a second time.
// A head with d > 16 is split among 2 to 32 neighbouring lanes, whose parts of each product shuffles add up.
// Backward: one kernel goes over keys for dq, one over queries for dk and dv; each computes P again, and nothing is added
// atomically.
// Bytes moved: q, k, v and out once each, the minimum (backward: q, k, v, out and dout twice, 12 N T C elements instead of 8);
// the time goes to 2 d products and an exponential for each of the N heads T² scores.
#include <algorithm>

#include "engine/cuda/packs.h"
#include "engine/ops/attention/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;
template <int kDim>
constexpr int kRows = 16 / kDim;    // of a thread: as many as registers hold
// Rows of shared memory that are met at a time; in backward, where more is kept, registers hold no more than two rows'.
constexpr int kBlock = 8, kBackwardBlock = 2;
constexpr int kMostWidth = 16 * kWarp;
constexpr float kLog2E = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// How heads and rows are given to blocks. Own rows are those that threads keep, met rows those in shared memory.
struct Plan {
    int own, met;                    // rows of a head
    int heads, dim, channels;        // channels = heads · dim
    int split, width;                // lanes that share a row; dim filled up with zeros to split · kDim
    int head_threads, head_count;    // threads for each head of a block, and how many heads it has
    int head_groups, own_tiles;      // blocks of an image: groups of heads, and tiles of own rows
    int tile, head_stride;           // met rows in shared memory at a time, and floats from one head's to the next's
    bool met_in_packs;               // whether a head's channels of met rows are whole packs of 16 bytes
};

// A thread's place.
struct Seat {
    std::int64_t image;
    int head, local_head, part, row;    // the head and its number in the block; which part of the rows; the first of its own rows
    bool used;
};
template <int kDim>
LULL_DEVICE Seat seat_of_thread(const Plan& plan) {
    const int thread = static_cast<int>(threadIdx.x), groups = plan.head_groups, tiles = plan.own_tiles;
    Seat seat{};
    seat.image = blockIdx.x / static_cast<unsigned>(groups * tiles);
    const int group = static_cast<int>(blockIdx.x / static_cast<unsigned>(tiles)) % groups;
    const int tile = static_cast<int>(blockIdx.x % static_cast<unsigned>(tiles));
    seat.local_head = thread / plan.head_threads;
    seat.head = group * plan.head_count + seat.local_head;
    seat.used = seat.local_head < plan.head_count && seat.head < plan.heads;
    if (!seat.used) seat.local_head = 0;
    const int place = thread % plan.head_threads;
    seat.part = place % plan.split;
    seat.row = kRows<kDim> * ((tile * plan.head_threads + place) / plan.split);
    return seat;
}

// Where row r of a head begins in a tensor (N, rows, channels).
LULL_DEVICE std::int64_t row_offset(const Plan& plan, std::int64_t image, int rows, int r, int head) {
    return (image * rows + r) * plan.channels + head * plan.dim;
}

// Own rows' part of x: (N, own, channels), times scale; zeros where there is no row or channel.
template <int kDim, class T>
LULL_DEVICE void load_own(const Plan& plan, const Seat& seat, const T* x, float scale, float (&rows)[kRows<kDim>][kDim]) {
    for (int i = 0; i < kRows<kDim>; ++i) {
        const bool there = seat.used && seat.row + i < plan.own;
        const T* const from = x + (there ? row_offset(plan, seat.image, plan.own, seat.row + i, seat.head) : 0);
        for (int c = 0; c < kDim; ++c) {
            const int channel = seat.part * kDim + c;
            rows[i][c] = there && channel < plan.dim ? scale * to_float(from[channel]) : 0;
        }
    }
}

template <int kDim, class T>
LULL_DEVICE void store_own(const Plan& plan, const Seat& seat, const float (&rows)[kRows<kDim>][kDim],
                           const float (&scale)[kRows<kDim>], T* to, bool add) {
    if (!seat.used || !to) return;
    for (int i = 0; i < kRows<kDim>; ++i) {
        if (seat.row + i >= plan.own) return;
        T* const at = to + row_offset(plan, seat.image, plan.own, seat.row + i, seat.head);
        for (int c = 0; c < kDim; ++c) {
            const int channel = seat.part * kDim + c;
            if (channel >= plan.dim) break;
            const float value = scale[i] * rows[i][c];
            at[channel] = from_float<T>(add ? to_float(at[channel]) + value : value);
        }
    }
}

// Rows [first, first + tile) of the block's heads of x: (N, met, channels) → shared (heads, tile, width), zeros where there is no
// row or channel. A thread has V neighbouring channels of a head, of every so many rows.
template <int V, class T>
LULL_DEVICE void load_met_by(const Plan& plan, const T* x, int first, float* shared) {
    const std::int64_t image = blockIdx.x / static_cast<unsigned>(plan.head_groups * plan.own_tiles);
    const int group = static_cast<int>(blockIdx.x / static_cast<unsigned>(plan.own_tiles)) % plan.head_groups;
    const int packs = plan.head_count * plan.width / V, packs_at_once = packs < kThreads ? packs : kThreads;
    const int rows_at_once = kThreads / packs_at_once, thread = static_cast<int>(threadIdx.x);
    if (thread >= rows_at_once * packs_at_once) return;
    for (int pack = thread % packs_at_once; pack < packs; pack += packs_at_once) {
        const int head = pack * V / plan.width, c = pack * V % plan.width;
        const bool any = group * plan.head_count + head < plan.heads && c < plan.dim;
        const T* const from = x + row_offset(plan, image, plan.met, first, group * plan.head_count + head) + c;
        float* const to = shared + head * plan.head_stride + c;
        for (int row = thread / packs_at_once; row < plan.tile; row += rows_at_once) {
            Pack<T, V> pack_of_row{};
            if (any && first + row < plan.met) pack_of_row = load_pack<V>(from + static_cast<std::int64_t>(row) * plan.channels);
            Pack < float, V<4 ? V : 4> part;
            for (int k = 0; k < V; k += part.size) {
                for (int j = 0; j < part.size; ++j) part.at[j] = to_float(pack_of_row.at[k + j]);
                store_pack(to + row * plan.width + k, part);
            }
        }
    }
}
template <class T>
LULL_DEVICE void load_met(const Plan& plan, const T* x, int first, float* shared) {
    if (plan.met_in_packs)
        load_met_by<Pack<T>::size>(plan, x, first, shared);
    else
        load_met_by<1>(plan, x, first, shared);
}

// The sum over the lanes that share a row.
LULL_DEVICE float sum_parts(const Plan& plan, float v) {
    for (int distance = plan.split / 2; distance > 0; distance /= 2) v += shuffle_xor(v, distance);
    return v;
}

// A part of a row in shared memory.
template <int kDim>
struct Row {
    float at[kDim];
    LULL_DEVICE explicit Row(const float* from) {
        for (int c = 0; c < kDim; c += 4) {
            const Pack<float> four = load16(from + c);
            for (int k = 0; k < 4; ++k) at[c + k] = four.at[k];
        }
    }
};
template <int kDim>
LULL_DEVICE float dot(const float (&a)[kDim], const Row<kDim>& b) {
    float sum = 0;
    for (int c = 0; c < kDim; ++c) sum += a[c] * b.at[c];
    return sum;
}
template <int kDim>
LULL_DEVICE void add_scaled(float (&sum)[kDim], float scale, const Row<kDim>& row) {
    for (int c = 0; c < kDim; ++c) sum[c] += scale * row.at[c];
}

// products[i][j] = a_i · row j, for n rows from `rows` on.
template <int kDim, int n>
LULL_DEVICE void block_products(const Plan& plan, const float (&a)[kRows<kDim>][kDim], const float* rows,
                                float (&products)[kRows<kDim>][n]) {
    for (int j = 0; j < n; ++j) {
        const Row<kDim> row(rows + j * plan.width);
        for (int i = 0; i < kRows<kDim>; ++i) products[i][j] = sum_parts(plan, dot(a[i], row));
    }
}

// lse may be null. scale: log₂ e / √d, so that exponentials are powers of 2.
template <class T, int kDim>
__global__ void __launch_bounds__(kThreads, 2)
    attention_kernel(Plan plan, const T* q, const T* k, const T* v, float scale, T* out, float* lse) {
    float* const keys = &shared_memory<float>();
    float* const values = keys + plan.head_count * plan.head_stride;
    const Seat seat = seat_of_thread<kDim>(plan);
    float query[kRows<kDim>][kDim], sum[kRows<kDim>][kDim] = {}, largest[kRows<kDim>], total[kRows<kDim>] = {};
    load_own(plan, seat, q, scale, query);
    for (int i = 0; i < kRows<kDim>; ++i) largest[i] = -INFINITY;

    for (int first = 0; first < plan.met; first += plan.tile) {
        load_met(plan, k, first, keys);
        load_met(plan, v, first, values);
        sync_block();
        const int count = plan.met - first < plan.tile ? plan.met - first : plan.tile;
        const int offset = seat.local_head * plan.head_stride + seat.part * kDim;
        for (int begin = 0; begin < count; begin += kBlock) {
            float score[kRows<kDim>][kBlock];
            block_products(plan, query, keys + offset + begin * plan.width, score);
            for (int i = 0; i < kRows<kDim>; ++i) {
                float top = largest[i];
                for (int j = 0; j < kBlock; ++j) {
                    if (begin + j >= count) score[i][j] = -INFINITY;
                    top = fmaxf(top, score[i][j]);
                }
                const float shrink = fast_exp2(largest[i] - top);
                total[i] *= shrink;
                for (int c = 0; c < kDim; ++c) sum[i][c] *= shrink;
                largest[i] = top;
            }
            for (int j = 0; j < kBlock; ++j) {
                const Row<kDim> value(values + offset + (begin + j) * plan.width);
                for (int i = 0; i < kRows<kDim>; ++i) {
                    const float p = fast_exp2(score[i][j] - largest[i]);
                    total[i] += p;
                    add_scaled(sum[i], p, value);
                }
            }
        }
        sync_block();
    }
    float inverse[kRows<kDim>];
    for (int i = 0; i < kRows<kDim>; ++i) inverse[i] = 1 / total[i];
    store_own(plan, seat, sum, inverse, out, false);
    if (!lse || !seat.used || seat.part > 0) return;
    for (int i = 0; i < kRows<kDim>; ++i) {
        if (seat.row + i < plan.own)
            lse[(seat.image * plan.heads + seat.head) * plan.own + seat.row + i] = kLn2 * largest[i] + logf(total[i]);
    }
}

// dq (+)= Σ_j ds_j k_j / √d: own rows are queries.
template <class T, int kDim>
__global__ void __launch_bounds__(kThreads, 2)
    attention_dq_kernel(Plan plan, const T* q, const T* k, const T* v, const T* out, const float* lse, const T* dout, float scale,
                        T* dq, bool add) {
    float* const keys = &shared_memory<float>();
    float* const values = keys + plan.head_count * plan.head_stride;
    const Seat seat = seat_of_thread<kDim>(plan);
    float query[kRows<kDim>][kDim], gradient[kRows<kDim>][kDim], sum[kRows<kDim>][kDim], D[kRows<kDim>], log2_sum[kRows<kDim>];
    load_own(plan, seat, out, 1, sum);
    load_own(plan, seat, dout, 1, gradient);
    load_own(plan, seat, q, scale, query);
    for (int i = 0; i < kRows<kDim>; ++i) {
        float product = 0;
        for (int c = 0; c < kDim; ++c) {
            product += sum[i][c] * gradient[i][c];
            sum[i][c] = 0;
        }
        D[i] = sum_parts(plan, product);
        const bool there = seat.used && seat.row + i < plan.own;
        log2_sum[i] = there ? kLog2E * lse[(seat.image * plan.heads + seat.head) * plan.own + seat.row + i] : 0;
    }
    for (int first = 0; first < plan.met; first += plan.tile) {
        load_met(plan, k, first, keys);
        load_met(plan, v, first, values);
        sync_block();
        const int count = plan.met - first < plan.tile ? plan.met - first : plan.tile;
        const int offset = seat.local_head * plan.head_stride + seat.part * kDim;
        for (int begin = 0; begin < count; begin += kBackwardBlock) {
            float score[kRows<kDim>][kBackwardBlock], dp[kRows<kDim>][kBackwardBlock];
            block_products(plan, query, keys + offset + begin * plan.width, score);
            block_products(plan, gradient, values + offset + begin * plan.width, dp);
            for (int j = 0; j < kBackwardBlock; ++j) {
                const Row<kDim> key(keys + offset + (begin + j) * plan.width);
                for (int i = 0; i < kRows<kDim>; ++i) {
                    const float p = begin + j < count ? fast_exp2(score[i][j] - log2_sum[i]) : 0;
                    add_scaled(sum[i], p * (dp[i][j] - D[i]), key);
                }
            }
        }
        sync_block();
    }
    float factor[kRows<kDim>];
    for (float& f : factor) f = kLn2 * scale;
    store_own(plan, seat, sum, factor, dq, add);
}

// dk (+)= Σ_i ds_i q_i / √d and dv (+)= Σ_i P_i dout_i: own rows are keys. dk, dv: one of them may be null, or both one place.
template <class T, int kDim>
__global__ void __launch_bounds__(kThreads, kDim == 8 ? 2 : 1)
    attention_dkv_kernel(Plan plan, const T* q, const T* k, const T* v, const T* out, const float* lse, const T* dout,
                         float scale, T* dk, bool add_dk, T* dv, bool add_dv) {
    float* const queries = &shared_memory<float>();
    float* const gradients = queries + plan.head_count * plan.head_stride;
    float* const log2_sums = gradients + plan.head_count * plan.head_stride;    // (heads, tile), and so is D
    float* const D = log2_sums + plan.head_count * plan.tile;
    const Seat seat = seat_of_thread<kDim>(plan);
    float key[kRows<kDim>][kDim], value[kRows<kDim>][kDim], sum_k[kRows<kDim>][kDim] = {}, sum_v[kRows<kDim>][kDim] = {};
    load_own(plan, seat, k, scale, key);
    load_own(plan, seat, v, 1, value);

    const int first_head = seat.head - static_cast<int>(threadIdx.x) / plan.head_threads;
    for (int first = 0; first < plan.met; first += plan.tile) {
        load_met(plan, q, first, queries);
        load_met(plan, dout, first, gradients);
        for (int i = static_cast<int>(threadIdx.x); i < plan.head_count * plan.tile; i += kThreads) {
            const int head = first_head + i / plan.tile, row = first + i % plan.tile;
            const bool there = head < plan.heads && row < plan.met;
            const std::int64_t at = there ? row_offset(plan, seat.image, plan.met, row, head) : 0;
            float product = 0;
            for (int c = 0; c < (there ? plan.dim : 0); ++c) product += to_float(out[at + c]) * to_float(dout[at + c]);
            D[i] = product;
            // A query that is not there has P = 0.
            log2_sums[i] = there ? kLog2E * lse[(seat.image * plan.heads + head) * plan.met + row] : INFINITY;
        }
        sync_block();
        const int count = plan.met - first < plan.tile ? plan.met - first : plan.tile;
        const int offset = seat.local_head * plan.head_stride + seat.part * kDim;
        for (int begin = 0; begin < count; begin += kBackwardBlock) {
            float score[kRows<kDim>][kBackwardBlock], dp[kRows<kDim>][kBackwardBlock];
            block_products(plan, key, queries + offset + begin * plan.width, score);
            block_products(plan, value, gradients + offset + begin * plan.width, dp);
            for (int j = 0; j < kBackwardBlock; ++j) {
                const int met = seat.local_head * plan.tile + begin + j;
                const Row<kDim> query(queries + offset + (begin + j) * plan.width);
                const Row<kDim> gradient(gradients + offset + (begin + j) * plan.width);
                for (int i = 0; i < kRows<kDim>; ++i) {
                    const float p = fast_exp2(score[i][j] - log2_sums[met]);
                    add_scaled(sum_v[i], p, gradient);
                    add_scaled(sum_k[i], p * (dp[i][j] - D[met]), query);
                }
            }
        }
        sync_block();
    }
    float factor_k[kRows<kDim>], factor_v[kRows<kDim>];
    for (float& f : factor_k) f = kLn2 * scale;
    for (float& f : factor_v) f = 1;
    store_own(plan, seat, sum_k, factor_k, dk, add_dk);
    store_own(plan, seat, sum_v, factor_v, dv, add_dv);
}

// own: (N, rows, C), whose rows threads keep; met, other_met: (N, rows, C).
template <int kDim>
Plan make_plan(const Tensor& own, const Tensor& met, const Tensor& other_met, int heads) {
    constexpr int kTileFloats =
        10 << 10;    // two tensors' met rows: 40 KiB, so that five blocks fit on a multiprocessor of sm_90
    Plan plan{};
    plan.own = static_cast<int>(own.size(1));
    plan.met = static_cast<int>(met.size(1));
    plan.heads = heads;
    plan.channels = static_cast<int>(own.size(2));
    plan.dim = plan.channels / heads;
    check(plan.dim <= kMostWidth, "attention", "expected heads of at most ", kMostWidth, " channels on CUDA, got ", plan.dim);
    plan.split = 1;
    while (plan.split * kDim < plan.dim) plan.split *= 2;
    plan.width = plan.split * kDim;
    const int threads = (plan.own + kRows<kDim> - 1) / kRows<kDim> * plan.split;
    plan.head_threads = std::min(threads, kThreads);
    plan.head_count = std::min({heads, kThreads / plan.head_threads, kTileFloats / (2 * kBlock * plan.width)});
    plan.head_groups = (heads + plan.head_count - 1) / plan.head_count;
    plan.own_tiles = (threads + plan.head_threads - 1) / plan.head_threads;
    const int most = kTileFloats / (2 * plan.head_count * plan.width) / kBlock * kBlock;    // at least kBlock
    plan.tile = std::min((plan.met + kBlock - 1) / kBlock * kBlock, most);
    plan.head_stride = plan.tile * plan.width + 4;    // heads that a warp reads side by side lie in other banks
    plan.met_in_packs = plan.dim * size_of(met.dtype()) % 16 == 0 && is_aligned(met) && is_aligned(other_met);
    return plan;
}

Launch how(const Plan& plan, std::int64_t images, bool with_sums) {
    const int floats = 2 * plan.head_count * (plan.head_stride + (with_sums ? plan.tile : 0));
    return {.grid = {blocks_for(images * plan.head_groups * plan.own_tiles, 1)},
            .block = {kThreads},
            .shared_bytes = static_cast<std::size_t>(floats) * sizeof(float)};
}

// Calls f(T{}, kDim).
template <class F>
void with_case(const Tensor& q, int heads, const F& f) {
    with_device_dtype("attention", q.dtype(), [&](auto type) {
        if (q.size(2) / heads <= 8)
            f(type, std::integral_constant<int, 8>());
        else
            f(type, std::integral_constant<int, 16>());
    });
}

float exponent_scale(const Tensor& q, int heads) { return kLog2E / sqrtf(static_cast<float>(q.size(2) / heads)); }

}    // namespace

void attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, int heads, Tensor out, Tensor lse) {
    if (q.elements() == 0) return;
    with_case(q, heads, [&]<class T, int kDim>(T, std::integral_constant<int, kDim>) {
        const Plan plan = make_plan<kDim>(q, k, v, heads);
        launch<attention_kernel<T, kDim>>(how(plan, q.size(0), false), plan, q.data<T>(), k.data<T>(), v.data<T>(),
                                          exponent_scale(q, heads), out.data<T>(), lse.defined() ? lse.data<float>() : nullptr);
    });
}

void attention_backward(const Tensor& q, const Tensor& k, const Tensor& v, int heads, const Tensor& out, const Tensor& lse,
                        const Tensor& dout, Into dq, Into dk, Into dv) {
    if (k.elements() == 0) return;
    with_case(q, heads, [&]<class T, int kDim>(T, std::integral_constant<int, kDim>) {
        const float scale = exponent_scale(q, heads);
        const auto place = [](Into& into) { return into.tensor.defined() ? into.tensor.data<T>() : nullptr; };
        // In this order: dq and dk may be one place.
        if (dq.tensor.defined() && q.elements() > 0) {
            const Plan plan = make_plan<kDim>(q, k, v, heads);
            launch<attention_dq_kernel<T, kDim>>(how(plan, q.size(0), false), plan, q.data<T>(), k.data<T>(), v.data<T>(),
                                                 out.data<T>(), lse.data<float>(), dout.data<T>(), scale, place(dq), dq.add);
        }
        if (!dk.tensor.defined() && !dv.tensor.defined()) return;
        const Plan plan = make_plan<kDim>(k, q, dout, heads);
        launch<attention_dkv_kernel<T, kDim>>(how(plan, q.size(0), true), plan, q.data<T>(), k.data<T>(), v.data<T>(),
                                              out.data<T>(), lse.data<float>(), dout.data<T>(), scale, place(dk), dk.add,
                                              place(dv), dv.add);
    });
}

}    // namespace lull::cuda
