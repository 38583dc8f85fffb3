// GroupNorm with statistics and SiLU, forward and backward. x ‖ skip: (N, P, C) in bf16 or f32, P pixels; y and gradients alike.
//
// An image's channels of a few whole groups, whole sectors of 32 bytes wide, fit in shared memory at a U-Net's sizes (32²
// pixels of 48 channels in bf16: 96 KiB). One block then reads its part of the image once, finds mean and variance there, and
// writes once: 2 N P C elements forward and 3 N P C backward, the minimum. All loads are issued as asynchronous copies before
// anything is computed, and each thread reads what it copied itself: no barrier stands between memory and the sums. Several
// blocks on a multiprocessor overlap one's loads with another's arithmetic.
//
// An image too large for that is cut into chunks of pixels as well, in three kernels: sums per chunk, their combination in the
// order of the chunks, and y or dx from a second read: 3 N P C elements forward and 5 N P C backward.
//
// Per channel, with the mean less what is added to x as `centre`: n = (x - centre) rstd, z = γ n + β, y = SiLU(z) or z. SiLU and
// its derivative are computed from x in both phases of backward: keeping dz in bf16 would round it.
#include "engine/ops/group_norm/cuda.h"

#include "engine/cuda/packs.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/group_norm/cut.cuh"
#include "engine/ops/group_norm/kernels.h"

