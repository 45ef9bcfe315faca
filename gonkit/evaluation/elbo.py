"""The evidence lower bound of a variational model."""

from __future__ import annotations

__all__ = ["evaluate_elbo"]

import math

import torch

from gonkit.batch import Prediction
from gonkit.data import SignalDataset
from gonkit.losses import KLLoss, Objective
from gonkit.nn import GON

EVAL_BATCH_SIZE = 256


@torch.no_grad()
def evaluate_elbo(gon: GON, objective: Objective, dataset: SignalDataset) -> dict[str, float]:
    """Means over a data set: `kl`, and the evidence lower bound `elbo`, in nats per signal, with one draw per latent.

    With weights w of a pointwise loss and β of the divergence, w·L + β·KL is −β·ELBO for the likelihood whose −log is
    L·w/β up to a constant: for bce a Bernoulli distribution with β = w/P; for mse a normal one of variance
    σ² = β·P/2w, in network units, so that −log p = P·L/2σ² + ½·P·C·log 2πσ². Densities are per network unit. `elbo` is
    absent for other losses.
    """
    generator = torch.Generator().manual_seed(0)
    outer, device = objective.outer, gon.device
    beta = next(weight for weight, loss in outer.values() if isinstance(loss, KLLoss))
    name = next((name for name in ("mse", "bce") if name in outer), None)
    parts: dict[str, list[torch.Tensor]] = {"kl": [], "loss": []}
    points, channels = 0, 0
    for index in torch.arange(len(dataset)).split(EVAL_BATCH_SIZE):
        inputs, target = (part.to(device) for part in dataset.pair(index, evaluate=True))
        inputs, target = gon.standardize(inputs, encoder=True), gon.standardize(target)
        noise = torch.randn(len(index), gon.field.latent_dim, generator=generator).to(device)
        step = gon.infer_latent(inputs)
        mean, log_variance = gon.posterior(step) if gon.posterior is not None else (step, torch.zeros_like(step))
        latent = mean + noise * (0.5 * log_variance).exp()
        values = gon.decode(latent, target.coords, target.source, network_units=True)
        prediction = Prediction(values, latent, posterior=(mean, log_variance))
        parts["kl"].append(KLLoss()(prediction, target))
        if name is not None:
            parts["loss"].append(outer[name][1](prediction, target))
        points, channels = target.values.shape[1:]
    kl = torch.cat(parts["kl"]).double().mean().item()
    if name is None:
        return {"kl": kl}
    loss, weight = torch.cat(parts["loss"]).double().mean().item(), outer[name][0]
    if name == "bce":
        return {"kl": kl, "elbo": -points * loss - kl}
    variance = beta * points / (2 * weight)
    nll = points * loss / (2 * variance) + 0.5 * points * channels * math.log(2 * math.pi * variance)
    return {"kl": kl, "elbo": -nll - kl}
