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

void Parameters::adopt(std::vector<Slot> slots) {
    for (const Slot& slot : slots) {
        check(slot.tensor->dtype() == DType::f32, "parameters", "expected ", slot.name, " in f32, got ", *slot.tensor);
    }
    const auto without_decay =
        std::stable_partition(slots.begin(), slots.end(), [](const Slot& slot) { return slot.tensor->rank() >= 2; });

    std::int64_t length = 0;
    for (auto slot = slots.begin(); slot != slots.end(); ++slot) {
        if (slot == without_decay) decayed_ = length;
        list_.push_back({slot->name, *slot->tensor, length});
        count_ += slot->tensor->elements();
        length += aligned(slot->tensor->elements());
    }
    if (without_decay == slots.end()) decayed_ = length;

    weights = zeros({length});
    gradients = zeros({length});
    first_moment = zeros({length});
    second_moment = zeros({length});
    for (std::size_t i = 0; i < slots.size(); ++i) {
        const Tensor data = slice(weights, list_[i]);
        copy(*slots[i].tensor, data);
        *slots[i].tensor = list_[i].tensor = make_leaf(data, slice(gradients, list_[i]));
    }
    ema = weights.clone();
}

void Parameters::begin_step() {
    for (const Parameter& parameter : list_) lull::begin_step(parameter.tensor);
}

void Parameters::finish_step() {
    for (const Parameter& parameter : list_) {
        if (!gradient_written(parameter.tensor)) copy(zeros(parameter.tensor.shape()), slice(gradients, parameter));
    }
}

const Parameter& Parameters::operator[](std::string_view name) const {
    const auto found = std::find_if(list_.begin(), list_.end(), [&](const Parameter& p) { return p.name == name; });
    check(found != list_.end(), "parameters", "there is no parameter '", name, "'");
    return *found;
}

Tensor Parameters::slice(const Tensor& buffer, const Parameter& parameter) {
    const Shape& shape = parameter.tensor.shape();
    return buffer.view(shape, contiguous_strides(shape), buffer.offset() + parameter.offset);
}

}    // namespace lull
