"""Event-driven simulation on the CPU: `event_if.c`, compiled for this machine when it is first needed.

The library goes to the user's cache folder under a name that says what it was built from, so another source,
compiler or processor gets its own. Without a compiler there is no event kernel and the reference runs instead.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["available", "conv1d_if"]

logger = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("event_if.c")
FLAGS = ("-O3", "-shared", "-fPIC", "-std=c99")
MAX_STEPS = 32
MIN_FRAMES = 64  # a thread's share below which starting it costs more than it gives


class _Geometry(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in "n_frames chan_in out_frames chan_out kernel stride padding dilation num_steps".split()
    ]


def available() -> bool:
    """Whether the kernel is built, or can be."""
    return _library() is not None


def conv1d_if(
    words: Tensor,
    weight: Tensor,
    current: Tensor,
    threshold: Tensor,
    v_init: float,
    *,
    num_steps: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Spikes of IF neurons behind a 1-D convolution (Eq. 3-6), with float32 membranes.

    Args:
        words: presynaptic spikes, int32 (batch, n_frames, chan_in); bit t is a spike at step t.
        weight: float32 (out, in, kernel), times the presynaptic threshold.
        current: b / N_s, (out,).
        threshold: theta > 0, (out,).
        v_init: V[0] as a fraction of the threshold.
        num_steps: N_s, 1 to 32.
        stride: frames between outputs.
        padding: frames without spikes at each end.
        dilation: frames between taps.

    Returns:
        int32 words (batch, out_frames, out).

    Raises:
        ValueError: a dtype, shape or number of steps other than the above, or a kernel longer than its input.
    """
    batch, n_frames, chan_in = _checked(words, weight, num_steps)
    out, _, kernel = weight.shape
    out_frames = (n_frames + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if out_frames < 1:
        raise ValueError(f"{n_frames} frames found, fewer than the kernel spans: pad them")
    library, words = _library(), words.contiguous()
    block = library.event_if_block()
    spare = -out % block
    rows = torch.nn.functional.pad(weight.detach(), (0, 0, 0, 0, 0, spare))
    rows = rows.view(-1, block, chan_in, kernel).permute(0, 3, 2, 1).contiguous()
    current = torch.nn.functional.pad(current.detach().float(), (0, spare)).contiguous()
    threshold = torch.nn.functional.pad(threshold.detach().float(), (0, spare), value=float("inf")).contiguous()
    fired = torch.empty(batch, out_frames, out, dtype=torch.int32)
    geometry = _Geometry(n_frames, chan_in, out_frames, out, kernel, stride, padding, dilation, num_steps)

    pointers = [tensor.data_ptr() for tensor in (words, rows, current, threshold)]
    _spread(
        batch * out_frames,
        lambda begin, end: library.event_if(ctypes.byref(geometry), *pointers, v_init, begin, end, fired.data_ptr()),
    )
    return fired


def _spread(total: int, work: Callable[[int, int], None]) -> None:
    """Call `work(begin, end)` on equal parts of range(total), on as many threads as torch may use."""
    threads = max(1, min(torch.get_num_threads(), total // MIN_FRAMES))
    if threads == 1:
        work(0, total)
    else:
        edges = [total * part // threads for part in range(threads + 1)]
        list(_pool(threads, os.getpid()).map(work, edges[:-1], edges[1:]))


def _checked(words: Tensor, weight: Tensor, num_steps: int) -> tuple[int, int, int]:
    if words.dtype != torch.int32 or words.dim() != 3:
        raise ValueError(f"{words.dtype} {tuple(words.shape)} found, int32 (batch, n_frames, chan_in) expected")
    if weight.dtype != torch.float32 or weight.dim() != 3 or weight.shape[1] != words.shape[2]:
        found = f"{weight.dtype} {tuple(weight.shape)}"
        raise ValueError(f"weight {found} found, float32 (out, {words.shape[2]}, kernel) expected")
    if not 1 <= num_steps <= MAX_STEPS:
        raise ValueError(f"num_steps {num_steps} found, 1 to {MAX_STEPS} expected")
    return tuple(words.shape)


@cache
def _pool(threads: int, pid: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="event_if")


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(_built()))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        logger.warning(
            "the event-driven kernel cannot be built (%s): spiking layers run on the slower reference; "
            "install a C compiler (Debian, Ubuntu: apt-get install gcc)",
            " ".join(str(reason).split()),
        )
        return None
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    library.event_if_block.restype = integer
    library.event_if.argtypes = [*[pointer] * 5, ctypes.c_float, integer, integer, pointer]
    library.event_if.restype = None
    return library


def _built() -> Path:
    """Path of the library, built if there is none yet: under a name of its own, then renamed."""
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("no C compiler found")
    native = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    parts = (SOURCE.read_text(encoding="utf-8"), " ".join(FLAGS), version, platform.platform(), _processor())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    target = _cache_dir() / f"event_if-{key}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp.so")
    try:
        for flags in ((*FLAGS, native), FLAGS):
            command = [compiler, *flags, str(SOURCE), "-o", str(temporary)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                os.replace(temporary, target)
                return target
    finally:
        temporary.unlink(missing_ok=True)
    raise subprocess.CalledProcessError(done.returncode, compiler, stderr=done.stderr or None)


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "spiking_tasnet"


def _processor() -> str:
    """What `native` stands for here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
