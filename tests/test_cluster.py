"""Runs on workers: the same bytes as from one process, whatever happens to the workers."""

import contextlib
import dataclasses
import io
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from rich.console import Console

from xaijax import bench, calibrate, cli, models
from xaijax._errors import InputError
from xaijax._runs import checksums, cluster, identity, storage
from xaijax._runs.cluster import pool as pooling
from xaijax._runs.cluster.address import Address, connected
from xaijax.bench import BenchConfig
from xaijax.calibrate import CalibrateConfig

# A black box that sees stripes, and is slow where a test wants it to be.
MODEL = """
import time
from pathlib import Path

import numpy as np

input_shape = (32, 32, 1)
classes = ("across", "down")
here = Path(__file__).parent


def predict(images):
    values = np.asarray(images, np.float64)[..., 0]
    time.sleep(float((here / "slow").read_text()) if (here / "slow").exists() else 0)
    seen = (np.diff(values, axis=2) ** 2).mean((1, 2)) - (np.diff(values, axis=1) ** 2).mean((1, 2))
    p = 1 / (1 + np.exp(-200 * seen))
    return np.stack([1 - p, p], axis=1)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images of stripes, across or down, a part of each in a mask, and a black box that sees them."""
    root = tmp_path_factory.mktemp("cluster")
    rng = np.random.default_rng(0)
    for name in ("across", "down"):
        (root / "data" / name).mkdir(parents=True)
        for number in range(8):
            image = np.repeat(rng.choice([60, 200], 8), 4)[None].repeat(32, axis=0) + rng.integers(-4, 5, (32, 32))
            mask = np.zeros((32, 32), np.uint8)
            row, column = rng.integers(2, 18, 2)
            mask[row : row + 12, column : column + 12] = 255
            image = image.T if name == "across" else image
            Image.fromarray(image.astype(np.uint8)).save(root / "data" / name / f"{number}.png")
            Image.fromarray(mask).save(root / "data" / name / f"{number}_mask.png")
    (root / "stripes.py").write_text(MODEL)
    for key in (3, 4):
        network = models.create("small_cnn", input_shape=(32, 32, 1), classes=("across", "down"), key=key)
        models.save(network, root / f"network-{key}")
    return root


@pytest.fixture
def slow(place):
    """Makes each call of the black box take some seconds: `slow(0.1)`."""
    yield lambda seconds: (place / "slow").write_text(str(seconds))
    (place / "slow").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def config(place):
    """A run of eight parts on the black box."""
    return BenchConfig(
        data=str(place / "data"),
        mask_role="lesion",
        model=(f"{place}/stripes.py:predict",),
        methods=("rise", "random", "sobel"),
        metrics=("deletion_mean", "iou"),
        set=("rise.count=20", "perturbation.steps=4"),
        count=16,
        part=2,
        gallery=3,
        calibration=("none",),
    )


@pytest.fixture(scope="module")
def here(config, tmp_path_factory):
    """The run from one process: its files."""
    return run(config, tmp_path_factory.mktemp("here") / "run")[0]


@pytest.fixture(scope="module")
def workers():
    """The address of two workers on this machine, started as `--cluster local:2` does."""
    with connected(Address.read("local:2"), print) as client:
        yield client.scheduler.address


def run(config, out, command=bench, **more):
    """The files of a run, but for those that say when it was, and what was said."""
    said = io.StringIO()
    console = Console(file=said, width=10_000)
    command.run(dataclasses.replace(config, out=out, **more), console=console)
    return files(out), said.getvalue()


