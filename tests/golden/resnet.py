"""Golden values of a whole ResNet (the noise-level predictor's architecture, small): forward and every gradient, in training and in evaluation.

resnet.safetensors holds float32 tensors in PyTorch's layouts (images NCHW, filters OIHW), computed in float64: weights/NAME
(the state_dict before, buffers included), x, grad_out, and for MODE train and eval: MODE/out, MODE/grads/PARAMETER and
MODE/grad_x, each for the loss Σ out · grad_out; after/NAME are the buffers after the pass in training. Dropout is 0.

    python tests/golden/resnet.py [--outdir tests/golden]
"""

import argparse
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
import torch.nn.functional as F

torch.manual_seed(20240305)


def act(x):
    return F.leaky_relu(x, 0.1) - 0.4


class Block(nn.Module):
    def __init__(self, c, o, kernel, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, o, kernel, padding=kernel // 2, bias=False)
        self.norm1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, kernel, stride, padding=kernel // 2, bias=False)
        self.norm2 = nn.BatchNorm2d(o)
        if c != o:
            self.shortcut = nn.Conv2d(c, o, 1)
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()

    def forward(self, x):
        h = self.norm2(self.conv2(act(self.norm1(self.conv1(x)))))
        x = self.pool(x)
        return act(h + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class ResNet(nn.Module):
    def __init__(self, channels, outputs, features):
        super().__init__()
        self.stem = Block(1, channels[0], 5, 1)
        self.blocks = nn.ModuleList(Block(c, o, 3, 2) for c, o in zip(channels, channels[1:]))
        self.linear = nn.Linear(features, outputs, bias=False)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.linear(x.movedim(1, -1).flatten(1))    # (h, w, c), as channels-last images flatten


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    # 7 → 4 → 2 and 5 → 3 → 2: odd sizes, which round up; the last block keeps its channels, so it has no shortcut.
    net = ResNet([4, 8, 8], 3, 2 * 2 * 8).double()
    with torch.no_grad():    # values that f32 has, and statistics that are not the initial ones
        for name, t in net.state_dict().items():
            if name.endswith(("norm1.weight", "norm2.weight", "running_var")):
                t.copy_(1 + 0.3 * torch.rand_like(t))
            elif name.endswith(("bias", "running_mean")):
                t.copy_(0.3 * torch.randn_like(t))
            if t.is_floating_point():
                t.copy_(t.float())
    x = torch.randn(3, 1, 7, 5).double()
    grad_out = torch.randn(3, 3).double()
    tensors = {f"weights/{name}": t.clone() for name, t in net.state_dict().items()}
    tensors |= {"x": x, "grad_out": grad_out}
    for mode in ("eval", "train"):
        net.train(mode == "train")
        x_leaf = x.clone().requires_grad_()
        out = net(x_leaf)
        names, parameters = zip(*net.named_parameters())
        *grads, grad_x = torch.autograd.grad(out, [*parameters, x_leaf], grad_out)
        tensors |= {f"{mode}/out": out.detach(), f"{mode}/grad_x": grad_x}
        tensors |= {f"{mode}/grads/{name}": g for name, g in zip(names, grads)}
    tensors |= {f"after/{name}": t for name, t in net.state_dict().items() if "running" in name}
    save_file({k: (t.float() if t.is_floating_point() else t).contiguous() for k, t in tensors.items()},
              outdir / "resnet.safetensors", metadata={"torch": torch.__version__})
    print(f"{len(tensors)} tensors")


if __name__ == "__main__":
    main()
