"""Golden values of lull's operations: inputs, output and gradients from PyTorch in float64.

Keys of ops.safetensors: NAME/CASE/in0, in1, …, out, grad_out, and grad0, grad1, … for the inputs that have a
gradient. Everything is float64 (indices int64) in lull's layouts: images (N, H, W, C), filters (O, kh, kw, C).

    python tests/golden/ops.py [--outdir tests/golden]
"""

import argparse
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

random = torch.Generator().manual_seed(20240214)
golden: dict[str, torch.Tensor] = {}
case_count: dict[str, int] = {}


def normal(*shape):
    return torch.randn(shape, generator=random, dtype=torch.float64)


def uniform(*shape, low, high):
    return low + (high - low) * torch.rand(shape, generator=random, dtype=torch.float64)


def case(name, op, *inputs, no_gradient=()):
    """Runs op on the inputs, and backward from a random output gradient, and keeps all of it as the next case."""
    index = case_count.get(name, 0)
    case_count[name] = index + 1
    differentiable = [i for i, x in enumerate(inputs) if x.is_floating_point() and i not in no_gradient]
    leaves = [x.clone().requires_grad_(i in differentiable) for i, x in enumerate(inputs)]
    out = op(*leaves)
    grad_out = normal(*out.shape)
    gradients = torch.autograd.grad(out, [leaves[i] for i in differentiable], grad_out)
    tensors = {f"in{i}": x for i, x in enumerate(inputs)}
    tensors |= {"out": out.detach(), "grad_out": grad_out}
    tensors |= {f"grad{i}": g for i, g in zip(differentiable, gradients)}
    for key, x in tensors.items():
        golden[f"{name}/{index}/{key}"] = x.clone(memory_format=torch.contiguous_format)


# lull's layouts around PyTorch's functions.

def nchw(x):
    return x.movedim(-1, 1)


def nhwc(x):
    return x.movedim(1, -1)


def conv2d(x, weight, bias, stride=1, padding=0):
    return nhwc(F.conv2d(nchw(x), nchw(weight), bias, stride=stride, padding=padding))


def group_norm(x, weight, bias, groups=4, eps=1e-5):
    return nhwc(F.group_norm(nchw(x), groups, weight, bias, eps))


def attention(q, k, v, heads=2):
    def split(x):    # (N, T, C) → (N, heads, T, d)
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    return F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).flatten(2)


def resnet_block(x, skip, emb, norm1_weight, norm1_bias, conv1_weight, conv1_bias, norm2_weight, norm2_bias,
                 conv2_weight, conv2_bias, shortcut_weight=None, shortcut_bias=None):
    x = x if skip is None else torch.cat([x, skip], dim=-1)
    h = conv2d(F.silu(group_norm(x, norm1_weight, norm1_bias)), conv1_weight, conv1_bias, padding=1)
    h = h + emb[:, None, None, :]
    h = conv2d(F.silu(group_norm(h, norm2_weight, norm2_bias)), conv2_weight, conv2_bias, padding=1)
    return h + (x if shortcut_weight is None else conv2d(x, shortcut_weight, shortcut_bias))


def attention_block(x, norm_weight, norm_bias, q_weight, q_bias, k_weight, k_bias, v_weight, v_bias,
                    out_weight, out_bias):
    n = group_norm(x, norm_weight, norm_bias).flatten(1, 2)    # (N, H·W, C)
    a = attention(F.linear(n, q_weight, q_bias), F.linear(n, k_weight, k_bias), F.linear(n, v_weight, v_bias))
    return x + F.linear(a, out_weight, out_bias).reshape(x.shape)


# Cases.

def elementwise():
    broadcasts = [((3, 5), (3, 5)), ((2, 3, 4, 5), (2, 1, 1, 1)), ((2, 3, 4, 5), (1, 1, 1, 5)), ((2, 3, 4, 5), ()),
                  ((), (2, 3, 4, 5)), ((2, 1, 4, 1), (1, 3, 1, 5))]
    for a, b in broadcasts:
        case("add", torch.add, normal(*a), normal(*b))
        case("sub", torch.sub, normal(*a), normal(*b))
        case("mul", torch.mul, normal(*a), normal(*b))
        divisor = uniform(*b, low=0.5, high=2)
        sign = torch.where(torch.rand(divisor.shape, generator=random) < 0.5, -1.0, 1.0)
        case("div", torch.div, normal(*a), sign * divisor)
    for shape in [(1,), (7,), (2, 3, 5, 7)]:
        case("silu", F.silu, 3 * normal(*shape))
        case("sigmoid", torch.sigmoid, 3 * normal(*shape))
        case("tanh", torch.tanh, 2 * normal(*shape))
        case("relu", F.relu, normal(*shape))
        case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), 2 * normal(*shape))
        case("exp", torch.exp, 2 * normal(*shape))
        case("log", torch.log, torch.exp(2 * normal(*shape)))
        case("sqrt", torch.sqrt, torch.exp(2 * normal(*shape)))
        case("sin", torch.sin, 4 * normal(*shape))
        case("cos", torch.cos, 4 * normal(*shape))
        case("square", torch.square, 2 * normal(*shape))
    case("silu", F.silu, torch.tensor([-100.0, -30, -1e-8, 0, 1e-8, 30, 100], dtype=torch.float64))
    case("sigmoid", torch.sigmoid, torch.tensor([-100.0, -30, -1e-8, 0, 1e-8, 30, 100], dtype=torch.float64))