namespace lull::cuda {

namespace {

// Forward in one pass.
template <class T, int V, bool kSilu>
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_kernel(Source<T> in, Cut cut, Affine affine, float eps, T* y, float* statistics) {
    const Part part = part_of_block(cut, in.pixels);
    const Shared<2> shared(cut, 1);
    auto* const slab = reinterpret_cast<Pack<T, V>*>(shared.slabs);
    load_part(in, cut, part, slab);
    copy_wait<0>();
    moments(in, cut, part, slab, shared);
    const float elements = static_cast<float>(part.pixels) * static_cast<float>(in.width());
    const int thread = static_cast<int>(threadIdx.x);
    for (int g = thread; g < cut.groups; g += kNormThreads) {
        float* const to = statistics + (part.image * in.groups + part.group + g) * 2;
        shared.groups[2 * g + 1] = 1 / sqrtf(shared.groups[2 * g + 1] / elements + eps);
        to[0] = shared.groups[2 * g];
        to[1] = shared.groups[2 * g + 1];
    }
    sync_block();
    for_each_column(cut, [&](int column, int row) {
        const int c = part.channel + column * V;
        const Constants<V> constants(in, affine, part.image, c, shared.groups, part.channel);
        T* const to = y + part.image * in.pixels * in.channels + c;
        for (int p = row; p < part.pixels; p += cut.rows)
            store_pack(to + static_cast<std::int64_t>(p) * in.channels,
                       normalised<kSilu>(constants, slab[p * cut.columns + column]));
    });
}

// Of a chunk of pixels: moments (N, chunks, groups, 2).
template <class T, int V>
__global__ void __launch_bounds__(kNormThreads, 2) group_norm_moments_kernel(Source<T> in, Cut cut, float* moments_of_chunks) {
    const Part part = part_of_block(cut, in.pixels);
    const Shared<2> shared(cut, 1);
    auto* const slab = reinterpret_cast<Pack<T, V>*>(shared.slabs);
    load_part(in, cut, part, slab);
    copy_wait<0>();
    moments(in, cut, part, slab, shared);
    float* const to = moments_of_chunks + ((part.image * cut.chunks + part.chunk) * in.groups + part.group) * 2;
    for (int i = static_cast<int>(threadIdx.x); i < 2 * cut.groups; i += kNormThreads) to[i] = shared.groups[i];
}

// The count, mean and sum of squares about it of some elements, to which others are joined (Chan, Golub & LeVeque 1979).
struct Moments {
    float count = 0, mean = 0, squares = 0;
    LULL_DEVICE void join(float more, float their_mean, float their_squares) {
        if (more == 0) return;
        const float distance = their_mean - mean, total = count + more;
        mean += distance * (more / total);
        squares += their_squares + distance * distance * (count * more / total);
        count = total;
    }
};

// A warp for each of `count` groups: lanes take chunks in turn, and join by halves. statistics: (count, 2), the mean and either
// the variance or 1/√(variance + eps).
__global__ void __launch_bounds__(kNormThreads)
    group_norm_merge_kernel(const float* moments_of_chunks, int chunks, int pixels_of_chunk, int pixels, int groups, int width,
                            std::int64_t count, bool variance, float eps, float* statistics) {
    const std::int64_t i = global_thread() / kWarp;
    if (i >= count) return;    // whole warps leave
    Moments moments;
    for (int chunk = lane_of_thread(); chunk < chunks; chunk += kWarp) {
        const float* const from = moments_of_chunks + ((i / groups * chunks + chunk) * groups + i % groups) * 2;
        const int rest = pixels - chunk * pixels_of_chunk;
        const int own = rest < pixels_of_chunk ? rest : pixels_of_chunk;
        moments.join(static_cast<float>(own) * static_cast<float>(width), from[0], from[1]);
    }
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
        const int other = lane_of_thread() + distance;
        const float theirs = shuffle(moments.count, other), mean = shuffle(moments.mean, other);
        const float squares = shuffle(moments.squares, other);
        if (lane_of_thread() < distance) moments.join(theirs, mean, squares);
    }
    if (lane_of_thread() > 0) return;
    const float mean_square = moments.squares / moments.count;
    statistics[2 * i] = moments.mean;
    statistics[2 * i + 1] = variance ? mean_square : 1 / sqrtf(mean_square + eps);
}

// y from x and the statistics.
template <class T, int V, bool kSilu>
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_again_kernel(Source<T> in, Cut cut, Affine affine, const float* statistics, T* y) {
    const Part part = part_of_block(cut, in.pixels);
    for_each_column(cut, [&](int column, int row) {
        const int c = part.channel + column * V;
        const Constants<V> constants(in, affine, part.image, c, statistics + part.image * in.groups * 2, 0);
        const Column<const T> from = in.column(part.image, c);
        T* const to = y + (part.image * in.pixels + part.pixel) * in.channels + c;
        for (int p = row; p < part.pixels; p += cut.rows) {
            const Pack<T, V> x = load_pack<V>(from.at(part.pixel + p));
            store_pack(to + static_cast<std::int64_t>(p) * in.channels, normalised<kSilu>(constants, x));
        }
    });
}

// Backward in one pass. sums: (N, 3, C), per image dβ, dγ and the gradient of what is added. y may be null.
template <class T, int V, bool kSilu>
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_backward_kernel(Source<T> in, Cut cut, Affine affine, const float* statistics, const T* dy, Target<T> dx,
                               bool of_x, float* sums, T* y) {
    const Part part = part_of_block(cut, in.pixels);
    const Shared<3> shared(cut, 2);
    auto* const x_slab = reinterpret_cast<Pack<T, V>*>(shared.slabs);
    auto* const dy_slab = reinterpret_cast<Pack<T, V>*>(shared.slabs + cut.slab_bytes);
    const Source<T> dy_in{dy, nullptr, {}, {}, in.pixels, in.channels, in.channels, in.groups};
    load_part(in, cut, part, x_slab);
    load_part(dy_in, cut, part, dy_slab);
    copy_wait<0>();

    const float* const image_statistics = statistics + part.image * in.groups * 2;
    for_each_column(cut, [&](int column, int row) {
        const Constants<V> constants(in, affine, part.image, part.channel + column * V, image_statistics, 0);
        BackwardSums<V> own;
        for (int p = row; p < part.pixels; p += cut.rows) {
            const int i = p * cut.columns + column;
            own.template add<kSilu>(constants, x_slab[i], dy_slab[i]);
        }
        own.keep(cut, column, shared.partial);
    });
    add_up<3>(cut, shared.partial, shared.sums);
    const float pixels = static_cast<float>(part.pixels), share = of_x ? 1 / (pixels * static_cast<float>(in.width())) : 0;
    for_each_group(cut.groups, [&](int g) {
        gradient_means(affine, shared.sums, cut.channels, part.channel, g, in.width(), share, shared.groups);
    });
    sync_block();

    float* const image_sums = sums + part.image * 3 * in.channels + part.channel;
    for (int c = static_cast<int>(threadIdx.x); c < cut.channels; c += kNormThreads) {
        const int group = c / in.width();
        const float dz = shared.sums[c];
        image_sums[c] = dz;
        image_sums[in.channels + c] = shared.sums[cut.channels + c];
        image_sums[2 * in.channels + c] =
            added_gradient(image_statistics[2 * (part.group + group) + 1], affine.weight[part.channel + c],
                           shared.groups + 2 * group, pixels, dz, shared.sums[2 * cut.channels + c]);
    }
    for_each_column(cut, [&](int column, int row) {
        const int c = part.channel + column * V;
        const Constants<V> constants(in, affine, part.image, c, image_statistics, 0);
        float m1[V], m2[V];
        for (int k = 0; k < V; ++k) {
            m1[k] = shared.groups[2 * ((column * V + k) / in.width())];
            m2[k] = shared.groups[2 * ((column * V + k) / in.width()) + 1];
        }
        const Column<T> to = dx.column(part.image, c);
        T* const again = y ? y + part.image * in.pixels * in.channels + c : nullptr;
        for (int p = row; p < part.pixels; p += cut.rows) {
            const int i = p * cut.columns + column;
            write_gradient<kSilu>(constants, m1, m2, x_slab[i], dy_slab[i], to.first ? to.at(p) : nullptr, dx.adds(c),
                                  again ? again + static_cast<std::int64_t>(p) * in.channels : nullptr);
        }
    });
}

// Of a chunk of pixels: sums_of_chunks (N, chunks, 3, C).
template <class T, int V, bool kSilu>
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_backward_sums_kernel(Source<T> in, Cut cut, Affine affine, const float* statistics, const T* dy,
                                    float* sums_of_chunks) {
    const Part part = part_of_block(cut, in.pixels);
    const Shared<3> shared(cut, 0);
    for_each_column(cut, [&](int column, int row) {
        const int c = part.channel + column * V;
        const Constants<V> constants(in, affine, part.image, c, statistics + part.image * in.groups * 2, 0);
        const Column<const T> x = in.column(part.image, c);
        const T* const dy_image = dy + (part.image * in.pixels + part.pixel) * in.channels + c;
        BackwardSums<V> own;
        for (int p = row; p < part.pixels; p += cut.rows) {
            own.template add<kSilu>(constants, load_pack<V>(x.at(part.pixel + p)),
                                    load_pack<V>(dy_image + static_cast<std::int64_t>(p) * in.channels));
        }
        own.keep(cut, column, shared.partial);
    });
    add_up<3>(cut, shared.partial, shared.sums);
    float* const to = sums_of_chunks + (part.image * cut.chunks + part.chunk) * 3 * in.channels + part.channel;
    for (int i = static_cast<int>(threadIdx.x); i < 3 * cut.channels; i += kNormThreads)
        to[i / cut.channels * in.channels + i % cut.channels] = shared.sums[i];
}

// An image's chunks in order: sums (N, 3, C) as group_norm_backward_kernel leaves them, and means (N, groups, 2). A block for
// each image.
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_backward_merge_kernel(const float* sums_of_chunks, int chunks, int pixels, int channels, int groups, Affine affine,
                                     const float* statistics, bool of_x, float* sums, float* means) {
    const std::int64_t image = blockIdx.x;
    const int width = channels / groups;
    float* const image_sums = sums + image * 3 * channels;
    float* const image_means = means + image * 2 * groups;
    for (int i = static_cast<int>(threadIdx.x); i < 3 * channels; i += kNormThreads) {
        float sum = 0;
        for (int chunk = 0; chunk < chunks; ++chunk) sum += sums_of_chunks[(image * chunks + chunk) * 3 * channels + i];
        image_sums[i] = sum;
    }
    sync_block();
    const float share = of_x ? 1 / (static_cast<float>(pixels) * static_cast<float>(width)) : 0;
    for_each_group(groups, [&](int g) { gradient_means(affine, image_sums, channels, 0, g, width, share, image_means); });
    sync_block();
    for (int c = static_cast<int>(threadIdx.x); c < channels; c += kNormThreads) {
        const int group = c / width;
        image_sums[2 * channels + c] =
            added_gradient(statistics[(image * groups + group) * 2 + 1], affine.weight[c], image_means + 2 * group,
                           static_cast<float>(pixels), image_sums[c], image_sums[2 * channels + c]);
    }
}

// dx and y from x, dy, statistics and means.
template <class T, int V, bool kSilu>
__global__ void __launch_bounds__(kNormThreads, 2)
    group_norm_gradient_kernel(Source<T> in, Cut cut, Affine affine, const float* statistics, const float* means, const T* dy,
                               Target<T> dx, T* y) {
    const Part part = part_of_block(cut, in.pixels);
    for_each_column(cut, [&](int column, int row) {
        const int c = part.channel + column * V;
        const Constants<V> constants(in, affine, part.image, c, statistics + part.image * in.groups * 2, 0);
        float m1[V], m2[V];
        for (int k = 0; k < V; ++k) {
            const float* const group = means + (part.image * in.groups + (c + k) / in.width()) * 2;
            m1[k] = group[0];
            m2[k] = group[1];
        }
        const Column<const T> x = in.column(part.image, c);
        const Column<T> to = dx.column(part.image, c);
        const std::int64_t first = (part.image * in.pixels + part.pixel) * in.channels + c;
        for (int p = row; p < part.pixels; p += cut.rows) {
            const std::int64_t i = first + static_cast<std::int64_t>(p) * in.channels;
            write_gradient<kSilu>(constants, m1, m2, load_pack<V>(x.at(part.pixel + p)), load_pack<V>(dy + i),
                                  to.first ? to.at(part.pixel + p) : nullptr, dx.adds(c), y ? y + i : nullptr);
        }
    });
}

// Over images, in an order that their number decides: dγ, dβ and the gradient of the added bias. A block has 32 channels; its
// warps take images in turn.
constexpr int kSumThreads = 1024, kSumWarps = kSumThreads / kWarp;
struct ImageSums {
    float partial[3][kSumWarps][kWarp];
};
__global__ void __launch_bounds__(kSumThreads)
    group_norm_sum_images_kernel(const float* sums, std::int64_t images, int channels, FloatsInto weight, FloatsInto bias,
                                 FloatsInto added) {
    auto& shared = shared_memory<ImageSums>();
    const int lane = lane_of_thread(), warp = warp_of_thread(), c = static_cast<int>(blockIdx.x) * kWarp + lane;
    float total[3] = {};
    if (c < channels) {
        for (std::int64_t image = warp; image < images; image += kSumWarps)
            for (int i = 0; i < 3; ++i) total[i] += sums[(image * 3 + i) * channels + c];
    }
    for (int i = 0; i < 3; ++i) shared.partial[i][warp][lane] = total[i];
    sync_block();
    if (warp > 0 || c >= channels) return;
    for (int i = 0; i < 3; ++i) {
        total[i] = 0;
        for (int w = 0; w < kSumWarps; ++w) total[i] += shared.partial[i][w][lane];
    }
    for (int turn = 0; turn < 2; ++turn) {    // two may be one tensor: what is added comes after what is written
        if (weight.add == (turn == 1)) weight.put(c, total[1]);
        if (bias.add == (turn == 1)) bias.put(c, total[0]);
        if (added.add == (turn == 1)) added.put(c, total[2]);
    }
}

// The third row of sums (N, 3, C) → emb (N, C).
__global__ void group_norm_emb_kernel(const float* sums, std::int64_t count, int channels, FloatsInto emb) {
    const std::int64_t i = global_thread();
    if (i < count) emb.put(i, sums[(i / channels * 3 + 2) * channels + i % channels]);
}

// ---- Launchers ----

Floats floats(const Tensor& t) { return t.defined() ? Floats{t.raw(), t.dtype() == DType::bf16} : Floats{nullptr, false}; }
FloatsInto floats(const Into& into) {
    if (!into.tensor.defined()) return {nullptr, false, false};
    return {into.tensor.raw(), into.tensor.dtype() == DType::bf16, into.add};
}
Affine affine(const GroupNormWeights& weights) { return {floats(weights.weight), floats(weights.bias)}; }

std::int64_t pixels_of(const Tensor& x) { return x.elements() / std::max<std::int64_t>(1, x.size(0) * x.size(-1)); }

template <class T>
Source<T> source(const GroupNormInput& in, int groups) {
    const std::int64_t C1 = in.x.size(-1), C = C1 + (in.skip.defined() ? in.skip.size(-1) : 0), pixels = pixels_of(in.x);
    check(pixels * C < std::int64_t{1} << 31, "group_norm", "expected images of fewer than 2^31 elements, got ", in.x);
    return {.x = in.x.data<T>(),
            .skip = in.skip.defined() ? in.skip.data<T>() : nullptr,
            .bias = floats(in.bias),
            .emb = floats(in.emb),
            .pixels = static_cast<int>(pixels),
            .x_channels = static_cast<int>(C1),
            .channels = static_cast<int>(C),
            .groups = groups};
}

Launch how(const Cut& cut, std::int64_t images) {
    const std::int64_t blocks = images * cut.slabs * cut.chunks;
    return {.grid = {blocks_for(blocks, 1)}, .block = {kNormThreads}, .shared_bytes = cut.shared_bytes};
}

// Calls f(T{}, V, whether there is SiLU): V fills 16 bytes where every tensor's channels allow it, otherwise it is 1.
template <class F>
void with_case(std::initializer_list<Tensor> tensors, Activation activation, const F& f) {
    with_packs("group_norm", tensors, [&](auto type, auto V) {
        if (activation == Activation::silu)
            f(type, V, std::true_type());
        else
            f(type, V, std::false_type());
    });
}

Tensor f32_tensor(const Shape& shape) { return empty(shape, DType::f32, Device::cuda); }

// statistics (N, groups, 2) by chunks of pixels: mean and variance, or 1/√(variance + eps).
template <class T, int V>
void merged_moments(const Source<T>& in, const Cut& chunks, std::int64_t images, bool variance, float eps, Tensor statistics) {
    Tensor moments = f32_tensor({images, chunks.chunks, in.groups, 2});
    launch<group_norm_moments_kernel<T, V>>(how(chunks, images), in, chunks, moments.data<float>());
    const std::int64_t count = images * in.groups;
    launch<group_norm_merge_kernel>({.grid = {blocks_for(count, kNormThreads / kWarp)}, .block = {kNormThreads}},
                                    moments.data<float>(), chunks.chunks, chunks.pixels, in.pixels, in.groups,
                                    in.channels / in.groups, count, variance, eps, statistics.data<float>());
}

// Where backward's tensors lie, of the types that its kernels have.
template <class T, int V, bool kSilu>
struct Backward {
    std::int64_t images;
    Source<T> x;
    Affine affine;
    const float* statistics;
    const T* dy;
    Target<T> dx;
    bool of_x;
    float* sums;    // (N, 3, C)
    T* y;           // may be null

