#include "engine/ops/concat/concat.h"
#include "engine/ops/conv2d/conv2d.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/group_norm/group_norm.h"
#include "engine/ops/resnet_block/resnet_block.h"

namespace lull {

Tensor resnet_block_composed(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& w,
                             const ResnetBlockOptions& options) {
    const GroupNormOptions norm{.groups = options.groups, .eps = options.eps, .activation = Activation::silu};
    const Tensor in = skip.defined() ? concat({x, skip}, 3) : x;
    Tensor h = conv2d(group_norm(in, w.norm1_weight, w.norm1_bias, norm), w.conv1_weight, w.conv1_bias, {.padding = 1});
    if (emb.defined()) h = h + emb.reshape({emb.size(0), 1, 1, emb.size(1)});
    h = conv2d(group_norm(h, w.norm2_weight, w.norm2_bias, norm), w.conv2_weight, w.conv2_bias, {.padding = 1});
    return h + (w.shortcut_weight.defined() ? conv2d(in, w.shortcut_weight, w.shortcut_bias) : in);
}

}    // namespace lull
