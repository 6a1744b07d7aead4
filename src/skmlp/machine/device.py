"""Which device and dtype a fit uses. This file imports torch only when called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from .processor import usual_denormals
from .warnings import warn_caller


def resolve_device(requested: str, owner: str) -> str:
    """The device's name in torch, such as "cpu" or "cuda:0".

    Parameters
    ----------
    requested : {"auto", "cpu", "cuda", "cuda:N", "mps"}
        "auto" takes CUDA where there is one, then MPS, then the CPU.
    owner : str
        Class name for the message.

    Raises
    ------
    ValueError
        If torch finds no such device here.
    """
    import torch

    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    if requested == "auto":
        return "cuda" if n_cuda else "mps" if has_mps else "cpu"
    kind, _, index = requested.partition(":")
    available = {"cpu": 1, "cuda": n_cuda, "mps": int(has_mps)}
    if int(index or 0) >= available[kind]:
        found = ", ".join(f"{n} {name}" for name, n in available.items() if n)
        raise ValueError(
            f"The 'device' parameter of {owner} is {requested!r}, but torch finds no such device "
            f"here (it finds: {found}). Use device='cpu', or device='auto' for the best one."
        )
    return requested


def resolve_prediction_device(requested: str, owner: str) -> str:
    """As `resolve_device`, but a model trained elsewhere predicts on the CPU with a warning."""
    try:
        return resolve_device(requested, owner)
    except ValueError:
        message = f"device {requested!r} of this {owner} is not available: predicting on the CPU."
        warn_caller(message)
        return "cpu"


def resolve_dtype(requested, X_dtype: np.dtype, device: str, owner: str) -> str:
    """ "float32" or "float64": the input's own on the CPU, float32 on accelerators.

    Raises
    ------
    ValueError
        If float64 is asked for on a device that lacks it.
    """
    if isinstance(requested, str) and requested == "auto":
        return X_dtype.name if device == "cpu" else "float32"
    name = np.dtype(requested).name
    if name == "float64" and device.startswith("mps"):
        raise ValueError(
            f"The 'dtype' parameter of {owner} is 'float64', which device 'mps' does not have: "
            "use dtype='float32' or device='cpu'."
        )
    return name


@contextmanager
def users_torch() -> Iterator[None]:
    """For code that is not ours and is called in the middle of training: torch as it usually is."""
    import torch

    with torch.inference_mode(False), torch.enable_grad(), usual_denormals():
        yield


@contextmanager
def usual_torch(device: str) -> Iterator[None]:
    """Shield from what the user may have set for this thread: autocast, another default device."""
    import torch

    kind = device.partition(":")[0]
    with ExitStack() as stack:
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