    void in_one_pass(const Cut& slabs) const {
        launch<group_norm_backward_kernel<T, V, kSilu>>(how(slabs, images), x, slabs, affine, statistics, dy, dx, of_x, sums, y);
    }
    void by_chunks(int groups) const {
        const Cut chunks = cut_chunks<T, V>(x, groups, 32, 3), each = cut_chunks<T, V>(x, x.groups, 8, 0);
        Tensor of_chunks = f32_tensor({images, chunks.chunks, 3, x.channels}), means = f32_tensor({images, x.groups, 2});
        launch<group_norm_backward_sums_kernel<T, V, kSilu>>(how(chunks, images), x, chunks, affine, statistics, dy,
                                                             of_chunks.data<float>());
        launch<group_norm_backward_merge_kernel>({.grid = {blocks_for(images, 1)}, .block = {kNormThreads}},
                                                 of_chunks.data<float>(), chunks.chunks, x.pixels, x.channels, x.groups, affine,
                                                 statistics, of_x, sums, means.data<float>());
        launch<group_norm_gradient_kernel<T, V, kSilu>>(how(each, images), x, each, affine, statistics, means.data<float>(), dy,
                                                        dx, y);
    }
};

}    // namespace

void group_moments(const GroupNormInput& in, int groups, Tensor moments) {
    if (in.x.elements() == 0) return fill(moments, 0);
    with_case({in.x, in.skip}, Activation::none, [&]<class T, int V>(T, std::integral_constant<int, V>, auto) {
        const Source<T> x = source<T>(in, groups);
        const Cut slabs = cut_slabs<T, V>(x, 1, 2);
        merged_moments<T, V>(x, cut_slab_chunks<T, V>(x, slabs.groups, 2), in.x.size(0), true, 0, moments);
    });
}

