"""Golden values of whole U-Nets: small diffusers UNet2DModels, forward and every gradient.

Each unet_NAME.safetensors holds float32 tensors in PyTorch's layouts (images NCHW, filters OIHW), computed in float64:
weights/PARAMETER, x, timestep (N), labels (conditional models'), out, grad_out, grads/PARAMETER (of those that are trained),
grad_x, and in its metadata `config`, the JSON of diffusers' config. A gradient belongs to the loss Σ out · grad_out. Those of to_k.bias are 0 but for rounding: a key's
bias adds the same score to every token, which softmax ignores.

    python tests/golden/unet.py [--outdir tests/golden]
"""

import argparse
import json
import pathlib

import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

plain = dict(down="DownBlock2D", up="UpBlock2D")
attentive = dict(down="AttnDownBlock2D", up="AttnUpBlock2D")


def unet(levels, *, size, images=1, groups=4, head_dim=4, up=None, **config):
    """levels: from the finest, (channels, plain or attentive). up: the kinds on the way up where they differ."""
    up = up or [kind for _, kind in levels]
    return UNet2DModel(
        sample_size=size, in_channels=images, out_channels=images, norm_num_groups=groups, attention_head_dim=head_dim,
        block_out_channels=[channels for channels, _ in levels],
        down_block_types=[kind["down"] for _, kind in levels],
        up_block_types=[kind["up"] for kind in reversed(up)], **config)


# name: (model, shape of x). Time inputs are continuous, as c_noise = ¼ ln σ is.
def cases():
    return {
        "attention": (unet([(8, plain), (16, attentive)], size=16, layers_per_block=1), (2, 1, 16, 16)),
        "no_attention": (unet([(4, plain), (8, plain), (12, plain)], size=16, groups=2, layers_per_block=2,
                              add_attention=False), (2, 1, 16, 16)),
        # One head, and the other form of the time embedding.
        "rgb": (unet([(8, attentive), (12, plain)], size=(8, 12), images=3, layers_per_block=1, head_dim=None,
                     flip_sin_to_cos=False, freq_shift=1), (3, 3, 8, 12)),
        # Classes; halving with zeros on one side only; attention only on the way up; a middle with a scale of its own.
        "conditional": (unet([(4, plain), (8, plain)], size=8, groups=2, layers_per_block=1, up=[plain, attentive],
                             num_class_embeds=5, time_embedding_dim=12, downsample_padding=0, mid_block_scale_factor=1.5,
                             center_input_sample=True), (3, 1, 8, 8)),
        # Fourier features; the embedding scales and shifts; levels that change size in residual blocks.
        "fourier": (unet([(4, attentive), (8, attentive)], size=8, groups=2, layers_per_block=1,
                         time_embedding_type="fourier", resnet_time_scale_shift="scale_shift", downsample_type="resnet",
                         upsample_type="resnet", class_embed_type="timestep", dropout=0.25), (2, 1, 8, 8)),
        # Another activation, another number of groups in the middle, an embedding as label.
        "mish": (unet([(4, plain), (8, attentive)], size=8, groups=2, layers_per_block=1, act_fn="mish",
                      attn_norm_num_groups=4, class_embed_type="identity"), (2, 1, 8, 8)),
        "relu": (unet([(4, plain)], size=4, groups=2, layers_per_block=1, act_fn="relu", mid_block_type=None), (2, 1, 4, 4)),
    }


def labels_for(model, images, normal):
    if model.config.num_class_embeds:
        return torch.arange(images, dtype=torch.int32) * 2
    if model.config.class_embed_type == "identity":
        return normal(images, model.time_embedding.linear_2.out_features).float()
    return 0.5 + normal(images).abs().float() if model.config.class_embed_type else None


def golden(model, shape, random):
    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float32).double()

    model = model.double().eval()    # eval: dropout is for training
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Away from ones and zeros, so that no gradient is trivial; exact in float32, which is what is stored.
            moved = parameter + (0.3 if parameter.ndim == 1 else 0.02) * normal(*parameter.shape)
            parameter.copy_(moved.float())

    x = normal(*shape).requires_grad_()
    timestep = (0.8 * normal(shape[0])).float()
    if model.config.time_embedding_type == "fourier":
        timestep = timestep.exp()    # its logarithm is embedded
    labels = labels_for(model, shape[0], normal)
    out = model(x, timestep, labels if labels is None or not labels.is_floating_point() else labels.double()).sample
    grad_out = normal(*out.shape)
    out.backward(grad_out)

    tensors = {"x": x, "timestep": timestep, "out": out, "grad_out": grad_out, "grad_x": x.grad}
    for name, parameter in model.named_parameters():
        tensors[f"weights/{name}"] = parameter
        if parameter.grad is not None:
            tensors[f"grads/{name}"] = parameter.grad
    stored = {key: t.detach().float().clone(memory_format=torch.contiguous_format) for key, t in tensors.items()}
    return stored if labels is None else stored | {"labels": labels}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outdir", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    outdir = parser.parse_args().outdir
    torch.set_num_threads(1)
    torch.manual_seed(20240215)
    random = torch.Generator().manual_seed(20240216)
    for name, (model, shape) in cases().items():
        file = outdir / f"unet_{name}.safetensors"
        config = {key: value for key, value in model.config.items() if not key.startswith("_")}
        # One metadata key: with several, safetensors writes them in a different order each time.
        save_file(golden(model, shape, random), file, metadata={"config": json.dumps(config)})
        print(f"{file.name}: {model.num_parameters():,} parameters, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