def files(out):
    timed = {"run.json", "report.html", checksums.CHECKSUMS}
    found = {str(path.relative_to(out)): path for path in sorted(out.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in timed}


def processes():
    """Those of the workers that this process started."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any("spawn_main" in word for word in one.cmdline()):
                found.append(one)
    return found


@contextlib.contextmanager
def meanwhile(work):
    """Runs a function on a thread; it is called with an event that says that it should end."""
    ending = threading.Event()
    thread = threading.Thread(target=work, args=(ending,))
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def parts(out):
    return checksums.part_files(out)


def test_workers_give_the_bytes_of_one_process(config, here, tmp_path):
    before = processes()
    there, _ = run(config, tmp_path / "run", cluster="local:2")
    assert len(parts(tmp_path / "run")) == 8
    assert there == here
    assert set(processes()) <= set(before)
    assert {name.split("/")[0] for name in there} >= {"scores", "responses", "predictions", "gallery", "parts"}


def test_gradients_of_several_networks_are_the_same_too(config, place, workers, tmp_path):
    """XLA adds up in another order with another number of threads; and metrics that compare models share maps."""
    several = dataclasses.replace(
        config,
        model=(str(place / "network-3"), str(place / "network-4")),
        methods=("gradient", "grad_cam"),
        metrics=("iou", "agreement_spearman"),
        set=(),
        count=5,
    )
    one, _ = run(several, tmp_path / "one")
    two, _ = run(several, tmp_path / "two", cluster=workers)
    assert len(parts(tmp_path / "two")) == 6
    assert one == two


def test_a_cluster_decides_as_one_process_does(config, workers, tmp_path):
    deciding = dataclasses.replace(config, until="decided", metrics=("iou",), methods=("random", "sobel"), set=())
    one, _ = run(deciding, tmp_path / "one")
    two, _ = run(deciding, tmp_path / "two", cluster=workers)
    assert one == two
    assert "decisions.csv" in one


def test_calibrations_are_the_same(config, workers, tmp_path):
    own = CalibrateConfig(
        data=config.data,
        mask_role="lesion",
        model=config.model,
        metrics=("deletion_mean", "sparseness"),
        set=("perturbation.steps=4",),
        count=8,
        constructions=("view", "mosaic"),
    )
    one, _ = run(own, tmp_path / "one", calibrate)
    two, _ = run(own, tmp_path / "two", calibrate, cluster=workers)
    assert len(parts(tmp_path / "two")) == 4
    assert one == two


def test_a_calibration_with_little_time_is_judged_by_its_first_parts(config, workers, slow, tmp_path):
    slow(0.05)
    own = CalibrateConfig(
        data=config.data,
        model=config.model,
        metrics=("deletion_mean",),
        set=("perturbation.steps=4",),
        count=16,
        constructions=("mosaic",),
        minutes=0.01,
    )
    run(own, tmp_path / "run", calibrate, cluster=workers)
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert 0 < described["cases_done"] < described["cases"]
    assert len(parts(tmp_path / "run")) == described["cases_done"] / 4


def test_the_calibration_of_a_benchmark_is_computed_by_its_workers(config, workers, tmp_path, monkeypatch):
    monkeypatch.setattr("xaijax.bench.calibrated.MINUTES", 0.01)
    own = dataclasses.replace(config, count=4, calibration=("quick",), metrics=("deletion_mean",))
    _, said = run(own, tmp_path / "run", cluster=workers)
    judged = json.loads((tmp_path / "run" / "calibration" / "stripes" / "run.json").read_text())
    assert "judging the metrics on model stripes first" in said
    assert 0 < judged["cases_done"] <= judged["cases"]  # as many as the time allowed
    assert (
        "deletion_mean"
        in json.loads((tmp_path / "run" / "calibration" / "stripes.json").read_text())["calibration"]["metrics"]
    )


def test_what_is_finished_is_not_computed_again(config, here, workers, tmp_path, monkeypatch):
    """An interrupt leaves the parts that were written; the rest is computed here, or by workers."""
    from xaijax.bench.store import Store

    original, count = Store.write_part, []

    def interrupted(self, part, content, made):
        if len(count) == 3:
            raise KeyboardInterrupt
        count.append(part)
        original(self, part, content, made)

    monkeypatch.setattr(Store, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run", cluster=workers)
    monkeypatch.undo()
    assert len(parts(tmp_path / "run")) == 3
    kept = {name: (tmp_path / "run" / "parts" / f"{name}.json").stat().st_mtime_ns for name in parts(tmp_path / "run")}
    there, said = run(config, tmp_path / "run", resume=True)
    assert "3 of 8 parts are finished already" in said
    assert there == here
    for name, when in kept.items():
        assert (tmp_path / "run" / "parts" / f"{name}.json").stat().st_mtime_ns == when
    (tmp_path / "run" / "parts" / f"{count[0]}.json").unlink()
    there, _ = run(config, tmp_path / "run", resume=True, cluster=workers)
    assert there == here


def test_images_that_change_during_a_run_are_noticed_by_workers(config, place, workers, tmp_path, monkeypatch):
    from xaijax.bench import remote

    described = remote.described

    def changed(plan):
        values = json.loads(described(plan))
        values["digests"][3] = "0" * 32
        values["same"]["images"] = identity.of_images(plan.ids, values["digests"])
        return json.dumps(values)

    monkeypatch.setattr(remote, "described", changed)
    with pytest.raises(InputError, match=r"the pixels, masks or label of .*\.png are not those .*worker tcp://"):
        run(config, tmp_path / "run", cluster=workers)
    monkeypatch.setattr(
        remote, "described", lambda plan: described(plan).replace("perturbation.steps=4", "perturbation.steps=5")
    )
    with pytest.raises(InputError, match=r"none of the 2 workers can .*: settings of the run are others"):
        run(config, tmp_path / "other", cluster=workers)


def test_killed_workers_cost_their_parts_only(config, here, workers, slow, tmp_path, monkeypatch):
    monkeypatch.setattr(pooling, "TRIES", 100)
    slow(0.2)
    killed = []

    def kill(ending):
        draw = random.Random(1)
        while len(killed) < 3 and not ending.is_set():
            if len(parts(tmp_path / "run")) > len(killed) and (there := processes()):
                victim = draw.choice(there)
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.pid)
            ending.wait(draw.uniform(0.5, 1.5))

    with meanwhile(kill):
        there, _ = run(config, tmp_path / "run", cluster=workers)
    assert killed  # up to three, on a fast machine fewer before the run ends
    assert there == here


def compute(workers, tmp_path, happens, jobs=6):
    """What workers give for a few jobs, of which one does something; and what was said. A job squares its number."""
    marker, said = str(tmp_path / "once"), []

    def opener(text):  # a function in a function: it is sent with its code, since workers do not know this file
        def square(numbers):
            import os
            import time

            (number,) = numbers
            if number == 3:
                happens(os, time, marker)
            time.sleep(0.05)
            return number**2

        return square

    with connected(Address.read(workers), print) as client:
        pool = pooling.Pool(
            client, kind="scheduler", device="auto", made_by=identity.made_by(), mixed=False, minutes=None,
            say=said.append,
        )  # fmt: skip
        todo = (pooling.Job(f"part-{number}", (number,)) for number in range(jobs))
        found = {result.job.numbers[0]: result.value for result in pool.results(opener, happens.__name__, todo)}
    return found, said


@pytest.fixture
def impatient(monkeypatch):
    """A part may take a few times what the longest so far took, however busy this machine is."""
    monkeypatch.setattr(pooling, "LEAST", 3.0)
    monkeypatch.setattr(pooling, "TIMES", 5.0)


SQUARES = {number: number**2 for number in range(6)}


def test_a_worker_that_hangs_is_started_again(workers, tmp_path, impatient):
    def hangs(os, time, marker):
        if not os.path.exists(marker):
            open(marker, "w").close()
            time.sleep(1000)

    found, said = compute(workers, tmp_path, hangs)
    assert found == SQUARES
    assert re.fullmatch(
        r"the part part-3 is computed again: worker tcp://\S+ on \S+ took more than [\d.]+ min", "".join(said)
    )


def test_a_worker_that_answers_nothing_is_started_again(workers, tmp_path, impatient):
    """As on a machine that froze: its connections stay."""

    def stops(os, time, marker):
        if not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), 19)  # SIGSTOP

    before = {one.pid for one in processes()}
    found, said = compute(workers, tmp_path, stops)
    assert found == SQUARES
    assert " took more than " in "".join(said)
    assert len({one.pid for one in processes()} & before) <= 1


def test_a_part_that_ends_its_workers_is_named(workers, tmp_path):
    def ends(os, time, marker):
        os._exit(3)

    with pytest.raises(InputError, match=r"the part part-3 was given to 3 workers and none finished it: worker tcp://"):
        compute(workers, tmp_path, ends)


def test_errors_of_parts_are_said_with_their_worker(workers, tmp_path):
    def bad_input(os, time, marker):
        from xaijax._errors import InputError

        raise InputError("the method sobel gives NaN")

    def bad_disk(os, time, marker):
        if not os.path.exists(marker):
            open(marker, "w").close()
            raise OSError("the disk is gone")

    def fault(os, time, marker):
        return 1 / 0

    with pytest.raises(InputError, match=r"the method sobel gives NaN \(part part-3, worker tcp://"):
        compute(workers, tmp_path, bad_input)
    found, said = compute(workers, tmp_path, bad_disk)
    assert found == SQUARES
    assert "the disk is gone" in "".join(said)
    with pytest.raises(RuntimeError, match=r"part-3 failed on worker .*ZeroDivisionError") as caught:
        compute(workers, tmp_path, fault)
    assert "in fault" in caught.value.__notes__[0]  # the worker's traceback


def test_how_long_a_part_may_take():
    class Client:
        status = "running"

        def nthreads(self):
            return {"tcp://a:1": 1}

    def pool(minutes):
        made_by = {"packages": {}, "machine": {}}
        return pooling.Pool(
            Client(), kind="local", device="auto", made_by=made_by, mixed=False, minutes=minutes, say=print
        )

    assert pool(2.5).limit() == 150
    free = pool(None)
    assert free.limit() == 3600
    free.longest = 7.0
    assert free.limit() == 300
    free.longest = 60.0
    assert free.limit() == 600


@contextlib.contextmanager
def mixed_workers(*, differing):
    """Workers of which the first few have another version of JAX than this process says that it has."""
    import distributed

    other = "from xaijax._runs import identity\nidentity.packages = lambda: {'jax': '0.0.9'} # another\n"
    plain = {"nthreads": 1, "memory_limit": 0, "silence_logs": 50}
    spec = {
        number: {"cls": distributed.Nanny, "options": plain | ({"preload": [other]} if number < differing else {})}
        for number in range(2)
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0", "host": "127.0.0.1", "port": 0}}
    with distributed.SpecCluster(workers=spec, scheduler=scheduler, silence_logs=50) as made:
        yield made


def test_workers_that_differ_are_left_out(config, here, slow, tmp_path, monkeypatch):
    monkeypatch.setattr(pooling, "SETTLE", 2.0)
    slow(0.05)
    with mixed_workers(differing=1) as made:
        there, said = run(config, tmp_path / "run", cluster=made.scheduler_address)
        assert there == here
        assert "is left out: " in said
        assert "jax is " in said
        assert " here and 0.0.9 there" in said
    for part in parts(tmp_path / "run")[2:5]:
        (tmp_path / "run" / "parts" / f"{part}.json").unlink()
    with mixed_workers(differing=2) as made:
        with pytest.raises(InputError, match=r"none of the 2 workers .*jax is .* here and 0\.0\.9 there"):
            run(config, tmp_path / "run", resume=True, cluster=made.scheduler_address)
        mixed, _ = run(config, tmp_path / "run", resume=True, cluster=made.scheduler_address, allow_mixed=True)
    kinds = json.loads((tmp_path / "run" / "run.json").read_text())["machines"]
    assert [(kind["parts"], kind["packages"]["jax"]) for kind in kinds] == [
        (5, identity.packages()["jax"]),
        (3, "0.0.9"),
    ]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Parts were computed by several kinds of workers" in page
    scores = {name for name in here if name.startswith("scores/")}
    assert {name: mixed[name] for name in scores} == {name: here[name] for name in scores}
    # Without the option what others made is computed again.
    again, said = run(config, tmp_path / "run", resume=True)
    assert "3 finished parts are computed again" in said
    assert again == here
    assert "several kinds of workers" not in (tmp_path / "run" / "report.html").read_text()


def test_a_scheduler_that_ends_leaves_what_is_finished(config, here, slow, tmp_path):
    slow(0.05)
    with connected(Address.read("local:1"), print) as client:
        address = client.scheduler.address

        def end(ending):
            while not parts(tmp_path / "run") and not ending.wait(0.05):
                pass
            client.cluster.close()

        with (
            meanwhile(end),
            pytest.raises(InputError, match=r"the scheduler does not answer any more; what is finished"),
        ):
            run(config, tmp_path / "run", cluster=address)
    assert 0 < len(parts(tmp_path / "run")) < 8
    assert run(config, tmp_path / "run", resume=True)[0] == here


def test_ctrl_c_ends_all_processes_and_keeps_the_parts(config, here, slow, tmp_path):
    """As in a terminal: the signal reaches the whole group of processes."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("started without Ctrl-C, as is all that it starts")
    slow(0.3)
    out = tmp_path / "run"
    words = ["--data", config.data, "--mask-role", "lesion", "--model", *config.model, "--count", "16", "--part", "2"]
    words += ["--methods", *config.methods, "--metrics", *config.metrics, "--set", *config.set, "--gallery", "3"]
    words += ["--calibration", "none", "--cluster", "local:2", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "xaijax", "bench", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out.is_dir() and parts(out)) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, said
    assert "add --resume to resume it" in said
    assert "Traceback" not in said
    gone, left = psutil.wait_procs(started, timeout=10)
    assert gone
    assert not left
    assert 0 < len(parts(out)) < 8
    assert cli.main(["bench", "--resume", "--out", str(out), "--cluster", "local:1"]) == 0
    assert files(out) == here


SBATCH = """#!{python}
import subprocess, sys, time
log = open({folder!r} + "/log", "a")
script = open(sys.argv[-1]).read()  # the file goes away
job = subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log, start_new_session=True)
print("Submitted batch job", job.pid)
"""
SCANCEL = """#!{python}
import os, signal, sys
os.killpg(int(sys.argv[-1]), signal.SIGKILL)
"""


@pytest.fixture
def slurm_commands(tmp_path, monkeypatch):
    """A stand-in for Slurm's two commands, which starts what dask-jobqueue submits."""
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        path = tmp_path / "bin" / name
        path.write_text(text.format(python=sys.executable, folder=str(tmp_path)))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")


# dask-jobqueue leaves a cluster half made where its settings are missing, which complains when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_of_a_batch_system_compute_parts(config, here, slurm_commands, tmp_path):
    import dask
    import dask_jobqueue  # noqa: F401 - its defaults, which stay when the settings below are taken back

    slurm = {"cores": 1, "processes": 1, "memory": "2GB", "interface": "lo", "walltime": "00:10:00"}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in slurm.items()}):
        there, said = run(config, tmp_path / "run", cluster="slurm:2")
    assert there == here, (tmp_path / "log").read_text()
    assert "asking slurm for 2 jobs" in said
    with pytest.raises(InputError, match=r"--cluster slurm cannot be started: .*how much cores and memory"):
        run(config, tmp_path / "none", cluster="slurm")
    assert not (tmp_path / "none").exists()


PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "cluster.md"


@pytest.mark.slow
def test_the_tutorial_runs_as_it_is_written(slurm_commands, tmp_path, monkeypatch):
    """But for the port, the network of the nodes and their GPUs."""
    import dask
    import dask_jobqueue  # noqa: F401 - its defaults, which stay when the settings below are taken back
    import yaml

    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    text = PAGE.read_text("utf-8").replace("8786", port)
    slurm = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])["jobqueue"]["slurm"]
    slurm |= {"interface": "lo", "job-extra-directives": [], "job-script-prologue": []}
    found = re.findall(r"```python\n(.*?)```|^    ((?:xaijax bench|dask) [^\n]*)$", text, re.DOTALL | re.MULTILINE)
    names, started = {}, []
    try:
        with dask.config.set({"jobqueue.slurm": dask.config.get("jobqueue.slurm", {}) | slurm}):
            for code, line in found:
                words = shlex.split(line)
                if code:
                    exec(compile(code, PAGE.name, "exec"), names)
                elif words[0] == "dask":
                    command = [sys.executable, "-m", f"distributed.cli.dask_{words[1]}", *words[2:]]
                    log = (tmp_path / "dask.log").open("a")
                    started.append((subprocess.Popen(command, stdout=log, stderr=log), log))
                else:
                    assert cli.main(words[1:]) == 0, (tmp_path / "dask.log").read_text()
    finally:
        for process, log in started:
            process.terminate()
            process.wait()
            log.close()
    assert len(started) == 2
    assert names["results"]("runs/slurm") == names["results"]("runs/laptop")


