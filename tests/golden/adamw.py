"""Golden values of the optimizer and of its learning-rate schedule.

adamw.safetensors, float32, from torch.optim.AdamW (constants below) with gradients clipped to norm 1 as PyTorch does,
multiplied by min(1, 1 / (norm + 1e-6)): five steps over 100 parameters, two of them (0 and 3) with nothing to clip.
    weights0 (100), grads (5, 100) before clipping, norms (5) of them
    weights, exp_avg, exp_avg_sq, ema (5, 100), after each step; ema starts as weights0

one_cycle.safetensors, float64, from torch.optim.lr_scheduler.OneCycleLR (max_lr 4e-3, the rest its defaults, so that
β₁ goes 0.95 → 0.85 → 0.95): lr (50) and beta1 (50), what each of 50 steps uses. And a run of AdamW with such a schedule
over 20 steps, float32, without clipping or decay: run_weights0 (10), run_grads (20, 10), run_weights (20, 10) after each step.

    python tests/golden/adamw.py [--outdir tests/golden]
"""

import argparse
import pathlib

import torch
from safetensors.torch import save_file

LEARNING_RATE, BETAS, EPS, WEIGHT_DECAY, EMA_DECAY = 4e-3, (0.9, 0.99), 1e-5, 0.01, 0.9


def adamw(random, steps=5, parameters=100):
    weights = torch.nn.Parameter(torch.randn(parameters, generator=random))
    golden = {"weights0": weights.detach().clone()}
    # 0.09 to 18 in norm; some gradients zero, many near eps.
    scale = torch.tensor([0.05, 10, 1, 0.3, 2])[:, None] * torch.logspace(-6, 0, parameters)[None, :].flip(1)
    grads = torch.randn(steps, parameters, generator=random) * scale
    grads[:, ::17] = 0

    optimizer = torch.optim.AdamW([weights], lr=LEARNING_RATE, betas=BETAS, eps=EPS, weight_decay=WEIGHT_DECAY)
    ema = weights.detach().clone()
    after = {"weights": [], "exp_avg": [], "exp_avg_sq": [], "ema": []}
    norms = []
    for grad in grads:
        weights.grad = grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([weights], 1.0))
        optimizer.step()
        ema.lerp_(weights.detach(), 1 - EMA_DECAY)
        state = optimizer.state[weights]
        for name, value in [("weights", weights), ("exp_avg", state["exp_avg"]), ("exp_avg_sq", state["exp_avg_sq"]),
                            ("ema", ema)]:
            after[name].append(value.detach().clone())
    return golden | {"grads": grads, "norms": torch.stack(norms)} | {k: torch.stack(v) for k, v in after.items()}


def one_cycle(steps=50):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], betas=BETAS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    lr, beta1 = [], []
    for step in range(steps):
        group = optimizer.param_groups[0]
        lr.append(float(group["lr"]))
        beta1.append(float(group["betas"][0]))
        weight.grad = torch.zeros(1)
        optimizer.step()
        if step + 1 < steps:
            schedule.step()
    return {"lr": torch.tensor(lr, dtype=torch.float64), "beta1": torch.tensor(beta1, dtype=torch.float64)}


def one_cycle_run(random, steps=20, parameters=10):
    weights = torch.nn.Parameter(torch.randn(parameters, generator=random))
    golden = {"run_weights0": weights.detach().clone()}
    grads = torch.randn(steps, parameters, generator=random)
    optimizer = torch.optim.AdamW([weights], betas=BETAS, eps=EPS, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=steps)
    after = []
    for step, grad in enumerate(grads):
        weights.grad = grad.clone()
        optimizer.step()
        after.append(weights.detach().clone())
        if step + 1 < steps:
            schedule.step()
    return golden | {"run_grads": grads, "run_weights": torch.stack(after)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(20240218)
    golden = adamw(random)
    save_file(golden, outdir / "adamw.safetensors")
    save_file(one_cycle() | one_cycle_run(random), outdir / "one_cycle.safetensors")
    print("gradient norms:", golden["norms"].tolist())


if __name__ == "__main__":
    main()
