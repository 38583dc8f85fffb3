// The gradient of a convolution's filters: dF (O, K) = dyᵀ (O, pixels) A (pixels, K), A the images as conv_source.cuh reads them.
// The sum runs over all pixels of the batch, so a share of them is a block's: a block adds up 64 × 64 of dF over its share, and
// a second kernel adds the shares' sums in order. The number of shares follows from the sizes alone; no atomics.
//
// FLOPs: 2 · pixels · O · K. Bytes moved: x and dy once if repeated reads hit the L2 cache (every block of a share's row reads
// the same dy, every block of its column nearly the same x), and the partial sums twice, of which there are no more than keep a
// large GPU busy: about 512 blocks.
#include <algorithm>

#include "engine/cuda/conv.h"
#include "engine/cuda/conv_source.cuh"
#include "engine/cuda/conv_tiles.cuh"
#include "engine/cuda/library_conv.h"

namespace lull::cuda {

namespace {

constexpr int kSide = 64, kStages = 3;

template <class T>
struct SumTiles {
    typename SumProduct<T>::Tile dy[kStages], x[kStages];
};

// dy: (pixels, O), its pixels (N, height, width); partials: (gridDim.z, O, K).
template <class T>
__global__ void __launch_bounds__(kConvThreads)
    conv_weights_kernel(ConvSource<T> x, const T* dy, bool dy_in_packs, float* partials, int pixels, int height, int width, int O,
                        int K) {
    using Product = SumProduct<T>;
    SumTiles<T>& shared = shared_memory<SumTiles<T>>();
    constexpr int kRowsAtOnce = kConvThreads / Product::units, kPack = Pack<T>::size;
    const int thread = static_cast<int>(threadIdx.x), share = static_cast<int>(blockIdx.z);
    const int first_k = static_cast<int>(blockIdx.x) * kSide, first_o = static_cast<int>(blockIdx.y) * kSide;
    const int row = thread / Product::units, unit = thread % Product::units * kPack;    // of every row of a tile, 16 bytes
    const std::int64_t all_tiles = (pixels + Product::depth - 1) / Product::depth, shares = gridDim.z;
    const int begin = static_cast<int>(all_tiles * share / shares), end = static_cast<int>(all_tiles * (share + 1) / shares);

    constexpr int kMine = Product::depth / kRowsAtOnce;
    const ConvTap tap = x.tap(first_k + unit);
    const int o = first_o + unit;
    const ConvPixel step = conv_pixel(Product::depth, height, width);    // from one tile to the next
    ConvPixel places[kMine];                                             // of the next tile to be fetched
    unrolled<kMine>([&](int i) { places[i] = conv_pixel(begin * Product::depth + row + i * kRowsAtOnce, height, width); });
    const auto fetch_dy = [&](T* to, int p) {
        const T* const from = dy + static_cast<std::int64_t>(p) * O + o;
        if (dy_in_packs && p < pixels && o < O) return copy16_async(to, from);
        Pack<T> pack{};
        for (int i = 0; i < kPack; ++i)
            if (p < pixels && o + i < O) pack.at[i] = from[i];
        store16(to, pack);
    };
    const auto fetch = [&](int tile) {    // one after the other
        const int stage = (tile - begin) % kStages;
        unrolled<kMine>([&](int i) {
            const int at = row + i * kRowsAtOnce;
            fetch_dy(&shared.dy[stage].at[at][unit], tile * Product::depth + at);
            x.fetch(&shared.x[stage].at[at][unit], places[i], tap);
            places[i] = advanced(places[i], step, height, width);
        });
    };

    Product product;
    for (int tile = begin; tile < begin + kStages - 1; ++tile) {
        if (tile < end) fetch(tile);
        copy_commit();
    }
    for (int tile = begin; tile < end; ++tile) {
        copy_wait<kStages - 2>();
        sync_block();    // the tile is there for all threads, and all are done with the one before it, whose place is filled now
        if (tile + kStages - 1 < end) fetch(tile + kStages - 1);
        copy_commit();
        product.add(shared.dy[(tile - begin) % kStages], shared.x[(tile - begin) % kStages]);
    }
    float* const sums = partials + static_cast<std::int64_t>(share) * O * K;
    product.for_each([&](int i, int j, const auto& sum) {
        constexpr int kRun = Product::run;
        float* const to = sums + static_cast<std::int64_t>(first_o + i) * K + first_k + j;
        if (first_o + i >= O) return;
        if (K % kRun == 0 && first_k + j < K)
            store_pack(to, sum);
        else
            for (int e = 0; e < kRun && first_k + j + e < K; ++e) to[e] = sum.at[e];
    });
}

// dw (O, taps, all_channels), `channels` of them from `first` on, (+)= Σ_share partials, (shares, O · taps · channels).
__global__ void conv_weights_sum_kernel(const float* partials, float* dw, int shares, int channels, int all_channels, int first,
                                        bool add, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    float sum = 0;
    for (int share = 0; share < shares; ++share) sum += partials[share * n + i];
    float& to = dw[i / channels * all_channels + first + i % channels];
    to = add ? to + sum : sum;
}

// Shares of the pixels, each with at least 8 tiles of them.
std::int64_t shares_for(std::int64_t blocks, std::int64_t tiles) {
    return std::clamp<std::int64_t>(512 / blocks, 1, std::max<std::int64_t>(1, tiles / 8));
}

}    // namespace

void conv_backward_weights(const Tensor& x, const Tensor& dy, const Conv2dOptions& options, Into dweight,
                           std::int64_t first_channel) {
    Tensor& dw = dweight.tensor;
    const std::int64_t O = dw.size(0), channels = x.size(3), K = dw.size(1) * dw.size(2) * channels;
    if (O * K == 0) return;
    if (dw.size(3) == channels && convolve_by_library(ConvPass::filters, x, dw, dy, options, dweight.add)) return;
    with_device_dtype("conv2d", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const int pixels = conv_pixels(dy);
        const unsigned k_blocks = blocks_for(K, kSide), o_blocks = blocks_for(O, kSide);
        const std::int64_t shares = shares_for(std::int64_t{k_blocks} * o_blocks, pixels / SumProduct<T>::depth);
        Tensor partials = empty({shares, O * K}, DType::f32, Device::cuda);
        launch<conv_weights_kernel<T>>({.grid = {k_blocks, o_blocks, static_cast<unsigned>(shares)},
                                        .block = {kConvThreads},
                                        .shared_bytes = sizeof(SumTiles<T>)},
                                       conv_source<T>(x, forward_reach(dw, options)), dy.data<T>(), in_packs(Pack<T>::size, {dy}),
                                       partials.data<float>(), pixels, static_cast<int>(dy.size(1)), static_cast<int>(dy.size(2)),
                                       static_cast<int>(O), static_cast<int>(K));
        constexpr int kThreads = 256;
        launch<conv_weights_sum_kernel>(one_thread_each(O * K, kThreads), partials.data<float>(), dw.data<float>(),
                                        static_cast<int>(shares), static_cast<int>(channels), static_cast<int>(dw.size(3)),
                                        static_cast<int>(first_channel), dweight.add, O * K);
    });
}

}    // namespace lull::cuda
