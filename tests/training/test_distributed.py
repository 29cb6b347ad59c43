"""Training over two processes, each with one device, gives what one process with two devices gives."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from xaijax import cli
from xaijax._errors import InputError
from xaijax._runs import distributed
from xaijax.training import _processes as processes

# It compiles more than it runs.
FLAGS = ("--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true")
COMMAND = "import sys; from xaijax import cli; sys.exit(cli.main(sys.argv[1:]))"


def address():
    """Of this machine, with a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def start(program, *words, devices=1, cache=""):
    """A process of its own, with as many devices; the folder `cache` keeps what it compiles."""
    flags = " ".join((*FLAGS, f"--xla_force_host_platform_device_count={devices}"))
    own = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "XAIJAX_DEBUG": ""}
    own |= {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(*started):
    """`(status, standard output, standard error)` of each."""
    found = []
    try:
        for one in started:
            out, error = one.communicate(timeout=300)
            found.append((one.returncode, out, error))
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
                one.communicate()
    return found


def pair(*words, programs=(COMMAND, COMMAND), **how):
    """What two processes say that train together."""
    words = (*words, "--distributed", address())
    return ended(*(start(one, *words[:-1], f"{words[-1]},2,{number}", **how) for number, one in enumerate(programs)))


def training(out):
    data = ("train", "--data", "phantoms", "--count", "32", "--size", "16", "--validation", "0.3")
    return (*data, "--epochs", "2", "--batch-size", "6", "--learning-rate", "0.01", "--out", out)


def results(out):
    """What a training leaves: the names of its files, weights, log and scores."""
    names = sorted(path.relative_to(out).as_posix() for path in out.iterdir())
    log = (out / "log.jsonl").read_text()
    return names, log, json.loads((out / "metrics.json").read_text()), load_file(out / "model.safetensors")


def assert_same(left, right):
    for one, other in zip(results(left)[:3], results(right)[:3], strict=True):
        assert one == other
    weights = results(left)[3], results(right)[3]
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name], strict=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of one process with two devices."""
    out = tmp_path_factory.mktemp("whole") / "run"
    ((status, _, said),) = ended(start(COMMAND, *training(out), devices=2))
    assert status == 0, said
    return out


DIES = """
import os, signal, sys
from xaijax import cli
from xaijax.training._train import Record
before = Record.add
def add(self, epoch, *rest):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(self, epoch, *rest)
Record.add = add
sys.exit(cli.main(sys.argv[1:]))
"""


def test_two_processes_one_of_which_was_killed_give_the_bytes_of_one_with_two_devices(whole, tmp_path):
    out = tmp_path / "run"
    (killed, _, said), (status, printed, _) = pair(*training(out), programs=(DIES, COMMAND), cache=tmp_path / "cache")
    assert (killed, status != 0) == (-signal.SIGKILL, True)
    assert "epoch   1" in said
    assert "epoch" not in printed
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["1"]

    (status, _, said), (other, printed, quiet) = pair("train", "--out", out, "--resume", cache=tmp_path / "cache")
    assert (status, other) == (0, 0), said + quiet
    assert "resuming after epoch 1" in said
    assert f"written to {out}" in said
    # The second process says nothing; its network library does.
    assert [line for line in (printed + quiet).splitlines() if "[Gloo]" not in line] == []
    assert_same(out, whole)
    described = [json.loads((where / "run.json").read_text()) for where in (out, whole)]
    assert [(one["processes"], one["devices"]) for one in described] == [(2, 2), (1, 2)]
    assert described[0]["command"] == described[1]["command"].replace(str(whole), str(out))
    assert len(described[0]["machine"]["devices"]) == 2


def test_the_command_says_how_to_continue_without_a_process_that_is_lost():
    with pytest.raises(InputError, match=r"^gone; start all of them again with --resume$"), distributed.joined(None):
        raise processes.LostError("gone; start all of them again")


LIBRARY = """
import hashlib, json, os, signal, sys
import jax, numpy as np
at, many, number = sys.argv[1:]
if int(many) > 1:
    jax.distributed.initialize(at, int(many), int(number))
from xaijax import models, training
from xaijax._errors import InputError
from xaijax.training import _processes as processes
from xaijax.training._train import run_epochs
from xaijax.training._trainer import Trainer
class Images:
    def __init__(self, values):
        self.values, self.read = values, []
    def __len__(self):
        return len(self.values)
    def __getitem__(self, positions):
        self.read.append(positions.tolist())
        return self.values[positions]
