"""Whether bfloat16 is worth taking: where a processor only emulates it, it takes many times as long as float32."""

from __future__ import annotations

import torch


def computes_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are native to a device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def best_precision(precision: str) -> str:
    """Lightning's name of a precision; ``auto`` is bfloat16 where it is computed natively, in half the time."""
    if precision != "auto":
        return precision
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bf16-mixed" if computes_bfloat16(device) else "32-true"
