#include "tests/support/op_case.h"
#include "tests/support/files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <random>

#include "engine/autograd.h"
#ifdef LULL_CUDA_HOST
#include "engine/cuda/host/block.h"
#endif
#include "engine/cuda/runtime.h"
#include "engine/io/safetensors.h"
#include "engine/ops/copy/copy.h"
#include "engine/threads.h"

namespace lull::test {

double relative_error(const Tensor& got, const Tensor& wanted) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (!got.defined() || got.shape() != wanted.shape()) return kInfinity;
    const auto a = got.values(), b = wanted.values();
    double error = 0, scale = 1e-3;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::isnan(a[i]) || std::isnan(b[i])) return kInfinity;
        error = std::max(error, std::abs(a[i] - b[i]));
        scale = std::max(scale, std::abs(b[i]));
    }
    return error / scale;
}

bool same_bits(const Tensor& a, const Tensor& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    const Tensor left = a.to(Device::cpu).contiguous(), right = b.to(Device::cpu).contiguous();
    return std::memcmp(left.raw(), right.raw(), static_cast<std::size_t>(left.elements() * size_of(left.dtype()))) == 0;
}

Tensor uniform_values(const Shape& shape, double low, double high, unsigned number, DType dtype) {
    std::mt19937_64 random(number);
    std::vector<double> values(static_cast<std::size_t>(shape.elements()));
    for (double& value : values) value = low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
    return from_values(values, shape, DType::f32).to(dtype);    // through f32: the same values in both types
}

std::vector<Golden> golden(const std::string& name) {
    static const SafetensorsFile file = load_safetensors(source_dir() / "tests/golden/ops.safetensors");
    const auto find = [](const std::string& key) {
        const auto at = file.tensors.find(key);
        return at == file.tensors.end() ? Tensor() : at->second;
    };
    std::vector<Golden> cases;
    for (int number = 0;; ++number) {
        const std::string prefix = name + "/" + std::to_string(number) + "/";
        Golden one{.inputs = {}, .out = find(prefix + "out"), .grad_out = find(prefix + "grad_out"), .grads = {}};
        if (!one.out.defined()) break;
        for (int i = 0;; ++i) {
            const Tensor input = find(prefix + "in" + std::to_string(i));
            if (!input.defined()) break;
            one.inputs.push_back(input);
            const Tensor grad = find(prefix + "grad" + std::to_string(i));
            if (grad.defined()) one.grads[i] = grad;
        }
        cases.push_back(one);
    }
    check(!cases.empty(), "golden", "no case named ", name);
    return cases;
}

namespace {

// Ends a computation in a scalar whose gradient with respect to each y is g, so that no other operation is involved.
struct EndBackward {
    Tensor g;
    int count;
    void backward(const Tensor&, Gradients& grad) {
        for (int i = 0; i < count; ++i) grad.give(i, g);
    }
};

// A tensor amid a larger buffer of NaN: what is written beside it, and what is not written in it, shows. shift: elements that it
// lies behind where memory is aligned.
struct Guarded {
    static constexpr std::int64_t kZone = 64;    // elements on each side
    std::int64_t before;
    Tensor buffer, tensor;

    Guarded(const Shape& shape, DType dtype, Device device, std::int64_t shift) : before(kZone + shift) {
        const Tensor nan = empty({before + shape.elements() + kZone}, dtype);
        std::memset(nan.raw(), 0xFF, nan.storage()->bytes());
        buffer = nan.to(device);
        tensor = buffer.slice(0, before, before + shape.elements()).reshape(shape);
    }
    bool intact() const {
        const auto untouched = [](std::byte b) { return b == std::byte{0xFF}; };
        const Tensor seen = buffer.to(Device::cpu);
        const std::byte* end = seen.raw() + seen.storage()->bytes();
        return std::all_of(seen.raw(), seen.raw() + before * size_of(buffer.dtype()), untouched) &&
               std::all_of(end - kZone * size_of(buffer.dtype()), end, untouched);
    }
};

// The same values in a contiguous view that begins one element behind where memory is aligned.
Tensor shifted(const Tensor& x) {
    const Tensor room = zeros({1 + x.elements()}, x.dtype(), x.device());
    Tensor view = room.slice(0, 1, 1 + x.elements()).reshape(x.shape());
    copy(x, view);
    return view;
}

// The number of threads, while one lives.
struct Threads {
    explicit Threads(int count) : before(thread_count()) { set_thread_count(count); }
    ~Threads() { set_thread_count(before); }
    int before;
};

struct Result {
    Tensor y;
    std::vector<Tensor> grads;    // undefined for data
};

using Op = std::function<Tensor(const Inputs&)>;
using Flags = std::vector<bool>;

// op and its gradients, from grad_out, `times` times over: the gradients of all add up in the same leaves, which lie `shift`
// elements behind where memory is aligned.
Result evaluate(const Op& op, const Inputs& inputs, const Flags& differentiable, const Tensor& grad_out, int times = 1,
                std::int64_t shift = 0) {
    Inputs leaves = inputs;
    std::vector<std::optional<Guarded>> guarded(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!differentiable[i]) continue;
        guarded[i].emplace(inputs[i].shape(), inputs[i].dtype(), inputs[i].device(), shift);
        leaves[i] = make_leaf(inputs[i], guarded[i]->tensor);
    }
    std::vector<Tensor> outputs;
    for (int i = 0; i < times; ++i) outputs.push_back(op(leaves));
    const Tensor grad_before = grad_out.clone();
    Result result{outputs[0].detach(), std::vector<Tensor>(inputs.size())};
    if (outputs[0].has_gradient()) {
        const Tensor given = grad_out.to(outputs[0].dtype()).to(outputs[0].device());    // losses of bf16 tensors are f32
        auto node = std::make_shared<OperationNode<EndBackward>>(EndBackward{given, times});
        connect(scalar(0, given.dtype(), given.device()), outputs, std::move(node)).backward();
    }
    CHECK(same_bits(grad_out, grad_before));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!differentiable[i]) continue;
        CHECK(guarded[i]->intact());
        CHECK(gradient_written(leaves[i]));
        result.grads[i] = guarded[i]->tensor;
    }
    return result;
}

