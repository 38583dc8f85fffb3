#include "engine/ops/bf16.h"

#include "engine/autograd.h"
#include "engine/derived.h"

namespace lull {

Tensor wide_weight(const Tensor& weight) {
    if (!is_bf16(weight) || recording() || !weight.is_contiguous()) return wide(weight);
    Storage::Key key{static_cast<std::int64_t>(Derived::wide), weight.offset()};
    for (int axis = 0; axis < weight.rank(); ++axis) key.push_back(weight.size(axis));
    return *weight.storage()->derived<Tensor>(key, [&] { return std::make_shared<Tensor>(wide(weight)); });
}

}    // namespace lull
