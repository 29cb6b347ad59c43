"""Statistics, verdicts, records and comparisons on made-up records."""

import json
from pathlib import Path

import numpy as np
import pytest

from xaijax import _options
from xaijax._errors import InputError
from xaijax.profiling import compare, config, records, roofline, run, show, statistics
from xaijax.profiling.config import ProfileConfig


def test_summary_of_eleven_numbers():
    values = [float(v) for v in range(11)]
    assert statistics.summary(values) == {"median": 5.0, "q1": 2.5, "q3": 7.5, "p95": 9.5}


def test_ratio_verdicts():
    rng = np.random.default_rng(0)
    old = 1 + 0.05 * rng.random(20)
    assert statistics.ratio(1.5 * old, old)["verdict"] == "slower"
    assert statistics.ratio(old / 1.5, old)["verdict"] == "faster"
    assert statistics.ratio(1 + 0.05 * rng.random(20), old)["verdict"] == "same"
    assert statistics.ratio(1.01 * np.ones(20), np.ones(20))["verdict"] == "same"  # sure, but below the noise floor
    assert statistics.ratio([2.0] * 4, [1.0] * 20)["verdict"] == "too few"
    found = statistics.ratio([3.0] * 5, [2.0] * 5)
    assert (found["ratio"], found["low"], found["high"]) == (1.5, 1.5, 1.5)


def test_exponent_of_a_power_with_noise():
    rng = np.random.default_rng(1)
    x = np.geomspace(1, 100, 12)
    found = statistics.exponent(x, 3 * x**1.5 * np.exp(0.05 * rng.standard_normal(12)))
    assert found["low"] < 1.5 < found["high"]
    assert found["high"] - found["low"] < 0.1
    assert found["factor"] == pytest.approx(3, rel=0.2)
    with pytest.raises(ValueError, match="three different sizes"):
        statistics.exponent([1, 1, 2], [1, 1, 2])


def test_roofline_verdicts():
    def bound(flops, traffic, seconds, host=0.0):
        return roofline.verdict(flops, traffic, seconds, peak_flops=1e11, peak_bytes=1e10, host_share=host)

    assert (bound(1e9, 1e6, 0.01).bound, bound(1e9, 1e6, 0.01).share) == ("arithmetic", 1.0)
    copy = bound(1e8, 1e8, 0.02)  # one operation a byte: the roof is at 1e10
    assert (copy.bound, copy.intensity, copy.share) == ("memory", 1.0, 0.5)
    assert bound(1e9, 1e6, 1.0).bound == "overhead"
    assert bound(1e9, 1e6, 0.01, host=0.6).bound == "host"
    assert bound(0.0, 0.0, 0.01).share == 0.0


def record(method, seconds, **more):
    return {
        "kind": "method",
        "model": "m",
        "method": method,
        "batch": 8,
        "size": 64,
        "precision": "float32",
        "device": "cpu",
        "options": {},
        "repeats": len(seconds),
        "seconds": list(seconds),
        "latency": statistics.summary(seconds),
        "units": {"median": float(np.median(seconds))},
    } | more


def test_records_come_back_and_the_last_counts(tmp_path):
    path = tmp_path / "deep" / "profile.jsonl"
    records.append(path, record("a", [1.0]))
    records.append(path, record("b", [2.0]))
    records.append(path, record("a", [3.0]))
    with path.open("a") as file:
        file.write('{"method": "cut off')  # by a kill
    found = records.read(path)
    assert [one["seconds"] for one in found.values()] == [[3.0], [2.0]]
    path.write_text('nonsense\n{"method": "a"}\n')
    with pytest.raises(InputError, match="line 1 is not JSON"):
        records.read(path)
    path.write_text("[1]\n")
    with pytest.raises(InputError, match="not a record"):
        records.read(path)


def test_options_and_batches_tell_cells_apart():
    one = record("a", [1.0])
    assert records.identity(one) == records.identity(json.loads(json.dumps(one)))
    for change in ({"options": {"steps": 3}}, {"batch": 1}, {"precision": "bfloat16"}, {"device": "gpu"}):
        assert records.identity(one | change) != records.identity(one)


def test_what_is_finished():
    assert not records.finished(None, 5)
    assert records.finished(record("a", [1.0] * 5), 5)
    assert not records.finished(record("a", [1.0] * 3, repeats=5), 5)  # interrupted
    assert records.finished(record("a", [1.0] * 2), 5)  # the limit allowed no more
    assert records.finished({"method": "a", "skipped": "why"}, 5)


def test_compare_marks_what_got_slower_beyond_noise():
    rng = np.random.default_rng(0)
    noise = 1 + 0.1 * rng.random(20)
    old = [record("slow", noise), record("same", noise), record("fast", noise), record("gone", noise)]
    new = [record("slow", 1.3 * noise), record("same", noise[::-1]), record("fast", 0.5 * noise), record("new", noise)]
    by = lambda rows: {records.identity(row): row for row in rows}  # noqa: E731
    found = compare.compare(by(new), by(old))
    assert [change.name.split(",")[0] for change in found] == ["slow", "same", "fast"]
    assert [change.verdict for change in found] == ["slower", "same", "faster"]
    assert found[0].ratio == pytest.approx(1.3)
    assert found[0].units == pytest.approx(1.3)
    table = compare.table(found, Path("old.jsonl"))
    assert table.marked == {0}
    assert "1 of 3 slower" in table.notes[0]


def test_a_comparison_with_nothing_is_no_pass(tmp_path):
    table = compare.table([], Path("old.jsonl"))
    assert "nothing was compared" in table.notes[0]
    assert "0 of 0" not in table.notes[0]
    for text in ("", json.dumps({"method": "a", "skipped": "why"}) + "\n"):
        path = tmp_path / "old.jsonl"
        path.write_text(text)
        with pytest.raises(InputError, match=r"holds no timed cell: give the profile\.jsonl"):
            run(ProfileConfig(compare=path, out=tmp_path / "out"))
        assert not (tmp_path / "out").exists()


def test_numbers_as_they_are_shown():
    assert [show.number(v) for v in (0.0, 999.4, 1000.0, 12345.0, 999999.0, 2.5e6, float("nan"))] == [
        *("0", "999", "1000", "12300", "1000000", "2.5e+06", "–"),
    ]
    assert (show.size(500), show.size(1023 * 2**10), show.size(None)) == ("500 B", "1020 KiB", "–")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeat": 0}, "--repeat is 0; it must be at least 1"),
        ({"batch": (0,)}, "--batch is 0; it must be at least 1"),
        ({"batch": ()}, "need at least one value"),
        ({"limit": 0.0}, "--limit is 0; it must be a number of seconds above 0"),
        ({"resume": True}, "--resume needs --out"),
        ({"compare": Path("nowhere.jsonl")}, "does not exist"),
        ({"precision": ("bfloat16",), "optimized": False}, "needs --optimized"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        config.check(ProfileConfig(**options))


def test_options_of_methods():
    known = {"a": {"steps": int, "mode": str}}
    assert _options.from_texts(["a.steps=5", "a.mode=zero"], known) == {"a": {"steps": 5, "mode": "zero"}}
    for wrong in ("a.step=5", "b.steps=5", "a.steps", "steps=5"):
        with pytest.raises(InputError, match=r"did you mean|choose from|write "):
            _options.from_texts([wrong], known)


def test_the_command_repeats_what_differs_from_the_defaults():
    given = ProfileConfig(model=("resnet50",), batch=(1, 8), optimized=False, out=Path("x"))
    assert given.command() == "xaijax profile --model resnet50 --batch 1 8 --no-optimized"
