"""The reference networks, their training step and their sampling in PyTorch with diffusers: what lull is measured against.

Karras et al. 2022 (arXiv 2206.00364): EDM's preconditioning, noise levels, loss and Algorithm 1.
"""

import torch
from diffusers import UNet2DModel

SIGMA_DATA = 0.6636                       # of Fashion-MNIST in [-1, 1], padded to 32×32
P_MEAN, P_STD = -1.2, 1.2                 # ln σ ~ N(P_mean, P_std²)
EMA_DECAY = 0.999

CHANNELS = {"s16": (16, 32, 64), "m32": (32, 64, 128, 256)}    # m32 has attention in all levels but the first
PARAMETERS = {"s16": 888_609, "m32": 15_890_753}


def make_unet(name):
    channels, attends = CHANNELS[name], name == "m32"
    inner = len(channels) - 1    # levels below the finest
    kind = "Attn" if attends else ""
    unet = UNet2DModel(
        sample_size=32, in_channels=1, out_channels=1, block_out_channels=channels, layers_per_block=2,
        norm_num_groups=8, attention_head_dim=8, add_attention=attends,
        down_block_types=("DownBlock2D",) + (f"{kind}DownBlock2D",) * inner,
        up_block_types=(f"{kind}UpBlock2D",) * inner + ("UpBlock2D",))
    assert unet.num_parameters() == PARAMETERS[name], unet.num_parameters()
    return unet


def denoise(unet, x, sigma):
    """D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ). x: (N, 1, 32, 32), sigma: (N, 1, 1, 1)."""
    total = sigma**2 + SIGMA_DATA**2
    F = unet(x / total.sqrt(), sigma.flatten().log() / 4, return_dict=False)[0].float()
    return SIGMA_DATA**2 / total * x + sigma * SIGMA_DATA / total.sqrt() * F


def autocast(enabled):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)


class Training:
    """Steps of AdamW with clipping by global norm and an EMA. Weight decay is for filters and matrices."""

    def __init__(self, unet, bf16=False, learning_rate=1e-3):
        self.unet, self.bf16 = unet, bf16
        self.parameters = list(unet.parameters())
        self.ema = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            [{"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": 0.01},
             {"params": [p for p in self.parameters if p.ndim == 1], "weight_decay": 0.0}],
            lr=learning_rate, betas=(0.9, 0.99), eps=1e-5, fused=True)

    def gradients(self, y, sigma, noise):
        """Leaves every parameter its gradient, and returns the loss."""
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.bf16):    # around the forward pass only: it remembers casts of weights until its end
            D = denoise(self.unet, y + sigma * noise, sigma)
        loss = (weight * (D - y) ** 2).mean()
        loss.backward()
        return loss

    def update(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.parameters, 1 - EMA_DECAY)

    def step(self, y):
        """One step on clean images y, with fresh noise."""
        sigma = (P_MEAN + P_STD * torch.randn(len(y), 1, 1, 1)).exp()
        self.gradients(y, sigma, torch.randn_like(y))
        self.update()


def karras_sigmas(steps, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    ends = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [(ends[0] + i / (steps - 1) * (ends[1] - ends[0])) ** rho for i in range(steps)] + [0.0]


@torch.no_grad()
def sample_heun(unet, x, sigmas, bf16=False):
    """Algorithm 1. x: (N, 1, 32, 32), noise of standard deviation sigmas[0]."""
    def slope(x, sigma):
        return (x - denoise(unet, x, torch.full((len(x), 1, 1, 1), sigma))) / sigma

    with autocast(bf16):
        for sigma, sigma_next in zip(sigmas, sigmas[1:]):
            d = slope(x, sigma)
            x_next = x + (sigma_next - sigma) * d
            if sigma_next > 0:
                x_next = x + (sigma_next - sigma) * 0.5 * (d + slope(x_next, sigma_next))
            x = x_next
    return x