random = np.random.default_rng(0)
values, labels = random.random((16, 16, 16, 1)).astype(np.float32), np.arange(16) % 3
masks = np.zeros((16, 16, 16), bool)
masks[:, 4:9, 4:9] = True
start = models.create("small_cnn", 3, (16, 16, 1), width=4)
images = Images(values)
Trainer(start, images, labels, training.Options(batch_size=8))._read(np.arange(8, 16), 1, 0)
found = {"rows": images.read}
shares = training.Interventions(counterfactual=0.25, evidence_free=0.25)
how = training.Options(epochs=1, batch_size=8, learning_rate=0.01, interventions=shares)
def train(labels=labels, how=how, on_epoch=None):
    trainer = Trainer(start, values, labels, how, masks=masks)
    best = []
    keep = lambda one, record: best.append(one)
    record = run_epochs(trainer, values[:5], labels[:5], on_best=keep, on_epoch=on_epoch)
    return best[-1], record
made, record = train()
found["log"] = record.log
# Not the weights: a pipe that nobody reads from yet holds 64 KiB.
weights = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(made.params))
found["weights"] = hashlib.sha256(weights).hexdigest()
if int(many) > 1:
    wrong = []
    for call in (
        lambda: train((labels + int(number)) % 3),
        lambda: train(how=training.Options(batch_size=7)),
        lambda: train(how=training.Options(devices=1)),
        lambda: processes.from_first(lambda: 1 // 0),
        lambda: train(on_epoch=lambda row: open("nowhere/at/all") if number == "1" else None),
    ):
        try:
            call()
        except Exception as error:
            wrong.append(str(error))
    found["wrong"] = wrong
    if number == "1":
        print(json.dumps(found), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        train()
    except InputError as error:
        found["lost"] = str(error)
print(json.dumps(found))
"""


def test_the_library_trains_in_processes_that_the_caller_has_joined():
    at = address()
    said = ended(start(LIBRARY, at, 2, 0), start(LIBRARY, at, 2, 1), start(LIBRARY, "", 1, 0, devices=2))
    assert [status for status, *_ in said] == [2, -signal.SIGKILL, 0], said
    first, second, alone = (json.loads(out.splitlines()[-1]) for _, out, _ in said)  # gloo prints
    rows = [one.pop("rows") for one in (first, second, alone)]
    assert rows == [[[8, 9, 10, 11]], [[12, 13, 14, 15]], [list(range(8, 16))]]
    lost = first.pop("lost")
    assert lost.startswith("process 0 of 2 cannot continue with the others (")
    assert lost.endswith("); start all of them again")
    of_first, of_second = first.pop("wrong"), second.pop("wrong")
    assert first == second == alone
    assert (
        of_first[:3]
        == of_second[:3]
        == [
            "process 1 of 2 has other options, labels or weights to start from than process 0; start all of them with "
            "the same command on the same files",
            "a batch of 7 images cannot be divided evenly among 2 devices; use a batch size that is a multiple of 2",
            "devices must be a multiple of 2, the number of processes; got 1",
        ]
    )
    assert of_first[3].startswith("integer")
    assert of_second[3] == f"process 0 of 2 failed: {of_first[3]}"
    assert of_first[4] == f"process 1 of 2 failed: {of_second[4]}"


@pytest.mark.parametrize("text", ["host:1", "host:1,2", "host:1,2,2", "host,2,0", ":1,2,0", "host:0,2,0", "host:1,0,0"])
def test_a_malformed_value_is_refused(text, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    assert cli.main(["train", "--data", "phantoms", "--out", str(tmp_path / "out"), "--distributed", text]) == 2
    said = capsys.readouterr().err
    assert (
        f"--distributed is {text!r}; it must be auto, HOST:PORT,COUNT,NUMBER (NUMBER from 0 to COUNT - 1) or none"
        in said
    )
    assert list(tmp_path.iterdir()) == []


SOON = """
import sys
from xaijax import cli
from xaijax._runs import distributed
distributed.REACHED = 1
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [0, 1])
def test_processes_that_cannot_be_reached_are_said_in_one_sentence(number, tmp_path):
    at = f"{address()},2,{number}"
    ((status, _, said),) = ended(start(SOON, *training(tmp_path / "run"), "--distributed", at))
    assert status == 2, said
    assert said.startswith(f"xaijax: error: --distributed is {at}, and the processes did not all meet within 1 s; ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_where_no_batch_system_started_the_process_auto_says_so(tmp_path):
    ((status, _, said),) = ended(start(COMMAND, *training(tmp_path / "run"), "--distributed", "auto"))
    assert status == 2
    assert "--distributed is auto, and neither Slurm, Open MPI, Kubernetes nor a TPU pod started this process" in said