def reductions():
    for shape in [(1, 1), (3, 7), (5, 4, 33)]:
        case("softmax", lambda x: torch.softmax(x, -1), 3 * normal(*shape))
    for shape in [(2, 3, 5, 7), (1, 4, 4, 16), (3, 1, 2, 1)]:
        case("sum_axes", lambda x: x.sum((1, 2, 3), keepdim=True), normal(*shape))
        case("mean_axes", lambda x: x.mean((1, 2, 3), keepdim=True), normal(*shape))
        case("sum_last", lambda x: x.sum(-1, keepdim=True), normal(*shape))
        case("mean_all", torch.mean, normal(*shape))
    for shape in [(2, 4, 4, 3), (3, 5, 1, 2)]:
        # out = mean(w (p - t)²); target and weight are data.
        n = shape[0]
        case("mse", lambda p, t, w: (w * (p - t).square()).mean(), normal(*shape), normal(*shape),
             uniform(n, 1, 1, 1, low=0.1, high=4), no_gradient=(1, 2))


def products():
    for lead, m, k, n in [((), 3, 5, 4), ((2,), 4, 7, 3), ((2, 3), 5, 17, 9), ((1,), 1, 33, 1)]:
        case("matmul", torch.matmul, normal(*lead, m, k), normal(*lead, k, n))
    for lead, k, o in [((3,), 5, 4), ((2, 3, 4), 8, 6), ((5,), 33, 17)]:
        case("linear", F.linear, normal(*lead, k), normal(o, k) / math.sqrt(k), normal(o))
    for k, d, lead in [(5, 4, (3,)), (10, 3, (2, 6)), (7, 16, (1,))]:
        index = torch.randint(k, lead, generator=random)
        case("embedding", lambda table, i: F.embedding(i, table), normal(k, d), index)


def convolutions():
    def add(name, x, o, kernel, stride=1, padding=0):
        c = x[-1]
        case(name, lambda x, w, b: conv2d(x, w, b, stride, padding), normal(*x),
             normal(o, kernel, kernel, c) / math.sqrt(kernel * kernel * c), normal(o))

    for x, o in [((2, 8, 6, 1), 8), ((1, 5, 7, 3), 5), ((2, 6, 4, 16), 16), ((3, 4, 5, 24), 8), ((1, 1, 3, 2), 3)]:
        add("conv2d_k3", x, o, 3, padding=1)
    for x, o in [((2, 8, 6, 4), 4), ((1, 7, 5, 16), 16), ((2, 4, 7, 3), 5)]:
        add("conv2d_k3s2", x, o, 3, stride=2, padding=1)
    for x, o in [((2, 4, 5, 8), 6), ((1, 3, 3, 20), 16), ((2, 1, 1, 1), 4)]:
        add("conv2d_k1", x, o, 1)
    for x, o in [((2, 7, 6, 1), 4), ((1, 5, 5, 8), 8)]:
        add("conv2d_k5", x, o, 5, padding=2)
    for x, o in [((2, 6, 5, 4), 3), ((1, 3, 3, 16), 16)]:
        add("conv2d_k3p0s1", x, o, 3)
    for x, o in [((2, 6, 4, 3), 4), ((1, 8, 8, 8), 16)]:
        add("conv2d_k2s2p0", x, o, 2, stride=2)


def normalisations():
    for shape in [(2, 4, 6, 16), (3, 5, 5, 8), (1, 1, 3, 4), (2, 3, 2, 20)]:
        c = shape[-1]
        case("group_norm", group_norm, 1 + 2 * normal(*shape), 1 + 0.5 * normal(c), normal(c))
        case("group_norm_silu", lambda x, w, b: F.silu(group_norm(x, w, b)), 1 + 2 * normal(*shape),
             1 + 0.5 * normal(c), normal(c))


