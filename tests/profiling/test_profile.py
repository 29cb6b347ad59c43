"""Cells, programs, traces, and the whole command, on models that compile in a moment."""

import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import _cpu
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.profiling import ProfileConfig, cells, memory, programs, records, run, trace

SIDE, CLASSES = 6, 5


@pytest.fixture(scope="module")
def product():
    """Logits as one matrix product of the pixels: its operations are known."""
    weights = jax.random.normal(jax.random.key(0), (SIDE * SIDE * 3, CLASSES))
    return Classifier.from_function(lambda w, x: x.reshape(x.shape[0], -1) @ w, weights, input_shape=(SIDE, SIDE, 3))


def cell_of(method, classifier, batch=4, **options):
    identity = {"model": "m", "method": method, "batch": batch, "size": SIDE, "precision": "float32", "device": "cpu"}
    return cells.make(method, classifier, identity, jax.devices()[0], options)


def test_a_forward_pass_is_counted_and_compiled_once(product):
    cell = cell_of("forward", product)
    cell.warm(3, 60.0)
    for _ in cells.take_turns([cell], lambda *_: None):
        pass
    assert cell.flops == 2 * 4 * SIDE * SIDE * 3 * CLASSES
    assert cell.compiled.count("jit(forward)") == 1  # conversions may be compiled next to it, where no test did before
    assert len(cell.seconds) == cell.repeats == 3
    assert cell.units == [1.0] * 3
    assert set(cell.programs.found[0].compile_seconds) == {"trace", "lower", "compile"}
    assert min(cell.programs.found[0].compile_seconds.values()) > 0


def test_a_looping_method_counts_every_step(product):
    cell = cell_of("integrated_gradients", product, batch=2, steps=12, batch_size=4)
    cell.warm(1, 60.0)
    cell.time()
    assert cell.compiled == ["jit(integrated_gradients)"]
    # At each of 12 points of each of 2 images a forward and a backward product, and little else.
    needed = 12 * 2 * 2 * 2 * SIDE * SIDE * 3 * CLASSES
    program = cell.programs.found[0]
    assert needed <= program.count.flops < 3 * needed
    assert program.count.once < program.count.flops / 5


def test_a_method_on_the_host_is_the_sum_of_its_programs(product):
    segments = [np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE) < 18 for _ in range(2)]
    cell = cell_of("xrai", product, batch=2, steps=3, segments=segments, min_pixel_diff=1)
    cell.warm(1, 60.0)
    cell.time()
    assert [program.calls for program in cell.programs.found] == [1]
    assert 0 <= cell.host_share <= 1


def test_programs_compile_again_for_another_shape_only():
    double = _cpu.jit(lambda x: x * 2)
    found = programs.Programs()
    with found.running():
        for size in (3, 4, 3, 4, 4):
            np.testing.assert_array_equal(double(jnp.ones(size)), 2)
    assert [program.calls for program in found.found] == [2, 3]
    with _cpu.run_by(lambda jitted, static, args: "seen"):
        assert double(jnp.ones(3)) == "seen"
        assert jax.jit(lambda x: double(x) + 1)(jnp.ones(3))[0] == 3  # inside another program it is part of that one


def test_what_would_take_too_long_is_not_compiled(product):
    cell = cells.make("integrated_gradients", product, cell_of("forward", product).identity, jax.devices()[0], {},
                      rate=1.0, limit=10.0)  # fmt: skip
    with pytest.raises(cells.TooLongError), programs.compilations() as names:
        cell.warm(1, 10.0)
    assert "jit(integrated_gradients)" not in names


def test_turns_are_taken_forwards_and_backwards():
    order = []

    class Fake:
        def __init__(self, name, repeats):
            self.name, self.repeats, self.units = name, repeats, []
            self.identity = dict.fromkeys(("model", "precision", "batch", "size", "device"), 1) | {"method": name}

        def time(self):
            order.append(self.name)
            return {"forward": 2.0, "a": 6.0, "b": 1.0}[self.name]

    made = [Fake("forward", 2), Fake("a", 3), Fake("b", 1)]
    list(cells.take_turns(made, lambda *_: None))
    assert order == ["forward", "a", "b", "a", "forward", "forward", "a"]
    assert made[1].units == [3.0, 3.0, 3.0]
    assert made[2].units == [0.5]


def test_peak_memory_of_a_known_block():
    peak = memory.Peak(None)
    peak.start()
    block = np.ones(1 << 23)
    del block
    found = peak.bytes()
    if found is None:
        pytest.skip("the kernel does not let the peak be set back")
    assert 0.9 * (8 << 23) <= found < 2 * (8 << 23)  # Linux counts pages in small lots


def test_a_trace_is_read_back(tmp_path):
    with pytest.raises(InputError, match="holds no trace"):
        trace.heaviest(tmp_path)
    work = _cpu.jit(lambda x: jnp.tanh(x @ x).sum())
    x, found = jnp.ones((400, 400)), programs.Programs()
    with found.running():
        work(x)
    heaviest = trace.trace(lambda: work(x), found, tmp_path)
    assert 1 <= len(heaviest) <= 10
    assert any("dot" in operation.name or "fusion" in operation.name for operation in heaviest)
    times = [operation.nanoseconds for operation in heaviest]
    assert times == sorted(times, reverse=True)
    assert times[0] > 0


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """A profile of two cells, one of them left out."""
    out = tmp_path_factory.mktemp("profile") / "small"
    given = {"model": ("small_cnn",), "methods": ("grad_cam", "attention_rollout"), "batch": (2,), "size": 32}
    config = ProfileConfig(**given, class_count=3, repeat=6, out=out)
    assert run(config) == out
    return config


