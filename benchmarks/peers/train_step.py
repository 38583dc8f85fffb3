"""The reference workloads in PyTorch with diffusers, on the CPU: what lull is measured against.

Times one EDM training step (Karras et al. 2022, arXiv 2206.00364) on random images: noise, forward, backward, clipping,
fused AdamW, EMA. With --sample N, times Heun's 18 steps (35 evaluations) from noise to N images instead. Prints one
line of JSON; times are in milliseconds.

    pip install torch==2.15.0 diffusers==0.42.1
    python benchmarks/peers/train_step.py --model s16 --batch 128 --threads 2 --channels-last
"""

import argparse
import json
import math
import resource
import statistics
import time

import torch
from diffusers import UNet2DModel

SIGMA_DATA = 0.6636                       # of Fashion-MNIST in [-1, 1], padded to 32×32
P_MEAN, P_STD = -1.2, 1.2                 # ln σ ~ N(P_mean, P_std²)
EMA_DECAY = 0.999

MODELS = {
    "s16": dict(channels=(16, 32, 64), attention=False, parameters=888_609),
    "m32": dict(channels=(32, 64, 128, 256), attention=True, parameters=15_890_753),
}


def make_unet(name):
    model = MODELS[name]
    inner = len(model["channels"]) - 1    # levels below the finest, which has no attention
    kind = "Attn" if model["attention"] else ""
    unet = UNet2DModel(
        sample_size=32, in_channels=1, out_channels=1, block_out_channels=model["channels"], layers_per_block=2,
        norm_num_groups=8, attention_head_dim=8, add_attention=model["attention"],
        down_block_types=("DownBlock2D",) + (f"{kind}DownBlock2D",) * inner,
        up_block_types=(f"{kind}UpBlock2D",) * inner + ("UpBlock2D",))
    assert unet.num_parameters() == model["parameters"], unet.num_parameters()
    return unet


def denoise(unet, x, sigma):
    """D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ). x: (N, 1, 32, 32), sigma: (N, 1, 1, 1)."""
    total = sigma**2 + SIGMA_DATA**2
    F = unet(x / total.sqrt(), sigma.flatten().log() / 4, return_dict=False)[0].float()
    return SIGMA_DATA**2 / total * x + sigma * SIGMA_DATA / total.sqrt() * F


class Training:
    """One call is one step."""

    def __init__(self, unet, batch, memory_format):
        self.unet, self.batch, self.memory_format = unet, batch, memory_format
        self.parameters = list(unet.parameters())
        self.ema = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, betas=(0.9, 0.99), eps=1e-5, fused=True)
        self.images = (2 * torch.rand(batch, 1, 32, 32) - 1).contiguous(memory_format=memory_format)

    def __call__(self):
        y = self.images
        sigma = (P_MEAN + P_STD * torch.randn(self.batch, 1, 1, 1)).exp()
        x = y + sigma * torch.randn_like(y)
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        loss = (weight * (denoise(self.unet, x, sigma) - y) ** 2).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.parameters, 1 - EMA_DECAY)


class Sampling:
    """One call is a whole sampling run: Algorithm 1 on Karras's grid."""

    def __init__(self, unet, batch, memory_format, steps=18, sigma_min=0.002, sigma_max=80.0, rho=7.0):
        self.unet, self.batch, self.memory_format = unet.eval(), batch, memory_format
        ends = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
        self.sigmas = [(ends[0] + i / (steps - 1) * (ends[1] - ends[0])) ** rho for i in range(steps)] + [0.0]

    def slope(self, x, sigma):
        return (x - denoise(self.unet, x, torch.full((self.batch, 1, 1, 1), sigma))) / sigma

    @torch.no_grad()
    def __call__(self):
        x = self.sigmas[0] * torch.randn(self.batch, 1, 32, 32).contiguous(memory_format=self.memory_format)
        for sigma, sigma_next in zip(self.sigmas, self.sigmas[1:]):
            slope = self.slope(x, sigma)
            x_next = x + (sigma_next - sigma) * slope
            if sigma_next > 0:
                x_next = x + (sigma_next - sigma) * 0.5 * (slope + self.slope(x_next, sigma_next))
            x = x_next
        assert math.isfinite(x.sum().item())


def milliseconds(work):
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="s16")
    parser.add_argument("--batch", type=int, default=128, help="images per training step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed steps, or sampling runs, after --warmup")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--sample", type=int, metavar="N", help="sample N images instead of training")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="bf16 is autocast")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    memory_format = torch.channels_last if args.channels_last else torch.contiguous_format
    unet = make_unet(args.model).to(memory_format=memory_format)
    network = torch.compile(unet) if args.compile else unet
    images = args.sample or args.batch
    work = (Sampling if args.sample else Training)(network, images, memory_format)

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
        warmup = [milliseconds(work) for _ in range(max(1, args.warmup))]
        times = [milliseconds(work) for _ in range(args.steps)]

    median = statistics.median(times)
    print(json.dumps({
        "what": "sampling" if args.sample else "training", "model": args.model, "images": images,
        "threads": args.threads, "layout": "NHWC" if args.channels_last else "NCHW", "precision": args.precision,
        "compile": args.compile, "median_ms": round(median, 1), "min_ms": round(min(times), 1),
        "max_ms": round(max(times), 1), "first_ms": round(warmup[0], 1),
        "images_per_s": round(1e3 * images / median, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
