// The functions behind the unary operations, each with its derivative, on vectors.
//
// value(x) is f(x). slope(s) is f', told f's output where saves_output says so (s = y), else its input (s = x).
#pragma once

#include <numbers>

#include "engine/cpu/math.h"
#include "engine/ops/elementwise/kernels.h"

namespace lull::cpu {

template <class V>
V constant(double value) {
    return hn::Set(hn::DFromV<V>(), static_cast<hn::TFromV<V>>(value));
}

struct Reciprocal {    // (1/x)' = -y²
    template <class V>
    static V value(V x) {
        return hn::Div(constant<V>(1), x);
    }
    template <class V>
    static V slope(V y) {
        return hn::Neg(hn::Mul(y, y));
    }
};

struct Square {
    template <class V>
    static V value(V x) {
        return hn::Mul(x, x);
    }
    template <class V>
    static V slope(V x) {
        return hn::Add(x, x);
    }
};

struct Sqrt {    // √x' = 1 / 2y
    template <class V>
    static V value(V x) {
        return hn::Sqrt(x);
    }
    template <class V>
    static V slope(V y) {
        return hn::Div(constant<V>(0.5), y);
    }
};

struct Exp {
    template <class V>
    static V value(V x) {
        return vexp(x);
    }
    template <class V>
    static V slope(V y) {
        return y;
    }
};

struct Log {
    template <class V>
    static V value(V x) {
        return vlog(x);
    }
    template <class V>
    static V slope(V x) {
        return hn::Div(constant<V>(1), x);
    }
};

struct Sin {
    template <class V>
    static V value(V x) {
        V sine, cosine;
        vsincos(x, sine, cosine);
        return sine;
    }
    template <class V>
    static V slope(V x) {
        V sine, cosine;
        vsincos(x, sine, cosine);
        return cosine;
    }
};

struct Cos {
    template <class V>
    static V value(V x) {
        return Sin::slope(x);
    }
    template <class V>
    static V slope(V x) {
        return hn::Neg(Sin::value(x));
    }
};

struct Sigmoid {    // y (1 - y)
    template <class V>
    static V value(V x) {
        return vsigmoid(x);
    }
    template <class V>
    static V slope(V y) {
        return hn::Mul(y, hn::Sub(constant<V>(1), y));
    }
};

struct Silu {
    template <class V>
    static V value(V x) {
        return vsilu(x);
    }
    template <class V>
    static V slope(V x) {
        return vsilu_derivative(x);
    }
};

struct Tanh {    // 1 - y²
    template <class V>
    static V value(V x) {
        return vtanh(x);
    }
    template <class V>
    static V slope(V y) {
        return hn::NegMulAdd(y, y, constant<V>(1));
    }
};

struct Relu {    // a NaN stays one
    template <class V>
    static V value(V x) {
        return hn::IfThenElse(hn::Lt(x, constant<V>(0)), constant<V>(0), x);
    }
    template <class V>
    static V slope(V y) {
        return hn::IfThenElseZero(hn::Gt(y, constant<V>(0)), constant<V>(1));
    }
};

// x (1 + t) / 2 with t = tanh u, u = √(2/π) (x + 0.044715 x³)   ⇒   (1 + t) / 2 + x (1 - t²) u' / 2
struct Gelu {
    static constexpr double kScale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, kCubic = 0.044715;

    template <class V>
    static V t(V x) {
        return vtanh(hn::Mul(hn::Mul(constant<V>(kScale), x), hn::MulAdd(constant<V>(kCubic), hn::Mul(x, x), constant<V>(1))));
    }
    template <class V>
    static V value(V x) {
        return hn::Mul(hn::Mul(constant<V>(0.5), x), hn::Add(constant<V>(1), t(x)));
    }
    template <class V>
    static V slope(V x) {
        const V tanh_u = t(x);
        const V du = hn::MulAdd(constant<V>(3 * kCubic * kScale), hn::Mul(x, x), constant<V>(kScale));
        const V rise = hn::Mul(hn::Mul(x, hn::NegMulAdd(tanh_u, tanh_u, constant<V>(1))), du);
        return hn::Mul(constant<V>(0.5), hn::Add(hn::Add(constant<V>(1), tanh_u), rise));
    }
};

// Calls f(Function{}) with the function that stands behind kind.
template <class F>
void with_function(Unary kind, const F& f) {
    switch (kind) {
        case Unary::reciprocal:
            return f(Reciprocal());
        case Unary::square:
            return f(Square());
        case Unary::sqrt:
            return f(Sqrt());
        case Unary::exp:
            return f(Exp());
        case Unary::log:
            return f(Log());
        case Unary::sin:
            return f(Sin());
        case Unary::cos:
            return f(Cos());
        case Unary::sigmoid:
            return f(Sigmoid());
        case Unary::silu:
            return f(Silu());
        case Unary::tanh:
            return f(Tanh());
        case Unary::relu:
            return f(Relu());
        case Unary::gelu:
            return f(Gelu());
    }
}

}    // namespace lull::cpu