void group_norm_again(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options,
                      const Tensor& statistics, Tensor y) {
    if (y.elements() == 0) return;
    with_case({in.x, in.skip, y}, options.activation,
              [&]<class T, int V, bool kSilu>(T, std::integral_constant<int, V>, std::bool_constant<kSilu>) {
                  const Source<T> x = source<T>(in, options.groups);
                  const Cut cut = cut_chunks<T, V>(x, x.groups, 8, 0);
                  launch<group_norm_again_kernel<T, V, kSilu>>(how(cut, in.x.size(0)), x, cut, affine(weights),
                                                               statistics.data<float>(), y.data<T>());
              });
}

void group_norm_forward(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options, Tensor y,
                        Tensor statistics) {
    if (y.elements() == 0) return;
    const std::int64_t images = in.x.size(0);
    const auto eps = static_cast<float>(options.eps);
    bool done = false;
    with_case({in.x, in.skip, y}, options.activation,
              [&]<class T, int V, bool kSilu>(T, std::integral_constant<int, V>, std::bool_constant<kSilu>) {
                  const Source<T> x = source<T>(in, options.groups);
                  const Cut slabs = cut_slabs<T, V>(x, 1, 2);
                  if (slabs.shared_bytes <= most_shared_bytes()) {
                      launch<group_norm_kernel<T, V, kSilu>>(how(slabs, images), x, slabs, affine(weights), eps, y.data<T>(),
                                                             statistics.data<float>());
                      done = true;
                      return;
                  }
                  merged_moments<T, V>(x, cut_slab_chunks<T, V>(x, slabs.groups, 2), images, false, eps, statistics);
              });
    if (!done) group_norm_again(in, weights, options, statistics, y);
}