def images():
    for q, t in [((2, 5, 8), 5), ((1, 16, 16), 16), ((2, 3, 6), 7)]:
        kv = (q[0], t, q[2])
        case("attention", attention, normal(*q), normal(*kv), normal(*kv))
    for shape in [(2, 3, 4, 5), (1, 1, 1, 1), (1, 4, 2, 16)]:
        case("upsample_nearest", lambda x: nhwc(F.interpolate(nchw(x), scale_factor=2, mode="nearest")), normal(*shape))
    for lead, a, b in [((2, 3, 4), 5, 3), ((1, 2, 2), 16, 8), ((3,), 1, 2)]:
        case("concat", lambda *parts: torch.cat(parts, -1), normal(*lead, a), normal(*lead, b))


def affine_pair(c):
    return [1 + 0.5 * normal(c), 0.5 * normal(c)]


def filter_pair(o, kernel, c):
    return [normal(o, kernel, kernel, c) / math.sqrt(kernel * kernel * c), 0.5 * normal(o)]


def blocks():
    def resnet_weights(c, o):
        return affine_pair(c) + filter_pair(o, 3, c) + affine_pair(o) + filter_pair(o, 3, o)

    # x ‖ skip in four groups: in the first two cases a group has channels of both.
    for n, h, w, c1, c2, o in [(2, 4, 6, 20, 12, 16), (1, 5, 3, 6, 10, 8), (2, 4, 4, 8, 8, 8)]:
        case("resnet_block_skip", resnet_block, normal(n, h, w, c1), normal(n, h, w, c2), normal(n, o),
             *resnet_weights(c1 + c2, o), *filter_pair(o, 1, c1 + c2))
    for n, h, w, c in [(2, 4, 5, 16), (1, 3, 3, 8)]:
        case("resnet_block_plain", lambda x, emb, *weights: resnet_block(x, None, emb, *weights), normal(n, h, w, c),
             normal(n, c), *resnet_weights(c, c))
    for n, h, w, c in [(2, 3, 4, 16), (1, 4, 4, 8)]:
        projections = [t for _ in range(4) for t in (normal(c, c) / math.sqrt(c), 0.5 * normal(c))]
        case("attention_block", attention_block, normal(n, h, w, c), *affine_pair(c), *projections)


def classifiers():
    for shape in [(2, 4, 6, 16), (3, 5, 5, 8), (7, 5), (1, 1, 3, 4)]:
        c = shape[-1]
        statistics = [normal(c), 0.5 * normal(c)]    # variance: in4² + 0.5
        case("batch_norm_train", lambda x, w, b: nhwc(F.batch_norm(nchw(x), None, None, w, b, True, eps=0.1)),
             1 + 2 * normal(*shape), 1 + 0.5 * normal(c), normal(c))
        case("batch_norm_eval", lambda x, w, b, m, r: nhwc(F.batch_norm(nchw(x), m, r.square() + 0.5, w, b, False)),
             1 + 2 * normal(*shape), 1 + 0.5 * normal(c), normal(c), *statistics, no_gradient=(3, 4))
    for shape in [(1,), (7,), (2, 3, 5, 7)]:
        case("leaky_relu", lambda x: F.leaky_relu(x, 0.1) - 0.4, normal(*shape))
    windows = {"k2": (2,), "k3s2p1": (3, 2, 1), "k2_ceil": (2, 2, 0, True), "k3s1p1": (3, 1, 1),
               "k3s2p1_ceil": (3, 2, 1, True)}
    for kind, (kernel, *rest) in windows.items():
        stride, padding, ceil = rest + [kernel, 0, False][len(rest):]
        for shape in [(2, 4, 6, 5), (1, 7, 5, 2)]:
            case(f"avg_pool2d_{kind}", lambda x: nhwc(F.avg_pool2d(nchw(x), kernel, stride, padding, ceil)),
                 normal(*shape))
            case(f"max_pool2d_{kind}",
                 lambda x: nhwc(F.max_pool2d(nchw(x), kernel, stride, padding, ceil_mode=ceil)), normal(*shape))
    for shape in [(2, 3, 5, 7), (1, 1, 1, 4)]:
        case("global_avg_pool2d", lambda x: x.mean((1, 2)), normal(*shape))
    for n, k in [(1, 1), (5, 10), (4, 33)]:
        case("cross_entropy", F.cross_entropy, 3 * normal(n, k), torch.randint(k, (n,), generator=random))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    for family in (elementwise, reductions, products, convolutions, normalisations, images, blocks, classifiers):
        family()
    save_file(golden, outdir / "ops.safetensors", metadata={"torch": torch.__version__})
    for name, count in sorted(case_count.items()):
        print(f"{name}: {count} cases")


if __name__ == "__main__":
    main()
