// y (pixels, O) = A (pixels, K) Fᵀ: A the images as conv_source.cuh reads them, never stored, F (O, K) the filters. Backward-data
// is the same with other filters: that is all of convolution but the filters' own gradient (conv_weights.cu).
//
// FLOPs: 2 · pixels · O · K; where a stride skips pixels backward multiplies stride² as many, by zeros (three small layers of a
// U-Net). Bytes moved: x and y once if the taps' and the blocks' repeated reads of x hit the L2 cache, which neighbouring blocks
// fill for each other; blocks with the same pixels run beside each other for that. Filters are read by every block, from L2.
// Before, a small kernel turns them into F: rounded to bf16 in bf16, its rows filled up with zeros to whole tiles.
//
// A block computes 128 pixels × 64 (or 32) outputs, and walks along K in tiles of 64 bytes: while one is multiplied, the two
// after it are on their way to shared memory. With 64 outputs a byte of shared memory that is read serves 32 or more FLOPs, about
// what an SM's tensor cores do in the time.
#include "engine/cuda/conv.h"

#include "engine/cuda/conv_source.cuh"
#include "engine/cuda/conv_tiles.cuh"
#include "engine/cuda/library_conv.h"

namespace lull::cuda {

namespace {

constexpr int kRows = 128, kUnits = 4, kStages = 3, kMaxTerms = 3;

// Columns of the matrix that one tile holds: 64 bytes.
template <class T>
constexpr int kDepth = kUnits* Pack<T>::size;

template <class T, int kColumns>
struct GatherTiles {
    ConvTile<T, kRows, kUnits> images[kStages];
    ConvTile<T, kColumns, kUnits> filters[kStages];
};

// Tiles on their way, and afterwards the sum: its rows 8 banks apart, where a warp writes 4 of them at a time.
template <class T, int kColumns>
union GatherShared {
    GatherTiles<T, kColumns> tiles;
    float sum[kRows][kColumns + 8];
};

// Up to three images side by side along K, each with its tiles.
template <class T>
struct Sources {
    ConvSource<T> at[kMaxTerms];
    int tiles[kMaxTerms];    // 0: there is no such term
    int all_tiles;
};

// Where the sum goes, and what is added to it.
template <class T>
struct Destination {
    T* y;    // (pixels, columns)
    int pixels, height, width, columns;
    bool add, in_runs;    // in_runs: whether four neighbours can be read and written in one access
    const float *bias, *bias2;
    const T *residual, *residual2;
    int residual_channels;    // of `residual`; those of residual2 are the rest

