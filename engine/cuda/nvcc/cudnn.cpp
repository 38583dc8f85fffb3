// One convolution as a cuDNN graph of one operation, by its C interface ("backend"): descriptors whose attributes are set one by
// one, then finalized. cuDNN's heuristics propose engines in the order of their expected speed; the first that is deterministic
// and exact enough, and that makes a plan, is taken, and the plan is kept for the next convolution of these sizes.
#include <cudnn.h>
#include <cudnn_backend.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/cuda/library_conv.h"
#include "engine/cuda/nvcc/runtime.h"

namespace lull::cuda {

namespace {

void check_cudnn(cudnnStatus_t status) {
    check(status == CUDNN_STATUS_SUCCESS, "conv2d", "cuDNN: ", cudnnGetErrorString(status));
}

class Descriptor {
  public:
    explicit Descriptor(cudnnBackendDescriptorType_t type) { check_cudnn(cudnnBackendCreateDescriptor(type, &made_)); }
    ~Descriptor() {
        if (made_) cudnnBackendDestroyDescriptor(made_);
    }
    Descriptor(Descriptor&& other) noexcept : made_(std::exchange(other.made_, nullptr)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(made_, other.made_);
        return *this;
    }

    template <class T>
    Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T* values, std::size_t count) {
        check_cudnn(cudnnBackendSetAttribute(made_, name, type, static_cast<std::int64_t>(count), values));
        return *this;
    }
    template <class T>
    Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
        return set(name, type, &value, 1);
    }
    Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.made_);
    }
    cudnnStatus_t try_to_finalize() { return cudnnBackendFinalize(made_); }
    Descriptor&& finalize() {
        check_cudnn(try_to_finalize());
        return std::move(*this);
    }
    cudnnBackendDescriptor_t get() const { return made_; }

  private:
    cudnnBackendDescriptor_t made_ = nullptr;
};

cudnnHandle_t handle() {
    static const cudnnHandle_t made = [] {    // lives as long as the process
        cudnnHandle_t result = nullptr;
        check_cudnn(cudnnCreate(&result));
        check_cudnn(cudnnSetStream(result, stream()));
        return result;
    }();
    return made;
}

constexpr std::array<std::int64_t, 3> kIds{'x', 'w', 'y'};    // of the tensors in a graph

// (N, H, W, C) in memory; cuDNN names the axes in the order N, C, H, W.
Descriptor tensor(std::int64_t id, const Tensor& t) {
    const std::int64_t H = t.size(1), W = t.size(2), C = t.size(3);
    const std::array extents{t.size(0), C, H, W}, strides{H * W * C, std::int64_t{1}, W * C, C};
    Descriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    return made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, t.dtype() == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.data(), extents.size())
        .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), strides.size())
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16})
        .finalize();
}

Descriptor convolution(const Conv2dOptions& options) {
    const std::array<std::int64_t, 2> padding{options.padding, options.padding}, stride{options.stride, options.stride},
        dilation{1, 1};
    Descriptor made(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    return made.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2})
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, padding.data(), padding.size())
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, padding.data(), padding.size())
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, stride.data(), stride.size())
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, dilation.data(), dilation.size())
        .finalize();
}

// A pass's operation and the names of its attributes.
struct Operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};
constexpr Operation kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Operation kData{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Operation kFilters{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

Descriptor graph(ConvPass pass, const Tensor& x, const Tensor& w, const Tensor& y, const Conv2dOptions& options) {
    const Operation& names = pass == ConvPass::forward ? kForward : pass == ConvPass::data ? kData : kFilters;
    Descriptor made(names.type);
    const Descriptor operation = made.set(names.convolution, convolution(options))
                                     .set(names.x, tensor(kIds[0], x))
                                     .set(names.w, tensor(kIds[1], w))
                                     .set(names.y, tensor(kIds[2], y))
                                     .set(names.alpha, CUDNN_TYPE_FLOAT, 1.0f)
                                     .set(names.beta, CUDNN_TYPE_FLOAT, 0.0f)
                                     .finalize();
    Descriptor result(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    return result.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle())
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation)
        .finalize();
}

// The engines that a heuristic proposes, each with its settings.
std::vector<Descriptor> proposals(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
    Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (heuristic.try_to_finalize() != CUDNN_STATUS_SUCCESS) return {};
    std::int64_t count = 0;
    check_cudnn(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count,
                                         nullptr));
    std::vector<Descriptor> results;
    std::vector<cudnnBackendDescriptor_t> places;
    for (std::int64_t i = 0; i < count; ++i) {
        results.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        places.push_back(results.back().get());
    }
    check_cudnn(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                                         &count, places.data()));
    results.erase(results.begin() + count, results.end());
    return results;
}

