"""What goes wrong in loader processes is told in one line."""

import shutil
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from spiking_tasnet.training.loaders import loader_faults

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
