// Weighted mean squared error: a block adds up a share of one image, weighted with the image's weight, and one block adds up
// the shares, in an order that the shape decides. prediction, target: (N, …), f32 or bf16; the loss and all sums are f32.
// Bytes moved: prediction and target once forward; both once more and the gradient once backward, the minimum.
#include "engine/cuda/packs.h"
#include "engine/ops/mse/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kShare = 16 * kThreads;    // elements of a block

struct Shared {
    float partial[kThreads / kWarp];
};

template <class T>
LULL_DEVICE float weight_of(const T* weight, std::int64_t image) {
    return weight ? to_float(weight[image]) : 1;
}

// Block (share, image): partials (N, shares). V: elements that a thread reads at once; it divides `size`, the elements of an
// image.
template <class T, int V>
__global__ void __launch_bounds__(kThreads) mse_partial_kernel(const T* prediction, const T* target, const T* weight,
                                                               std::int64_t size, std::int64_t shares, float* partials) {
    const std::int64_t image = blockIdx.x / shares, share = blockIdx.x % shares;
    const std::int64_t end = (share + 1) * kShare < size ? (share + 1) * kShare : size;
    float sum = 0;
    for (std::int64_t i = share * kShare + V * static_cast<int>(threadIdx.x); i < end; i += V * kThreads) {
        const Pack<T, V> p = load_pack<V>(prediction + image * size + i), t = load_pack<V>(target + image * size + i);
        for (int k = 0; k < V; ++k) {
            const float difference = to_float(p.at[k]) - to_float(t.at[k]);
            sum += difference * difference;
        }
    }
    sum = block_sum(sum, shared_memory<Shared>().partial);
    if (threadIdx.x == 0) partials[blockIdx.x] = weight_of(weight, image) * sum;
}

// One block.
__global__ void __launch_bounds__(kThreads) mse_sum_kernel(const float* partials, std::int64_t count, float scale, float* loss) {
    float sum = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += partials[i];
    sum = block_sum(sum, shared_memory<Shared>().partial);
    if (threadIdx.x == 0) *loss = scale * sum;
}

// scale: 2 / elements. A thread has V elements of the `count` of all images.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    mse_backward_kernel(const T* prediction, const T* target, const T* weight, const float* dloss, float scale, std::int64_t size,
                        std::int64_t count, T* dprediction, bool add) {
    const std::int64_t i = V * global_thread();
    if (i >= count) return;
    const float slope = scale * *dloss * weight_of(weight, i / size);
    const Pack<T, V> p = load_pack<V>(prediction + i), t = load_pack<V>(target + i);
    Pack<T, V> gradient = add ? load_pack<V>(dprediction + i) : Pack<T, V>{};
    for (int k = 0; k < V; ++k) {
        const float value = slope * (to_float(p.at[k]) - to_float(t.at[k]));
        gradient.at[k] = from_float<T>(add ? to_float(gradient.at[k]) + value : value);
    }
    store_pack(dprediction + i, gradient);
}

// (N, …) as (N, elements of an image).
Tensor as_rows(const Tensor& x) { return x.detach().reshape({x.size(0), x.elements() / x.size(0)}); }

}    // namespace

void mse_forward(const Tensor& prediction, const Tensor& target, const Tensor& weight, Tensor& loss) {
    const std::int64_t images = prediction.size(0), size = prediction.elements() / images, shares = (size + kShare - 1) / kShare;
    Tensor partials = empty({images * shares}, DType::f32, prediction.device());
    with_packs("mse", {as_rows(prediction), as_rows(target)}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        launch<mse_partial_kernel<T, V>>(
            {.grid = {blocks_for(images * shares, 1)}, .block = {kThreads}, .shared_bytes = sizeof(Shared)}, prediction.data<T>(),
            target.data<T>(), weight.defined() ? weight.data<T>() : nullptr, size, shares, partials.data<float>());
    });
    launch<mse_sum_kernel>({.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Shared)}, partials.data<float>(),
                           images * shares, static_cast<float>(1 / static_cast<double>(prediction.elements())),
                           loss.data<float>());
}

void mse_backward(const Tensor& prediction, const Tensor& target, const Tensor& weight, const Tensor& dloss, Into dprediction) {
    const std::int64_t count = prediction.elements(), size = count / prediction.size(0);
    const std::initializer_list<Tensor> tensors{as_rows(prediction), as_rows(target), as_rows(dprediction.tensor)};
    with_packs("mse", tensors, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        launch<mse_backward_kernel<T, V>>(one_thread_each(count / V, kThreads), prediction.data<T>(), target.data<T>(),
                                          weight.defined() ? weight.data<T>() : nullptr, dloss.data<float>(),
                                          static_cast<float>(2 / static_cast<double>(count)), size, count,
                                          dprediction.tensor.data<T>(), dprediction.add);
    });
}

}    // namespace lull::cuda