void check_close(const Result& got, const Result& wanted, double tolerance) {
    CHECK(relative_error(got.y, wanted.y) <= tolerance);
    for (std::size_t i = 0; i < wanted.grads.size(); ++i) {
        CAPTURE(i);
        if (wanted.grads[i].defined()) CHECK(relative_error(got.grads[i], wanted.grads[i]) <= tolerance);
    }
}

void check_same(const Result& a, const Result& b) {
    CHECK(same_bits(a.y, b.y));
    for (std::size_t i = 0; i < a.grads.size(); ++i) {
        CAPTURE(i);
        if (a.grads[i].defined()) CHECK(same_bits(a.grads[i], b.grads[i]));
    }
}

// One case: an operation, its inputs in f64 (values that f32 has, too), and a gradient for its output.
struct Case {
    const Op& op;
    const OpCaseOptions& options;
    Inputs inputs;
    Flags differentiable;
    Tensor grad_out;

    Inputs in(DType dtype) const {
        Inputs result;
        for (const Tensor& x : inputs) result.push_back(x.is_floating() ? x.to(dtype) : x);
        return result;
    }
    Result run(DType dtype, int times = 1) const { return evaluate(op, in(dtype), differentiable, grad_out.to(dtype), times); }
};

// Σ grad_out (op(x + h d) - op(x - h d)) / 2h for a change d of input i. Truncation is of order h², rounding of 1e-16 / h.
double central_difference(const Case& c, std::size_t i, const std::vector<double>& direction) {
    constexpr double h = 1e-5;
    const auto moved = [&](double step) {
        const NoGrad no_grad;
        auto x = c.inputs[i].values();
        for (std::size_t k = 0; k < x.size(); ++k) x[k] += step * direction[k];
        Inputs inputs = c.inputs;
        inputs[i] = from_values(x, c.inputs[i].shape(), DType::f64);
        return c.op(inputs).values();
    };
    const auto after = moved(h), before = moved(-h), grad_out = c.grad_out.values();
    double sum = 0;
    for (std::size_t k = 0; k < after.size(); ++k) sum += grad_out[k] * (after[k] - before[k]);
    return sum / (2 * h);
}

void check_gradients(const Case& c, const Result& f64) {
    constexpr std::size_t kMost = 16;    // elements looked at one by one
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
        if (!c.differentiable[i]) continue;
        CAPTURE(i);
        const auto grad = f64.grads[i].values();
        const std::size_t step = std::max<std::size_t>(1, grad.size() / kMost);
        double largest = 1e-3, worst = 0;
        for (const double g : grad) largest = std::max(largest, std::abs(g));
        std::vector<double> direction(grad.size());
        for (std::size_t k = 0; k < grad.size(); k += step) {
            direction[k] = 1;
            const double error = std::abs(central_difference(c, i, direction) - grad[k]) / largest;
            worst = error <= worst ? worst : error;    // a NaN wins, and stays
            direction[k] = 0;
        }
        CHECK(worst <= c.options.gradient_tolerance);

        direction = uniform_values(c.inputs[i].shape(), -1, 1, 77).values();
        const double slope = std::inner_product(grad.begin(), grad.end(), direction.begin(), 0.0);
        const double length = std::sqrt(std::inner_product(grad.begin(), grad.end(), grad.begin(), 1e-6));
        CHECK(std::abs(central_difference(c, i, direction) - slope) / length <= c.options.gradient_tolerance);
    }
}

