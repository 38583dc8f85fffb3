#include "nn/parameters.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/ops/copy/copy.h"

namespace lull {

namespace {

// Slices start where a cache line does in bf16 as in f32, so that copies of another type share the offsets.
constexpr std::int64_t kSliceAlignment = 64;

std::int64_t aligned(std::int64_t elements) { return (elements + kSliceAlignment - 1) / kSliceAlignment * kSliceAlignment; }

}    // namespace

void Parameters::adopt(std::vector<Slot> parameters, std::vector<Slot> buffers, Device device) {
    for (const auto* slots : {&parameters, &buffers}) {
        for (const Slot& slot : *slots) {
            check(slot.tensor->dtype() == DType::f32, "parameters", "expected ", slot.name, " in f32, got ", *slot.tensor);
        }
    }
    const auto without_decay =
        std::stable_partition(parameters.begin(), parameters.end(), [](const Slot& slot) { return slot.tensor->rank() >= 2; });

    std::int64_t length = 0;
    const auto place = [&length](std::vector<Parameter>& list, const Slot& slot) {
        list.push_back({slot.name, *slot.tensor, length});
        length += aligned(slot.tensor->elements());
    };
    for (auto slot = parameters.begin(); slot != parameters.end(); ++slot) {
        if (slot == without_decay) decayed_ = length;
        place(list_, *slot);
        count_ += slot->tensor->elements();
    }
    if (without_decay == parameters.end()) decayed_ = length;
    learned_ = length;
    for (const Slot& slot : buffers) place(buffers_, slot);

    for (Tensor* const array : {&weights, &gradients, &first_moment, &second_moment})
        *array = zeros({length}, DType::f32, device);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Tensor data = slice(weights, list_[i]);
        copy(*parameters[i].tensor, data);
        *parameters[i].tensor = list_[i].tensor = make_leaf(data, slice(gradients, list_[i]));
    }
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        const Tensor data = slice(weights, buffers_[i]);
        copy(*buffers[i].tensor, data);
        *buffers[i].tensor = buffers_[i].tensor = data;
    }
    ema = weights.clone();
}

void Parameters::begin_step() {
    for (const Parameter& parameter : list_) lull::begin_step(parameter.tensor);
}

void Parameters::finish_step() {
    for (const Parameter& parameter : list_) {
        if (!gradient_written(parameter.tensor)) fill(slice(gradients, parameter), 0);
    }
}

const Parameter& Parameters::operator[](std::string_view name) const {
    for (const auto* list : {&list_, &buffers_}) {
        const auto found = std::find_if(list->begin(), list->end(), [&](const Parameter& p) { return p.name == name; });
        if (found != list->end()) return *found;
    }
    fail("parameters", "there is no parameter '", name, "'");
}

Tensor Parameters::slice(const Tensor& array, const Parameter& parameter) {
    const Shape& shape = parameter.tensor.shape();
    return array.view(shape, contiguous_strides(shape), array.offset() + parameter.offset);
}

Tensor Parameters::copy_buffers() const { return weights.slice(0, learned_, weights.elements()).clone(); }

void Parameters::restore_buffers(const Tensor& saved) { copy(saved, weights.slice(0, learned_, weights.elements())); }

}    // namespace lull
