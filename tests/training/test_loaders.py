"""What goes wrong in loader processes is told in one line."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from spiking_tasnet.training.loaders import Loader, loader_faults

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


class Faulty(Dataset):
    """Item 3 does what it is told."""

    def __init__(self, act):
        self.act = act

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 3:
            self.act()
        return torch.zeros(4)


def unreadable():
    raise ValueError("data/x.wav: cannot be read; run stage 0 again")


def read(act):
    with loader_faults():
        list(DataLoader(Faulty(act), num_workers=1))


def test_an_item_that_cannot_be_read_is_told_as_the_reader_told_it():
    with pytest.raises(ValueError) as found:
        read(unreadable)
    assert str(found.value) == "data/x.wav: cannot be read; run stage 0 again"


KILLED = """
import os, signal
import torch
from torch.utils.data import DataLoader
from spiking_tasnet.training.loaders import loader_faults

class Killed(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(4)

try:
    with loader_faults():
        list(DataLoader(Killed(), num_workers=1))
except OSError as error:
    print(error)
"""


def test_a_loader_process_that_is_killed():
    # In a process of its own: torch tells of it again later, from a signal handler and from a destructor.
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED], capture_output=True, text=True)
    assert done.stdout.startswith("a loader process was killed") and "smaller data.num_workers" in done.stdout


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="of our own"), loader_faults():
        raise RuntimeError("of our own")


WAITING = """
import os, signal, sys, time
from spiking_tasnet.training.loaders import heed_parent_only

if os.fork() == 0:
    heed_parent_only()
    print(os.getpid(), flush=True)
    time.sleep(600)
child = int(sys.stdin.readline())
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs sigwaitinfo")
def test_a_loader_process_heeds_a_sigterm_of_its_reader_only():
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        child = int(reader.stdout.readline())
        for _ in range(5):
            os.kill(child, signal.SIGTERM)  # of a scheduler
        time.sleep(0.5)
        os.kill(child, 0)
        out, _ = reader.communicate(f"{child}\n")
    assert out == "0\n"


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs sigwaitinfo")
def test_items_arrive_though_the_loader_processes_get_sigterm():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    others = set(multiprocessing.active_children())  # of a plain loader above, whose error still holds it
    batches = iter(Loader(torch.arange(20), num_workers=2, batch_size=2, prefetch_factor=1))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    read = []
    for batch in batches:
        loaders = set(multiprocessing.active_children()) - others
        assert len(loaders) == 2
        for child in loaders:
            subprocess.run(["sh", "-c", f"kill -TERM {child.pid}"], check=False)
        read += batch.tolist()
    assert read == list(range(20))


SMALL = 'mount -t tmpfs -o size=512k tmpfs /dev/shm && exec "$@"'
READ = """
import torch
from torch.utils.data import DataLoader
from spiking_tasnet.training.loaders import loader_faults
try:
    with loader_faults():
        for batch in DataLoader(torch.zeros(8, 400_000), num_workers=1, batch_size=2):
            pass
except OSError as error:
    print(error)
"""


def may_mount():
    command = ["unshare", "-m", "sh", "-c", SMALL, "sh", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs leave to mount")
def test_too_little_shared_memory():
    command = ["unshare", "-m", "sh", "-c", SMALL, "sh", sys.executable, "-W", "ignore", "-c", READ]
    done = subprocess.run(command, capture_output=True, text=True)
    told = "loader processes ran out of shared memory (/dev/shm, of 0.5 MB); give --set data.num_workers=0, or "
    assert done.stdout.startswith(told) and len(done.stdout.splitlines()) == 1, done.stdout + done.stderr
