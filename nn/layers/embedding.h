// Table of learned vectors.
#pragma once

#include "engine/ops/embedding/embedding.h"
#include "nn/module.h"

namespace lull {

// index: (…) of i32 or i64 in [0, rows) → (…, width). The table is zero until initialised (nn/init.h).
struct Embedding {
    Tensor weight;    // (rows, width)

    Embedding() = default;
    Embedding(int rows, int width) : weight(zeros({rows, width})) {}

    Tensor operator()(const Tensor& index) const { return embedding(weight, index); }

    template <class V>
    void visit(V& v) {
        v("weight", weight);
    }
};

}    // namespace lull