// Whether an engine gives the same bits from run to run, in f32 sums, and of f32 multiplies f32 and not TF32.
bool is_exact(const Descriptor& proposal, DType dtype) {
    const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t place = engine.get();
    std::int64_t count = 0;
    check_cudnn(
        cudnnBackendGetAttribute(proposal.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &place));
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    check_cudnn(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                         static_cast<std::int64_t>(notes.size()), &count, notes.data()));
    return std::none_of(notes.begin(), notes.begin() + count, [&](cudnnBackendNumericalNote_t note) {
        if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
            return true;
        return dtype == DType::f32 &&
               (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
    });
}

struct Plan {
    Descriptor descriptor;
    std::int64_t workspace = 0;
};

constexpr std::int64_t kMostWorkspace = std::int64_t{256} << 20;    // bytes; faster engines that want more are passed over

std::optional<Plan> make_plan(ConvPass pass, const Tensor& x, const Tensor& w, const Tensor& y, const Conv2dOptions& options) {
    const Descriptor whole = graph(pass, x, w, y, options);
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        for (const Descriptor& proposal : proposals(whole, mode)) {
            if (!is_exact(proposal, x.dtype())) continue;
            Plan plan{.descriptor = Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
            plan.descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle())
                .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal);
            if (plan.descriptor.try_to_finalize() != CUDNN_STATUS_SUCCESS) continue;    // an engine may refuse a device or a size
            std::int64_t count = 0;
            check_cudnn(cudnnBackendGetAttribute(plan.descriptor.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                 CUDNN_TYPE_INT64, 1, &count, &plan.workspace));
            if (plan.workspace <= kMostWorkspace) return plan;
        }
    }
    return std::nullopt;
}

// None where there is no engine, and that is kept, too.
const std::optional<Plan>& plan_for(ConvPass pass, const Tensor& x, const Tensor& w, const Tensor& y,
                                    const Conv2dOptions& options) {
    using Plans = std::map<std::vector<std::int64_t>, std::optional<Plan>>;
    static auto& plans = *new Plans;    // at the program's end cuDNN may be gone already
    std::vector<std::int64_t> key{static_cast<std::int64_t>(pass), static_cast<std::int64_t>(x.dtype()), options.stride,
                                  options.padding};
    for (const Tensor& t : {x, w, y})
        for (int axis = 0; axis < 4; ++axis) key.push_back(t.size(axis));
    const auto known = plans.find(key);
    return known != plans.end() ? known->second : plans.emplace(key, make_plan(pass, x, w, y, options)).first->second;
}

}    // namespace

bool has_library_conv() { return true; }

bool library_convolve(ConvPass pass, const Tensor& x, const Tensor& w, const Tensor& y, const Conv2dOptions& options) {
    for (const Tensor& t : {x, w, y})
        if (reinterpret_cast<std::uintptr_t>(t.raw()) % 16 != 0) return false;    // as the descriptors promise
    const std::optional<Plan>& plan = plan_for(pass, x, w, y, options);
    if (!plan) return false;
    const Tensor workspace = empty({plan->workspace}, DType::u8, Device::cuda);
    const std::array<void*, 3> data{x.raw(), w.raw(), y.raw()};
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    const Descriptor arguments =
        pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data.data(), data.size())
            .set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, kIds.data(), kIds.size())
            .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, static_cast<void*>(workspace.raw()))
            .finalize();
    check_cudnn(cudnnBackendExecute(handle(), plan->descriptor.get(), arguments.get()));
    return true;
}

}    // namespace lull::cuda