// Gradients of twice the computation are twice the gradients; those of a tensor that is two inputs are the sum of both.
// 1e-12: a few roundings in f64.
void check_accumulation(const Case& c, const Result& f64, const Result& f32) {
    const auto doubled = [](Result result) {
        for (Tensor& grad : result.grads) {
            if (!grad.defined()) continue;
            auto values = grad.values();
            for (double& value : values) value *= 2;
            grad = from_values(values, grad.shape(), grad.dtype());
        }
        return result;
    };
    check_close(c.run(DType::f64, 2), doubled(f64), 1e-12);
    check_close(c.run(DType::f32, 2), doubled(f32), c.options.tolerance);

    for (std::size_t i = 0; i + 1 < c.inputs.size(); ++i) {
        const std::size_t j = i + 1;
        if (!c.differentiable[i] || !c.differentiable[j] || c.inputs[i].shape() != c.inputs[j].shape()) continue;
        Case apart = c;
        apart.inputs[j] = apart.inputs[i];
        const Result separate = apart.run(DType::f64);
        Flags once = c.differentiable;
        once[j] = false;
        const auto shared = [&](const Inputs& inputs) {
            Inputs both = inputs;
            both[j] = both[i];
            return c.op(both);
        };
        const Result together = evaluate(shared, apart.inputs, once, c.grad_out, 1);
        auto sum = separate.grads[i].values();
        const auto other = separate.grads[j].values();
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += other[k];
        CHECK(relative_error(together.grads[i], from_values(sum, c.inputs[i].shape(), DType::f64)) <= 1e-12);
    }
}

// In bf16 an operation computes in f32 and rounds what it gives: as near to f64 on the same rounded inputs as that.
void check_bf16(const Case& c) {
    const auto rounded = [](const Tensor& x) { return x.is_floating() ? x.to(DType::bf16).to(DType::f64) : x; };
    Case exact = c;
    std::transform(c.inputs.begin(), c.inputs.end(), exact.inputs.begin(), rounded);
    exact.grad_out = rounded(c.grad_out);
    check_close(c.run(DType::bf16), exact.run(DType::f64), c.options.bf16_tolerance);
    check_close(c.run(DType::bf16, 2), exact.run(DType::f64, 2), 2 * c.options.bf16_tolerance);    // the sum is rounded, too
}

void check_threads(const Case& c, const Result& f32) {
    for (const int threads : {2, 3}) {
        CAPTURE(threads);
        const Threads set(threads);
        check_same(c.run(DType::f32), f32);
    }
}

// The same values in a view with gaps, and in one whose last two axes are stored the other way round.
void check_strided(const Case& c, const Result& f32) {
    Inputs gaps = c.in(DType::f32), turned = gaps;
    for (Tensor& x : gaps) {
        if (!x.is_floating()) continue;
        Shape strides = x.strides();
        for (int axis = 0; axis < x.rank(); ++axis) strides[axis] *= 2;
        Tensor view = full({2 * x.elements() + 1}, std::nan(""), x.dtype()).view(x.shape(), strides, 1);
        copy(x, view);
        x = view;
    }
    for (Tensor& x : turned) {
        if (x.rank() >= 2) x = x.transpose(-1, -2).clone().transpose(-1, -2);
    }
    const Tensor grad_out = c.grad_out.to(DType::f32);
    check_same(evaluate(c.op, gaps, c.differentiable, grad_out), f32);
    check_same(evaluate(c.op, turned, c.differentiable, grad_out), f32);
}

#ifdef LULL_KERNELS_UNDER_TSAN
constexpr bool kKernelsUnderTsan = true;
#else
constexpr bool kKernelsUnderTsan = false;
#endif

