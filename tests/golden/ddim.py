"""Golden traces of DDIM: diffusers' scheduler with the cosine schedule's ᾱ, on a Gaussian mixture whose denoiser is exact, in
float64.

ddim.safetensors holds
    mixture/weights (2), mixture/means (2, H, W, C), mixture/stds (2)
    sigmas (N), those of t = 1 - 1/N, …, 1/N and 0, N = 12; x0 (4, H, W, C), x_t at the first; noise (N - 1, 4, H, W, C), step
    i's; clip, the bound of ŷ, which is hit
    eta0/trace, eta05/trace, eta1/trace (N - 1, 4, H, W, C), x_t after each step

    python tests/golden/ddim.py [--outdir tests/golden]
"""

import argparse
import math
import pathlib

import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file
from samplers import GaussianMixture


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(20240217)

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    N, shape, clip = 12, (4, 2, 3, 1), 0.5
    mixture = GaussianMixture(torch.tensor([0.3, 0.7], dtype=torch.float64), 0.6 * normal(2, *shape[1:]),
                              torch.tensor([0.25, 0.1], dtype=torch.float64))
    t = torch.arange(N - 1, 0, -1, dtype=torch.float64) / N
    alpha_bars = torch.cos(math.pi / 2 * t) ** 2                              # (N - 1), ascending
    sigmas = torch.tan(math.pi / 2 * t)
    x0, noise = normal(*shape), normal(N - 1, *shape)

    scheduler = DDIMScheduler(num_train_timesteps=N - 1, clip_sample_range=clip)
    scheduler.alphas_cumprod = alpha_bars.flip(0)                             # of timesteps 0, 1, …
    scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(N - 1)

    golden = {"mixture/weights": mixture.weights, "mixture/means": mixture.means, "mixture/stds": mixture.stds,
              "sigmas": torch.cat([sigmas, sigmas.new_zeros(1)]), "x0": x0, "noise": noise,
              "clip": torch.tensor([clip], dtype=torch.float64)}
    for name, eta in {"eta0": 0.0, "eta05": 0.5, "eta1": 1.0}.items():
        x, trace = x0, []
        for i, timestep in enumerate(scheduler.timesteps):
            X = x / alpha_bars[i].sqrt()
            eps = (X - mixture(X, sigmas[i].expand(shape[0]))) / sigmas[i]
            x = scheduler.step(eps, timestep, x, eta=eta, variance_noise=noise[i]).prev_sample
            trace.append(x)
        golden[f"{name}/trace"] = torch.stack(trace)

    save_file(golden, outdir / "ddim.safetensors")
    for key, x in golden.items():
        print(f"{key}: {tuple(x.shape)}")


if __name__ == "__main__":
    main()
