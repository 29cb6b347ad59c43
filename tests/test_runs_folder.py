"""Run folders: written whole, locked, resumed only as what was started, cleaned up with care."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xaijax import _files
from xaijax._errors import InputError
from xaijax._runs import checksums, folder, tables
from xaijax._runs.folder import RunFolder
from xaijax._runs.lock import Lock


def start(path, **config):
    with RunFolder(path, "run", resume=False) as run:
        run.describe({"config": config})


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    folder.write_text(path, "one")
    with pytest.raises(RuntimeError):
        _files.write_whole(path, lambda file: (_ for _ in ()).throw(RuntimeError("stop")))
    assert path.read_text() == "one"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("make", "resume", "sentence"),
    [
        (lambda path: path.write_text("x"), False, "is a file; name a folder for the run with --out"),
        (lambda path: start(path), False, "already holds a run; add --resume to resume it"),
        (lambda path: (path.mkdir(), (path / "a").touch()), False, "is not empty; name another folder"),
        (lambda path: None, True, r"holds no run to resume \(run.json is missing\); leave --resume out"),
        (lambda path: (path.mkdir(), (path / "a").touch()), True, "holds no run to resume .* name the folder of one"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path, make, resume, sentence):
    path = tmp_path / "out"
    make(path)
    before = sorted(entry.name for entry in tmp_path.rglob("*"))
    with pytest.raises(InputError, match=sentence):
        RunFolder(path, "run", resume=resume)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == before


def test_a_run_is_resumed_only_with_the_options_it_was_started_with(tmp_path):
    path = tmp_path / "out"
    start(path, seed=0, out="a", augmentation={"zoom": 0.1})
    with RunFolder(path, "run", resume=True) as run:
        run.check_same({"seed": 0, "out": "b", "augmentation": {"zoom": 0.1}}, free={"out"})
        with pytest.raises(InputError, match=r"other options: --seed was 0, now 1; --augmentation.zoom was 0.1, now 0"):
            run.check_same({"seed": 1, "augmentation": {"zoom": 0}})


@pytest.mark.parametrize("text", ["", "[]", '"a"', "{", "null", '{"config": null}', '{"config": []}', "{}"])
def test_a_damaged_description_is_one_sentence(tmp_path, text):
    path = tmp_path / "out"
    start(path)
    (path / "run.json").write_text(text)
    with (
        RunFolder(path, "run", resume=True) as run,
        pytest.raises(InputError, match="start a new run in another folder"),
    ):
        run.check_same({"seed": 0})


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / "out"
    start(path)
    with RunFolder(path, "run", resume=True):
        code = (
            "from xaijax._runs.folder import RunFolder; from pathlib import Path; "
            f"RunFolder(Path({str(path)!r}), 'run', resume=True)"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another process is using" in found.stderr
    with RunFolder(path, "run", resume=True):
        pass


def test_a_killed_process_holds_no_lock(tmp_path):
    path = tmp_path / "out"
    code = (
        "import os, signal; from pathlib import Path; from xaijax._runs.folder import RunFolder; "
        f"run = RunFolder(Path({str(path)!r}), 'run', resume=False); run.describe({{'config': {{}}}}); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (path / f"{folder.TEMPORARY}{os.getpid()}-left").touch()
    with RunFolder(path, "run", resume=True):
        assert sorted(entry.name for entry in path.iterdir()) == [".lock", "run.json"]


def part(path, name, text):
    file = path / "scores" / f"{name}.parquet"
    folder.write_text(file, text)
    checksums.write_part(path, name, [file], {"of": name})


def test_damaged_parts_are_found_and_computed_again(tmp_path):
    path = tmp_path / "out"
    with RunFolder(path, "run", resume=False) as run:
        run.describe({"config": {}})
        for name in "abcd":
            part(path, name, "0123456789")
        folder.write_text(path / "report.html", "page")
    assert checksums.problems(path, folder.DESCRIPTION) == []
    (path / "scores" / "a.parquet").write_text("0123456788")
    (path / "scores" / "c.parquet").unlink()
    (path / "parts" / "d.json").write_text("{}")
    (path / "report.html").write_text("pag")
    found = {one.file: one.part for one in checksums.problems(path, folder.DESCRIPTION)}
    assert found == {"scores/a.parquet": "a", "scores/c.parquet": "c", "parts/d.json": "d", "report.html": None}
    (path / "parts" / "d.json").write_text('{"files": {}, "made": 1, "sha256": "0"}')
    with RunFolder(path, "run", resume=True) as run:
        said = run.repair()
        assert checksums.part_files(path) == ["b"]
    assert said == [
        "report.html was changed after it was written; it is written again",
        "parts/d.json was changed after it was written: its checksum is another one; the part d is computed again",
        "scores/a.parquet was changed after it was written; the part a is computed again",
        "scores/c.parquet is gone; the part c is computed again",
    ]


def test_a_damaged_file_that_nothing_writes_again_is_refused(tmp_path):
    path = tmp_path / "out"
    with RunFolder(path, "training", resume=False) as run:
        run.describe({"config": {}})
        folder.write_text(path / "model.safetensors", "weights")
    (path / "model.safetensors").write_text("weightz")
    with (
        RunFolder(path, "training", resume=True) as run,
        pytest.raises(InputError, match=r"model\.safetensors was changed after it was written, .* put it back"),
    ):
        run.repair()
    assert (path / "checksums.json").is_file()


def test_files_of_other_people_in_a_run_folder_are_theirs(tmp_path):
    path = tmp_path / "out"
    with RunFolder(path, "training", resume=False) as run:
        run.describe({"config": {}})
        folder.write_text(path / "model.safetensors", "weights")
        (path / "mine.txt").write_text("notes")
    (path / "notes.md").write_text("seen on Monday")
    with RunFolder(path, "training", resume=True) as run:
        assert run.repair() == []
    (path / "notes.md").write_text("seen on Tuesday")
    (path / "mine.txt").unlink()
    assert checksums.problems(path, folder.DESCRIPTION) == []
    with RunFolder(path, "training", resume=True) as run:
        assert run.repair() == []


def test_a_resumed_run_that_is_killed_still_knows_its_files(tmp_path):
    path = tmp_path / "out"
    with RunFolder(path, "training", resume=False) as run:
        run.describe({"config": {}})
        folder.write_text(path / "model.safetensors", "weights")
    killed = RunFolder(path, "training", resume=True)
    killed.repair()
    killed.close()
    assert not checksums.finished(path)
    with RunFolder(path, "training", resume=True) as run:
        run.repair()
    assert checksums.finished(path)
    (path / "model.safetensors").write_text("weightz")
    assert [one.file for one in checksums.problems(path, folder.DESCRIPTION)] == ["model.safetensors"]


def said(file):
    """The values of a signed file, or its name where it is refused by name."""
    try:
        return checksums.signed(checksums.read_signed(file))
    except InputError as error:
        return file.name if file.name in str(error) else str(error)


def test_every_changed_byte_of_a_run_is_noticed(tmp_path):
    """Or reads as the same values, such as another space in a JSON file."""
    path = tmp_path / "out"
    with RunFolder(path, "run", resume=False) as run:
        run.describe({"config": {"seed": 0, "names": ["a", "b"]}, "share": 0.1})
        part(path, "a", "some numbers")
        folder.write_text(path / "report.html", "page")
    files = [file for file in path.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"run.json", "checksums.json", "a.json", "a.parquet", "report.html"}
    for file in files:
        name, kept = file.relative_to(path).as_posix(), file.read_bytes()
        values = json.loads(kept) if file.suffix == ".json" else None
        for place in range(len(kept)):
            for changed in {kept[place] ^ 1, kept[place] ^ 0x80, 0} - {kept[place]}:
                file.write_bytes(kept[:place] + bytes([changed]) + kept[place + 1 :])
                found = [one.file for one in checksums.problems(path, folder.DESCRIPTION)]
                if name not in found:
                    assert json.loads(file.read_text("utf-8")) == values, (name, place, changed)
                if values is not None:  # what reads the file says so too, or reads the same
                    assert said(file) in (values, file.name), (name, place, changed)
        file.write_bytes(kept)
    assert checksums.problems(path, folder.DESCRIPTION) == []


def test_the_lock_says_who_has_the_folder(tmp_path):
    first = Lock(tmp_path)
    with pytest.raises(InputError, match=rf"another process is using .*process {os.getpid()} on .*, since 20.*wait"):
        Lock(tmp_path)
    first.close()
    Lock(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_without_locks_of_the_system_a_living_owner_is_noticed_and_a_dead_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(Lock, "_system_lock", lambda self, folder: None)
    first = Lock(tmp_path, beat=0.05)
    with pytest.raises(InputError, match="another process is using"):
        Lock(tmp_path, beat=0.2)
    first._stop.set()  # a killed process gives no sign of life, and its file stays
    time.sleep(0.1)
    second = Lock(tmp_path, beat=0.05)
    second.close()


def test_a_failed_start_removes_what_it_made_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "b"
    run = RunFolder(path, "run", resume=False)
    run.describe({})
    run.discard()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    run = RunFolder(tmp_path / "mine", "run", resume=False)
    run.describe({})
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    run.discard()
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    start(tmp_path / "old")
    RunFolder(tmp_path / "old", "run", resume=True).discard()
    assert (tmp_path / "old" / "run.json").is_file()


def fail(path, error, make):
    """A run that describes itself, makes something and ends with an error."""
    with RunFolder(path, "run", resume=False) as run:
        run.describe({"config": {}})
        make()
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_before_the_first_result_leaves_nothing_behind(tmp_path, error):
    path = tmp_path / "deep" / "out"
    with pytest.raises(error):
        fail(path, error, lambda: (path / "rounds" / "00").mkdir(parents=True))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(error):
        fail(path, error, lambda: folder.write_text(path / "rounds" / "00" / "log.jsonl", "{}"))
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert files == ["rounds/00/log.jsonl", "run.json"]
    with pytest.raises(error), RunFolder(path, "run", resume=True):
        raise error
    assert (path / "run.json").is_file()


def test_what_kind_of_run_a_folder_holds_is_known(tmp_path):
    path = tmp_path / "out"
    with RunFolder(path, "training", resume=False) as run:
        run.describe({"config": {"seed": 0}, "started": "before"})
    with pytest.raises(InputError, match=r"holds a training and no cascade to resume; name another folder with --out"):
        folder.check_start(path, "cascade", {"seed": 0}, resume=True)
    folder.check_start(path, "training", {"seed": 0}, resume=True)
    with pytest.raises(InputError, match="is not empty; name another folder with --out"):
        RunFolder(path, "evaluation", resume=None)
    with RunFolder(path, "training", resume=True) as run:
        run.describe({"config": {"seed": 0}, "started": "now"})
        assert run.description() == {"kind": "training", "config": {"seed": 0}, "started": "before"}


def test_ctrl_c_says_how_to_resume_what_there_is(tmp_path):
    import io

    from rich.console import Console

    from xaijax._runs import progress

    said = Console(file=io.StringIO())
    with pytest.raises(KeyboardInterrupt), progress.resumable(said, tmp_path):
        raise KeyboardInterrupt
    assert said.file.getvalue() == ""
    start(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), progress.resumable(said, tmp_path / "run"):
        raise KeyboardInterrupt
    assert "add --resume to resume it" in said.file.getvalue().replace("\n", "")


def test_a_full_disk_names_the_file_and_leaves_no_part_of_it(tmp_path, monkeypatch, capsys):
    """The system names no file where a write fails; the command says which, and what to do."""
    from xaijax import _files, cli

    def full(path, write):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files, "_write_and_sync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        folder.write_text(tmp_path / "report.html", "page")
    assert caught.value.filename == str(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    assert cli._report(caught.value) == 2
    assert capsys.readouterr().err.endswith(
        "report.html: No space left on device; free some space, or name another folder with --out\n"
    )


def test_a_folder_that_cannot_be_written_to_is_said_to_be_one(capsys):
    from xaijax import cli

    with pytest.raises(OSError, match=r"/proc/nowhere") as caught:
        RunFolder(Path("/proc/nowhere/run"), "run", resume=False)
    assert cli._report(caught.value) == 2
    assert "/proc/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("moment", [0, 4_000_000_000], ids=["1970", "2096"])
def test_a_clock_that_jumps_changes_nothing(tmp_path, moment):
    """Files, and the lock of a process that was killed, from long ago or from the future."""
    path = tmp_path / "out"
    with RunFolder(path, "run", resume=False) as run:
        run.describe({"config": {"seed": 0}})
        part(path, "a", "some numbers")
    (path / ".lock").write_text("{}")
    for file in [path, *path.rglob("*")]:
        os.utime(file, (moment, moment))
    assert checksums.problems(path, folder.DESCRIPTION) == []
    with RunFolder(path, "run", resume=True) as run:
        run.check_same({"seed": 0})
        assert run.repair() == []
        assert checksums.part_files(path) == ["a"]


def test_a_table_for_programs_keeps_the_digits_of_large_numbers():
    """Six significant digits of 1e9 + 0.25 are 1e+09, and a difference of two such numbers is nothing."""
    values = [1e9 + 0.25, -1234567.875, 2.0**53, 0.123456789, 1e-300, float("nan")]
    text = tables.to_csv([{"value": value} for value in values])
    assert text.splitlines()[1:] == ["1000000000.25", "-1234567.875", "9007199254740992.0", "0.123457", "1e-300", '""']
