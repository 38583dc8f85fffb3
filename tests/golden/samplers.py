"""Golden traces of the samplers: k-diffusion's, on a Gaussian mixture whose denoiser is exact, in float64.

samplers.safetensors holds
    mixture/weights (2), mixture/means (2, H, W, C), mixture/stds (2)
    sigmas (steps + 1), descending, the last 0; x0 (N, H, W, C), noise at sigmas[0]; noise (steps, N, H, W, C), step i's
    denoised (N, H, W, C): D(x0; sigmas[0])
    SAMPLER/x (N, H, W, C), the result, and SAMPLER/trace (steps, N, H, W, C), x after each step
for SAMPLER in euler, heun, heun_churn (s_churn 6, s_tmin 0.05, s_tmax 50, s_noise 1.003; no trace),
ancestral_eta1, ancestral_eta05, lms1 … lms4, dpmpp_2m, dpmpp_2m_sde (η = 1, midpoint).

    python tests/golden/samplers.py [--outdir tests/golden]
"""

import argparse
import importlib
import importlib.util
import pathlib
import sys
import types
from unittest import mock

import torch
from safetensors.torch import save_file


def k_diffusion_sampling():
    """k_diffusion.sampling alone: the package's __init__ wants CLIP, image libraries and more that it never uses."""
    def module(name, **contents):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(contents)

    location = importlib.util.find_spec("k_diffusion").submodule_search_locations
    module("k_diffusion", __path__=list(location))
    module("k_diffusion.utils", append_dims=lambda x, rank: x.reshape(x.shape + (1,) * (rank - x.ndim)))
    module("torchdiffeq", odeint=None)
    module("torchsde")
    return importlib.import_module("k_diffusion.sampling")


class GaussianMixture:
    """Σ_k w_k N(μ_k, s_k² I), and its denoiser D(x; σ) = E[y | y + σn = x]."""

    def __init__(self, weights, means, stds):
        self.weights, self.means, self.stds = weights, means, stds

    def __call__(self, x, sigma):
        x, sigma = x[:, None], sigma[:, None]                                 # (N, 1, H, W, C), (N, 1)
        variance = self.stds**2 + sigma**2                                    # (N, K)
        distance = (x - self.means).square().flatten(2).sum(-1)               # (N, K)
        dimensions = self.means[0].numel()
        logits = self.weights.log() - dimensions / 2 * variance.log() - distance / (2 * variance)
        share = torch.softmax(logits, -1)[..., None, None, None]
        wide = (..., None, None, None)
        mean = (self.stds[wide] ** 2 * x + sigma[wide] ** 2 * self.means) / variance[wide]
        return (share * mean).sum(1)                                          # (N, H, W, C)


def karras_sigmas(steps, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas = (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(20240217)
    sampling = k_diffusion_sampling()

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    steps, shape = 12, (4, 2, 3, 1)
    mixture = GaussianMixture(torch.tensor([0.3, 0.7], dtype=torch.float64), 0.6 * normal(2, *shape[1:]),
                              torch.tensor([0.25, 0.1], dtype=torch.float64))
    sigmas = karras_sigmas(steps)
    x0, noise = sigmas[0] * normal(*shape), normal(steps, *shape)
    golden = {"mixture/weights": mixture.weights, "mixture/means": mixture.means, "mixture/stds": mixture.stds,
              "sigmas": sigmas, "x0": x0, "noise": noise, "denoised": mixture(x0, sigmas[0].expand(shape[0]))}

    def run(name, sampler, keep_trace=True, **options):
        starts = []
        with mock.patch("torch.randn_like", side_effect=list(noise)):    # where the sampler draws its own
            x = sampler(mixture, x0, sigmas, callback=lambda step: starts.append(step["x"]), disable=True, **options)
        golden[f"{name}/x"] = x
        if keep_trace:    # with churn, a step reports x after its noise
            golden[f"{name}/trace"] = torch.stack(starts[1:] + [x])

    def stored_noise():
        draws = iter(noise)
        return lambda sigma, sigma_next: next(draws)

    run("euler", sampling.sample_euler)
    run("heun", sampling.sample_heun)
    run("heun_churn", sampling.sample_heun, keep_trace=False, s_churn=6.0, s_tmin=0.05, s_tmax=50.0, s_noise=1.003)
    run("ancestral_eta1", sampling.sample_euler_ancestral, eta=1.0, noise_sampler=stored_noise())
    run("ancestral_eta05", sampling.sample_euler_ancestral, eta=0.5, noise_sampler=stored_noise())
    for order in (1, 2, 3, 4):
        run(f"lms{order}", sampling.sample_lms, order=order)
    run("dpmpp_2m", sampling.sample_dpmpp_2m)
    run("dpmpp_2m_sde", sampling.sample_dpmpp_2m_sde, eta=1.0, solver_type="midpoint", noise_sampler=stored_noise())

    save_file({key: x.clone(memory_format=torch.contiguous_format) for key, x in golden.items()},
              outdir / "samplers.safetensors")
    for key, x in golden.items():
        print(f"{key}: {tuple(x.shape)}")


if __name__ == "__main__":
    main()