@pytest.mark.parametrize("text", ["local", "local:0", "local:x", "host:8786", "tcp://host", "kubernetes", "slurm:-1"])
def test_other_addresses_are_refused(text):
    with pytest.raises(InputError, match=r"--cluster is .*; it must be local:N, tcp://HOST:PORT, .*"):
        bench.run(BenchConfig(cluster=text))
    assert cli.main(["bench", "--cluster", text]) == 2


def test_a_run_in_object_storage_is_written_from_here_alone(config, here, workers, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address = "memory://bucket/run"  # of this process: workers do not see it
    said = io.StringIO()
    out = bench.run(
        dataclasses.replace(config, out=Path(address), cluster=workers), console=Console(file=said, width=10_000)
    )
    with storage.reading((Path(address),)) as (copy,):
        assert files(copy) == files(out) == here
    assert f"kept in {address}" in said.getvalue()


def test_a_scheduler_that_is_not_there_is_said(config, tmp_path, monkeypatch):
    monkeypatch.setattr("xaijax._runs.cluster.address.CONNECT", 1)
    with pytest.raises(InputError, match="no scheduler answers there; start one with `dask scheduler`"):
        run(config, tmp_path / "run", cluster="tcp://127.0.0.1:9")
    assert not (tmp_path / "run").exists()


def test_without_a_cluster_dask_is_not_imported(config, tmp_path, monkeypatch):
    for name in ("dask", "distributed", "dask_jobqueue"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    run(dataclasses.replace(config, count=2), tmp_path / "run")
    with pytest.raises(InputError, match=r"--cluster needs Dask: pip install 'xaijax\[cluster\]'"):
        run(config, tmp_path / "other", cluster="local:2")
    code = "import sys, xaijax.bench, xaijax.calibrate, xaijax._runs.cluster, xaijax.bench.remote\n"
    code += "sys.exit(any(name in sys.modules for name in ('dask', 'distributed')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_paths_are_those_of_this_process(place, monkeypatch):
    monkeypatch.chdir(place)
    found = cluster.absolute({"data": "data", "model": ["stripes.py:predict", "network-3", "builtin"], "labels": None})
    assert found["data"] == str(place / "data")
    assert found["model"] == [f"{place}/stripes.py:predict", str(place / "network-3"), "builtin"]
    assert found["labels"] is None
    assert cluster.absolute({"data": "data/{000..127}.tar"})["data"] == f"{place}/data/{{000..127}}.tar"
    assert cluster.absolute({"data": "https://host/a.tar"})["data"] == "https://host/a.tar"
    assert Path(found["data"]).is_dir()