void group_norm_backward(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options,
                         const Tensor& statistics, const Tensor& dy, const GroupNormGradients& gradients, Tensor y, bool of_x) {
    if (gradients.x.tensor.defined() && gradients.skip.tensor.defined() &&
        gradients.x.tensor.raw() == gradients.skip.tensor.raw()) {
        GroupNormGradients apart = gradients;    // one tensor is both: two blocks would add to one element
        apart.skip = {empty_like(gradients.skip.tensor), false};
        group_norm_backward(in, weights, options, statistics, dy, apart, y, of_x);
        return accumulate(apart.skip.tensor, gradients.skip.tensor);
    }
    const std::int64_t C = dy.size(-1), images = dy.elements() == 0 ? 0 : dy.size(0);
    Tensor sums = f32_tensor({images, 3, C});
    if (images > 0) {
        const std::initializer_list<Tensor> tensors{in.x, in.skip, dy, gradients.x.tensor, gradients.skip.tensor, y};
        with_case(tensors, options.activation,
                  [&]<class T, int V, bool kSilu>(T, std::integral_constant<int, V>, std::bool_constant<kSilu>) {
                      const auto data = [](const Tensor& t) { return t.defined() ? Tensor(t).data<T>() : nullptr; };
                      const Source<T> x = source<T>(in, options.groups);
                      const Backward<T, V, kSilu> backward{
                          .images = images,
                          .x = x,
                          .affine = affine(weights),
                          .statistics = statistics.data<float>(),
                          .dy = dy.data<T>(),
                          .dx = {data(gradients.x.tensor), data(gradients.skip.tensor), gradients.x.add, gradients.skip.add,
                                 x.pixels, x.x_channels, x.channels},
                          .of_x = of_x,
                          .sums = sums.data<float>(),
                          .y = data(y)};
                      const Cut slabs = cut_slabs<T, V>(x, 2, 3);
                      if (slabs.shared_bytes <= most_shared_bytes())
                          backward.in_one_pass(slabs);
                      else
                          backward.by_chunks(slabs.groups);
                  });
    }
    launch<group_norm_sum_images_kernel>(
        {.grid = {blocks_for(C, kWarp)}, .block = {kSumThreads}, .shared_bytes = sizeof(ImageSums)}, sums.data<float>(), images,
        static_cast<int>(C), floats(gradients.weight), floats(gradients.bias), floats(gradients.added_bias));
    if (!gradients.emb.tensor.defined()) return;
    if (images == 0 && !gradients.emb.add) return fill(gradients.emb.tensor, 0);
    const std::int64_t count = images * C;
    launch<group_norm_emb_kernel>(one_thread_each(count, kNormThreads), sums.data<float>(), count, static_cast<int>(C),
                                  floats(gradients.emb));
}

void group_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const GroupNormOptions& options, Tensor y,
                        Tensor statistics) {
    group_norm_forward({x, {}, {}, {}}, {weight, bias}, options, y, statistics);
}

void group_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& statistics,
                         const GroupNormOptions& options, const Tensor& dy, Into dx, Into dweight, Into dbias) {
    group_norm_backward({x, {}, {}, {}}, {weight, bias}, options, statistics, dy,
                        {.x = dx, .skip = {}, .weight = dweight, .bias = dbias});
}

}    // namespace lull::cuda