    // Four neighbours of a pixel, those among them that exist.
    LULL_DEVICE void store(std::int64_t pixel, int column, Pack<float, 4> sum) const {
        const auto add_to_sum = [&](auto value) {
            for (int i = 0; i < 4; ++i)
                if (in_runs || column + i < columns) sum.at[i] += value(column + i);
        };
        T* const to = y + pixel * columns + column;
        const int rest = columns - residual_channels;
        if (bias) add_to_sum([&](int c) { return bias[c]; });
        if (bias2) add_to_sum([&](int c) { return bias2[c]; });
        if (in_runs) {
            const auto add_run = [&](const auto* from) {
                const auto run = load_pack<4>(from);
                for (int i = 0; i < 4; ++i) sum.at[i] += to_float(run.at[i]);
            };
            if (residual)
                add_run(column < residual_channels ? residual + pixel * residual_channels + column
                                                   : residual2 + pixel * rest + column - residual_channels);
            if (add) add_run(to);
            Pack<T, 4> rounded;
            for (int i = 0; i < 4; ++i) rounded.at[i] = from_float<T>(sum.at[i]);
            store_pack(to, rounded);
            return;
        }
        if (residual)
            add_to_sum([&](int c) {
                return to_float(c < residual_channels ? residual[pixel * residual_channels + c]
                                                      : residual2[pixel * rest + c - residual_channels]);
            });
        if (add) add_to_sum([&](int c) { return to_float(to[c - column]); });
        for (int i = 0; i < 4 && column + i < columns; ++i) to[i] = from_float<T>(sum.at[i]);
    }
};

// filters: (whole tiles of columns, whole tiles of K).
template <class T, int kColumns>
__global__ void __launch_bounds__(kConvThreads)
    conv_kernel(Sources<T> sources, const T* filters, Destination<T> out, int column_blocks) {
    auto& shared = shared_memory<GatherShared<T, kColumns>>();
    constexpr int kRowsAtOnce = kConvThreads / kUnits;
    const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
    const int first_pixel = block / column_blocks * kRows, first_column = block % column_blocks * kColumns;
    const int row = thread / kUnits, unit = thread % kUnits * Pack<T>::size;    // of every 32nd row of a tile, 16 bytes

    constexpr int kMine = kRows / kRowsAtOnce;
    ConvPixel pixels[kMine];
    unrolled<kMine>([&](int i) { pixels[i] = conv_pixel(first_pixel + row + i * kRowsAtOnce, out.height, out.width); });
    const int k_size = sources.all_tiles * kDepth<T>;
    const T* const filter = filters + static_cast<std::int64_t>(first_column + row) * k_size + unit;

    ConvTap tap{}, step{};    // of the tile that was fetched last, and from it to the next
    const auto fetch_image = [&](const ConvSource<T>& source, int tile, int stage) {
        if (tile == 0) step = source.tap(kDepth<T>);
        tap = tile == 0 ? source.tap(unit) : source.advanced(tap, step);
        unrolled<kMine>(
            [&](int i) { source.fetch(&shared.tiles.images[stage].at[row + i * kRowsAtOnce][unit], pixels[i], tap); });
    };
    const auto fetch = [&](int tile) {    // one after the other
        const int stage = tile % kStages;
        for (int i = 0; i < kColumns / kRowsAtOnce; ++i)
            copy16_async(&shared.tiles.filters[stage].at[row + i * kRowsAtOnce][unit],
                         filter + static_cast<std::int64_t>(i * kRowsAtOnce) * k_size + tile * kDepth<T>);
        const int second = tile - sources.tiles[0], third = second - sources.tiles[1];
        if (second < 0)
            fetch_image(sources.at[0], tile, stage);
        else if (third < 0)
            fetch_image(sources.at[1], second, stage);
        else
            fetch_image(sources.at[2], third, stage);
    };

    GatherProduct<T, kColumns> product;
    for (int tile = 0; tile < kStages - 1; ++tile) {
        if (tile < sources.all_tiles) fetch(tile);
        copy_commit();
    }
    for (int tile = 0; tile < sources.all_tiles; ++tile) {
        copy_wait<kStages - 2>();
        sync_block();    // the tile is there for all threads, and all are done with the one before it, whose place is filled now
        if (tile + kStages - 1 < sources.all_tiles) fetch(tile + kStages - 1);
        copy_commit();
        product.add(shared.tiles.images[tile % kStages], shared.tiles.filters[tile % kStages]);
    }

    copy_wait<0>();
    sync_block();    // all are done with the tiles, where the sum is put now: from there it is written in order
    product.for_each([&](int i, int j, const auto& sum) { store_pack(&shared.sum[i][j], sum); });
    sync_block();
    constexpr int kRuns = kColumns / 4, kPixelsAtOnce = kConvThreads / kRuns;
    const int column = thread % kRuns * 4;
    for (int i = thread / kRuns; i < kRows; i += kPixelsAtOnce) {
        if (first_pixel + i >= out.pixels || first_column + column >= out.columns) break;
        out.store(first_pixel + i, first_column + column, load_pack<4>(&shared.sum[i][column]));
    }
}

// F for forward. w: (O, taps, all_channels), of which `channels` from `first` on; f: (…, k_size), from column k_begin on.
template <class T>
__global__ void forward_filter_kernel(const float* w, T* f, int O, int taps, int channels, int all_channels, int first,
                                      int k_begin, int k_count, int k_size, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    const int o = static_cast<int>(i / k_count), k = static_cast<int>(i % k_count);
    const int tap = channels > 0 ? k / channels : taps, c = k - tap * channels;
    const bool any = o < O && tap < taps;
    f[static_cast<std::int64_t>(o) * k_size + k_begin + k] =
        from_float<T>(any ? w[(static_cast<std::int64_t>(o) * taps + tap) * all_channels + first + c] : 0.0f);
}

// F for backward: f(c, (t_y, t_x, o)) = Σ w(o, a, b, c) over a - d_y = height - 1 - t_y and b - d_x = width - 1 - t_x
// (conv_source.cuh). w: (O, height, width, all_channels), of which `channels` from `first` on. Neighbouring threads have
// neighbouring c, as w is larger than L1 and f is not read.
template <class T>
__global__ void backward_filter_kernel(const float* w, T* f, ConvReach reach, int O, int height, int width, int channels,
                                       int all_channels, int first, int rows, int k_size, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    const int k = static_cast<int>(i / rows), c = static_cast<int>(i % rows);
    const int tap = O > 0 ? k / O : reach.taps_y * reach.taps_x, o = k - tap * O;
    const int first_a = height - 1 - tap / reach.taps_x, first_b = width - 1 - tap % reach.taps_x;
    float sum = 0;
    if (c < channels && tap < reach.taps_y * reach.taps_x) {
        for (int a = first_a; a < first_a + reach.step; ++a)
            for (int b = first_b; b < first_b + reach.step; ++b)
                if (a >= 0 && a < height && b >= 0 && b < width)
                    sum += w[((static_cast<std::int64_t>(o) * height + a) * width + b) * all_channels + first + c];
    }
    f[static_cast<std::int64_t>(c) * k_size + k] = from_float<T>(sum);
}

constexpr int kFilterThreads = 256;

int rounded_up(std::int64_t n, int unit) { return static_cast<int>((n + unit - 1) / unit * unit); }

// Columns that a block computes.
int block_columns(std::int64_t columns) { return columns <= 32 ? 32 : 64; }

template <class T>
const T* data_or_null(const Tensor& t) {
    return t.defined() ? t.data<T>() : nullptr;
}

template <class T>
void launch_conv(const Sources<T>& sources, const Tensor& filters, const ConvExtras& extras, Into y) {
    const auto columns = static_cast<int>(y.tensor.size(3));
    const int pixels = conv_pixels(y.tensor);
    if (columns == 0) return;
    const Destination<T> out{.y = y.tensor.data<T>(),
                             .pixels = pixels,
                             .height = static_cast<int>(y.tensor.size(1)),
                             .width = static_cast<int>(y.tensor.size(2)),
                             .columns = columns,
                             .add = y.add,
                             .in_runs = in_packs(4, {y.tensor, extras.residual, extras.residual2}),
                             .bias = data_or_null<float>(extras.bias),
                             .bias2 = data_or_null<float>(extras.bias2),
                             .residual = data_or_null<T>(extras.residual),
                             .residual2 = data_or_null<T>(extras.residual2),
                             .residual_channels = extras.residual.defined() ? static_cast<int>(extras.residual.size(3)) : 0};
    const auto with_columns = [&]<int kColumns>(std::integral_constant<int, kColumns>) {
        const auto column_blocks = static_cast<int>(blocks_for(columns, kColumns));
        const unsigned blocks = blocks_for(pixels, kRows) * static_cast<unsigned>(column_blocks);
        launch<conv_kernel<T, kColumns>>(
            {.grid = {blocks}, .block = {kConvThreads}, .shared_bytes = sizeof(GatherShared<T, kColumns>)}, sources,
            filters.data<T>(), out, column_blocks);
    };
    if (block_columns(columns) == 32)
        with_columns(std::integral_constant<int, 32>{});
    else
        with_columns(std::integral_constant<int, 64>{});
}

}    // namespace

void conv_forward(std::span<const ConvTerm> terms, const ConvExtras& extras, Into y) {
    const bool alone = terms.size() == 1 && !extras.bias.defined() && !extras.bias2.defined() && !extras.residual.defined();
    const auto& [x, weight, options, first_channel] = terms.front();
    if (alone && weight.size(3) == x.size(3) && convolve_by_library(ConvPass::forward, x, weight, y.tensor, options, y.add))
        return;
    check(terms.size() <= kMaxTerms, "conv_forward", "expected at most ", kMaxTerms, " terms, got ", terms.size());
    with_device_dtype("conv2d", terms.front().x.dtype(), [&](auto type) {
        using T = decltype(type);
        Sources<T> sources{};
        int count = 0;
        for (const ConvTerm& term : terms) {
            const std::int64_t k = term.weight.size(1) * term.weight.size(2) * term.x.size(3);
            sources.at[count] = conv_source<T>(term.x, forward_reach(term.weight, term.options));
            sources.tiles[count] = static_cast<int>(blocks_for(k, kDepth<T>));
            sources.all_tiles += sources.tiles[count++];
        }
        const std::int64_t O = y.tensor.size(3);
        const int rows = rounded_up(O, block_columns(O)), k_size = sources.all_tiles * kDepth<T>;
        Tensor filters = empty({rows, k_size}, dtype_of<T>(), Device::cuda);
        int k_begin = 0, number = 0;
        for (const ConvTerm& term : terms) {
            const int k_count = sources.tiles[number++] * kDepth<T>;
            const std::int64_t n = std::int64_t{rows} * k_count;
            launch<forward_filter_kernel<T>>(one_thread_each(n, kFilterThreads), term.weight.data<float>(), filters.data<T>(),
                                             static_cast<int>(O), static_cast<int>(term.weight.size(1) * term.weight.size(2)),
                                             static_cast<int>(term.x.size(3)), static_cast<int>(term.weight.size(3)),
                                             static_cast<int>(term.first_channel), k_begin, k_count, k_size, n);
            k_begin += k_count;
        }
        launch_conv<T>(sources, filters, extras, y);
    });
}

void conv_backward_data(const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx,
                        std::int64_t first_channel) {
    if (weight.size(3) == dx.tensor.size(3) && convolve_by_library(ConvPass::data, dx.tensor, weight, dy, options, dx.add))
        return;
    with_device_dtype("conv2d", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const ConvReach reach = backward_reach(weight, options);
        const auto O = static_cast<int>(weight.size(0)), C = static_cast<int>(dx.tensor.size(3));
        const std::int64_t k = std::int64_t{reach.taps_y} * reach.taps_x * O;
        const auto tiles = static_cast<int>(blocks_for(k, kDepth<T>));
        const Sources<T> sources{.at = {conv_source<T>(dy, reach)}, .tiles = {tiles}, .all_tiles = tiles};
        const int rows = rounded_up(C, block_columns(C)), k_size = tiles * kDepth<T>;
        Tensor filters = empty({rows, k_size}, dtype_of<T>(), Device::cuda);
        const std::int64_t n = filters.elements();
        launch<backward_filter_kernel<T>>(one_thread_each(n, kFilterThreads), weight.data<float>(), filters.data<T>(), reach, O,
                                          static_cast<int>(weight.size(1)), static_cast<int>(weight.size(2)), C,
                                          static_cast<int>(weight.size(3)), static_cast<int>(first_channel), rows, k_size, n);
        launch_conv<T>(sources, filters, {}, dx);
    });
}

}    // namespace lull::cuda