def test_the_command_writes_records_figures_and_a_report(profiled):
    found = {record["method"]: record for record in records.read(profiled.out / "profile.jsonl").values()}
    assert set(found) == {"forward", "grad_cam", "attention_rollout"}
    cam = found["grad_cam"]
    assert cam["compilations"] == 1
    assert len(cam["seconds"]) == 6
    assert cam["images_per_second"]["median"] == pytest.approx(2 / cam["latency"]["median"], rel=0.2)
    assert cam["flops"] >= found["forward"]["flops"] > 1e6
    assert cam["flops"] == pytest.approx(cam["xla_flops"], rel=0.1)
    assert cam["needs"] == 1
    assert "transformer" in found["attention_rollout"]["skipped"]
    for key in ("command", "machine", "versions", "flags", "ceilings", "verdict"):
        assert cam[key]
    text = (profiled.out / "profile.html").read_text()
    assert "grad cam" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert len(list((profiled.out / "figures").glob("*.svg"))) == 2


def test_a_finished_profile_is_not_measured_again_and_compares_with_itself(profiled, capsys):
    import dataclasses

    path = profiled.out / "profile.jsonl"
    with pytest.raises(InputError, match="add --resume"):
        run(profiled)
    before = path.read_text()
    run(dataclasses.replace(profiled, resume=True, compare=path))
    assert path.read_text() == before
    assert "0 of 2 slower beyond noise" in capsys.readouterr().out


def test_ctrl_c_keeps_what_was_timed(profiled, tmp_path, monkeypatch, capsys):
    import dataclasses

    real, calls = cells.Cell.time, []

    def interrupted(self):
        calls.append(self.name)
        if len(calls) > 9:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(cells.Cell, "time", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(profiled, out=tmp_path, repeat=6))
    kept = records.read(tmp_path / "profile.jsonl")
    counts = {record["method"]: len(record.get("seconds", ())) for record in kept.values()}
    assert 0 < counts["grad_cam"] < 6
    assert "resume with: xaijax profile" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "profile.html").exists()


def test_ctrl_c_while_compiling_keeps_what_is_compiled_and_resume_goes_on(profiled, tmp_path, monkeypatch, capsys):
    import dataclasses

    real = cells.Cell.warm

    def interrupted(self, *args):
        if self.identity["method"] == "layer_cam":
            raise KeyboardInterrupt
        real(self, *args)

    given = {"methods": ("grad_cam", "layer_cam"), "out": tmp_path, "repeat": 2}
    config = dataclasses.replace(profiled, **given)
    monkeypatch.setattr(cells.Cell, "warm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(config)
    monkeypatch.setattr(cells.Cell, "warm", real)
    kept = {record["method"]: record for record in records.read(tmp_path / "profile.jsonl").values()}
    assert set(kept) == {"forward", "grad_cam"}
    for record in kept.values():
        assert len(record["seconds"]) == 1
        assert record["compile"]["compile"] > 0
        assert not records.finished(record, 1)
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("What was measured is kept") == 1
    run(dataclasses.replace(config, resume=True))
    done = {record["method"]: record for record in records.read(tmp_path / "profile.jsonl").values()}
    assert {method: len(record["seconds"]) for method, record in done.items()} == {
        "forward": 2,
        "grad_cam": 2,
        "layer_cam": 2,
    }
    assert not any(record.get("warming") for record in done.values())


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="started without Ctrl-C, as is all that it starts"
)
def test_sigint_ends_the_command_in_one_sentence_and_its_file_is_whole(tmp_path):
    import os
    import subprocess
    import sys
    import time

    command = [sys.executable, "-m", "xaijax", "profile", "--model", "small_cnn", "--class-count", "3", "--size", "16"]
    command += ["--methods", "grad_cam", "--batch", "1", "--repeat", "1000000", "--out", str(tmp_path / "p")]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    path = tmp_path / "p" / "profile.jsonl"
    until = time.monotonic() + 100
    while time.monotonic() < until and process.poll() is None and not (path.exists() and path.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.count("resume with: xaijax profile") == 1
    assert len(records.read(path)) >= 1
    assert all(json.loads(line)["seconds"] for line in path.read_text().splitlines())


def test_kernels_agree_and_are_timed(tmp_path, capsys):
    out = tmp_path / "kernels"
    run(ProfileConfig(kernels=True, kernel=("top_k_threshold",), sides=(16,), threads=(1,), repeat=2, out=out))
    found = [json.loads(line) for line in (out / "profile.jsonl").read_text().splitlines()]
    assert {record["backend"] for record in found} >= {"C++", "C++ in jit", "numba", "NumPy, SciPy", "plain JAX"}
    for record in found:
        assert record["bytes_per_pixel"] == 8  # float32 in and out
        assert record["operations_per_pixel"] == 3
        assert record["nanoseconds_per_pixel"] == pytest.approx(1e9 * record["latency"]["median"] / (8 * 16 * 16))
    assert "top_k_threshold" in capsys.readouterr().out
    with pytest.raises(InputError, match="unknown kernel"):
        run(ProfileConfig(kernels=True, kernel=("top",), out=tmp_path / "x"))


def test_every_kernel_case_agrees_on_a_small_image():
    from xaijax.profiling import kernel_cases, kernels

    for case in kernel_cases.cases():
        arrays = case.inputs(12)
        # numba is left to the kernels' own tests: it would compile each of them here
        ways = kernel_cases.ways(case, arrays, (1,))
        results = {way: call() for way, call in ways.items() if way[0] != "numba"}
        first = next(iter(results.values()))
        for (backend, _), found in results.items():
            kernels._compare(case, backend, first, found)
    with pytest.raises(AssertionError, match="differs"):
        kernels._compare(case, "numba", first, first + 1)