// Inputs that are contiguous, turned, and at any address, against f64 on the CPU.
void check_cuda(const Case& c) {
    const Device cuda = Device::cuda;
    for (const DType dtype : {DType::f32, DType::bf16}) {
        CAPTURE(dtype);
        const auto rounded = [&](const Tensor& x) { return x.is_floating() ? x.to(dtype).to(DType::f64) : x; };
        Case exact = c;
        std::transform(c.inputs.begin(), c.inputs.end(), exact.inputs.begin(), rounded);
        exact.grad_out = rounded(c.grad_out);
        const Result f64 = exact.run(DType::f64), twice = exact.run(DType::f64, 2);

        Inputs inputs = c.in(dtype);
        for (Tensor& x : inputs) x = x.to(cuda);
        const Tensor grad_out = c.grad_out.to(dtype).to(cuda);
        const double tolerance = dtype == DType::f32 ? c.options.tolerance : c.options.bf16_tolerance;
        const Result once = evaluate(c.op, inputs, c.differentiable, grad_out);
        check_close(once, f64, tolerance);
        if (kKernelsUnderTsan) continue;    // it has seen all that it can
        check_close(evaluate(c.op, inputs, c.differentiable, grad_out, 2), twice,
                    dtype == DType::f32 ? tolerance : 2 * tolerance);
#ifdef LULL_CUDA_HOST
        cuda::host::set_shared_fill(0xFF);    // NaN
        check_same(evaluate(c.op, inputs, c.differentiable, grad_out), once);
        cuda::host::set_shared_fill(0x7F);
#else
        check_same(evaluate(c.op, inputs, c.differentiable, grad_out), once);
#endif
        Inputs turned = inputs;
        for (Tensor& x : turned) {
            if (x.rank() >= 2) x = x.transpose(-1, -2).clone().transpose(-1, -2);
        }
        check_same(evaluate(c.op, turned, c.differentiable, grad_out), once);

        // From and to addresses that are no multiples of 16, where kernels may add in another order.
        for (Tensor& x : inputs) x = shifted(x);
        check_close(evaluate(c.op, inputs, c.differentiable, shifted(grad_out), 2, 1), twice,
                    dtype == DType::f32 ? tolerance : 2 * tolerance);
    }
}

// What an image gives alone is what it gives among others.
void check_images(const Case& c, const Result& f32) {
    const auto& batched = c.options.per_image;
    if (batched.empty()) return;
    const auto is_batched = [&](std::size_t i) { return std::count(batched.begin(), batched.end(), static_cast<int>(i)) > 0; };
    const std::int64_t images = f32.y.size(0);
    for (const std::int64_t n : {std::int64_t{0}, images - 1}) {
        CAPTURE(n);
        const auto image = [n](const Tensor& x) { return x.slice(0, n, n + 1); };
        Inputs inputs = c.in(DType::f32);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (is_batched(i)) inputs[i] = image(inputs[i]).contiguous();
        }
        const Result alone = evaluate(c.op, inputs, c.differentiable, image(c.grad_out.to(DType::f32)).contiguous());
        CHECK(same_bits(alone.y, image(f32.y)));
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (is_batched(i) && c.differentiable[i]) CHECK(same_bits(alone.grads[i], image(f32.grads[i])));
        }
    }
}

void check_golden(const OpCases& cases) {
    const auto goldens = golden(cases.options.golden);
    for (std::size_t number = 0; number < goldens.size(); ++number) {
        CAPTURE(number);
        const Golden& known = goldens[number];
        Case c{cases.op, cases.options, known.inputs, Flags(known.inputs.size()), known.grad_out};
        Result wanted{known.out, std::vector<Tensor>(known.inputs.size())};
        for (const auto& [i, grad] : known.grads) {
            const auto at = static_cast<std::size_t>(i);
            c.differentiable[at] = true;
            wanted.grads[at] = grad;
        }
        check_close(c.run(DType::f64), wanted, cases.options.golden_tolerance);
        check_close(c.run(DType::f32), wanted, cases.options.tolerance);
    }
}

Case make_case(const OpCases& cases, std::size_t number) {
    const OpCaseOptions& options = cases.options;
    const auto& shapes = options.shapes[number];
    Case c{cases.op, options, {}, Flags(shapes.size(), true), {}};
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const auto seed = static_cast<unsigned>(100 * number + i);
        c.inputs.push_back(uniform_values(shapes[i], options.low, options.high, seed, DType::f64));
    }
    for (const int i : options.no_gradient) c.differentiable[static_cast<std::size_t>(i)] = false;
    const NoGrad no_grad;
    c.grad_out = uniform_values(c.op(c.inputs).shape(), -1, 1, 999, DType::f64);
    return c;
}

}    // namespace

namespace {
int shapes_run = 0;
}
int cases_run() { return shapes_run; }

void run(const OpCases& cases) {
    const std::string& name = cases.name;
    CAPTURE(name);
    const arena::Guard guard;
    const Threads one(1);    // all but check_threads: test programs run beside each other
    for (std::size_t number = 0; number < cases.options.shapes.size(); ++number) {
        CAPTURE(number);
        ++shapes_run;
        const Case c = make_case(cases, number);
        if (cuda::available()) {
            check_cuda(c);
            continue;
        }
        const Result f64 = c.run(DType::f64), f32 = c.run(DType::f32);
        if (cases.options.gradient_check) check_gradients(c, f64);
        check_close(f32, f64, cases.options.tolerance);
        check_bf16(c);
        check_accumulation(c, f64, f32);
        check_threads(c, f32);
        check_strided(c, f32);
        check_images(c, f32);
    }
    if (!cases.options.golden.empty() && !cuda::available()) check_golden(cases);
    CHECK(guard.overruns() == 0);
}

}    // namespace lull::test
