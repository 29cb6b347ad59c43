import json
import os
import re
import signal
import subprocess
import sys
import typing

import numpy as np
import pytest
from PIL import Image

from xaijax import __version__, cli
from xaijax._runs import terminal


def call(*arguments):
    """Exit status, whether the command returns it or exits with it."""
    try:
        return cli.main(arguments)
    except SystemExit as exit_:
        return exit_.code


def test_without_a_command_the_usage_is_printed(capsys):
    assert call() == 2
    assert call("--help") == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in cli.COMMANDS)
    assert call("--version") == 0
    assert __version__ in capsys.readouterr().out


def test_help_starts_fast_and_imports_nothing_heavy():
    heavy = ("jax", "flax", "numba", "matplotlib", "pyarrow", "scipy", "numpy")
    code = (
        "import sys, time; from xaijax.cli import main; status = main(['--help']);"
        f"print([name for name in {heavy!r} if name in sys.modules], time.process_time()); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, seconds = done.stdout.splitlines()[-1].rsplit(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < 1.0  # of the processor: the wall clock would measure who else is using it


def test_help_of_the_benchmark_does_not_start_jax():
    code = (
        "import sys\nfrom xaijax.cli import main\n"
        "try:\n    main(['bench', '--help'])\nexcept SystemExit as e:\n    assert e.code == 0\n"
        "assert not {'jax', 'matplotlib', 'pyarrow'} & set(sys.modules)"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for option in (
        "--data",
        "--model",
        "--methods",
        "--metrics",
        "--count",
        "--seed",
        "--out",
        "--resume",
        "--config",
    ):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["benhc"], "unknown command 'benhc': did you mean bench?"),
        (["bench", "--methods", "gradcan"], "unknown method 'gradcan': did you mean grad_cam"),
        (["bench", "--data", "no/such"], "there is no folder no/such"),
        (["bench", "--config", "none.toml"], "the configuration file none.toml does not exist"),
        (["bench", "--resume", "--out", "none"], "none holds no run to resume"),
        (["bench", "--count", "-3"], "--count is '-3'; it must be a whole number"),
        (["bench", "--set", "grad_cam.stepz=3"], "grad_cam has no option 'stepz'"),
        (["explain", "none.png", "--model", "builtin"], "the image none.png does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bench", "--metods", "random"], "xaijax bench has no option --metods: did you mean --methods or --metrics?"),
        (["bench", "--no-resum"], "has no option --no-resum: did you mean --no-resume"),
        (["bench", "--qqqq"], "xaijax bench has no option --qqqq: leave it out (xaijax bench --help lists all)"),
        (["bench", "--split", "al"], "--split is 'al'; it must be "),
        (
            ["profile", "--precision", "float32", "float16"],
            "--precision is 'float16'; it must be float32 or bfloat16: did",
        ),
        (["bench", "--config=pic-medcal"], "or the name of one that comes with the command: did you mean pic-medical?"),
        (["bench", "--count", "many"], "--count is 'many'; it must be a whole number"),
        (["bench", "--count", "3", "4"], "--count takes one value, and '4' is one more: leave one out"),
        (["bench", "--count", "--resume"], "--count needs a value: a whole number"),
        (["bench", "--resume", "yes"], "--resume takes no value, got 'yes': write --resume or --no-resume"),
        (["bench", "--resume=yes"], "--resume takes no value: write --resume or --no-resume"),
        (["bench", "brains"], "'brains' belongs to no option: options begin with --"),
        (["train", "--epochs", "3"], "xaijax train needs --data and --out"),
        # No model stands in for the one that is meant: the built-in one knows phantoms alone.
        (["explain", "scan.dcm"], "xaijax explain needs --model"),
        (["data"], "xaijax data needs DATA, right after the command"),
        (["data", "--classes", "a", "brains"], "xaijax data needs DATA, right after the command"),
        (["train", "--data", "d", "--out", "o", "--optimizer", "adam"], "--optimizer is 'adam'; it must be adamw or"),
        (["train", "--data", "d", "--out", "o", "--augmentation.flips", "1"], "did you mean --augmentation.flip"),
        (
            ["evaluate", "--data", "d", "--model", "m", "--out", "o", "--split", "al"],
            "test, all or fold-N: did you mean all?",
        ),
        (["explain", "a.png", "--model", "builtin", "--opacity", "much"], "--opacity is 'much'; it must be a number"),
        (["doctor", "--jso"], "xaijax doctor has no option --jso: did you mean --json"),
    ],
)
def test_a_misspelt_command_line_is_one_sentence_and_status_2(arguments, sentence, capsys, monkeypatch):
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("xaijax: error: ")
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


def test_what_only_the_parser_refuses_is_one_line_too(capsys, monkeypatch):

    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    from xaijax._runs import command_line

    monkeypatch.setattr(command_line, "fault", lambda *arguments: "")
    assert call("bench", "--split", "stabel") == 2
    error = capsys.readouterr().err
    assert "stabel" in error
    assert "│" not in error
    assert len(error.strip().splitlines()) == 1


def test_the_sentences_know_every_option_of_every_command():
    """What the parser takes, the check before it takes too: all defaults, written out."""
    import importlib

    from xaijax._runs import command_line

    for command, (module, name, *_) in cli.COMMANDS.items():
        config_class = getattr(importlib.import_module(module), name)
        known = command_line.options(config_class)
        flags = [f"--{one.opposite}" for one in known if one.switch]
        assert command_line.fault(config_class, command, flags).startswith(f"xaijax {command} needs") == any(
            one.required for one in known
        )
        needed = [word for one in known if one.required and not one.positional for word in (f"--{one.name}", "x")]
        places = [one for one in known if one.positional]
        choices = [typing.get_args(one.kind) for one in places if typing.get_origin(one.kind) is typing.Literal]
        words = [choices[0][0]] if choices else ["a.png"] * len(places)
        config = cli.parse(command, [*words, *needed, *flags])
        assert all(getattr(config, one.name, False) is False for one in known if one.switch)


def test_the_traceback_is_shown_when_asked_for(monkeypatch):
    monkeypatch.setenv("XAIJAX_DEBUG", "1")
    with pytest.raises(ValueError, match="unknown command"):
        cli.main(["benhc"])


def test_the_backend_of_a_notebook_that_is_not_installed_here_does_no_harm():
    code = (
        "import sys; sys.argv = ['xaijax', '--version']; from xaijax import cli; cli.main(); import matplotlib.pyplot"
    )
    environment = os.environ | {"MPLBACKEND": "module://no_such_package.backend_inline"}
    code += "; import matplotlib.pyplot"
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr


def test_an_interrupt_inside_a_callback_of_the_garbage_collector_is_not_lost(monkeypatch, capsys):
    import gc
    import time

    hook = sys.unraisablehook
    sent = []

    def callback(phase, details):
        if not sent:
            sent.append(phase)
            raise KeyboardInterrupt  # as a signal's handler does; Python drops it here

    def command(name, args):
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        assert sent
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.01)
        return 0

    monkeypatch.setattr(cli, "_run", command)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
    try:
        assert cli.main(["bench"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "xaijax: interrupted\n"
    assert sys.unraisablehook is hook


def test_interruption_is_status_130_and_an_unexpected_error_is_status_1(monkeypatch, capsys):
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)

    def raises(error):
        def run(name, args):
            raise error

        monkeypatch.setattr(cli, "_run", run)
        return call("bench")

    assert raises(KeyboardInterrupt()) == 130
    assert raises(RuntimeError("two\nlines")) == 1
    assert "RuntimeError: two lines (XAIJAX_DEBUG=1 shows where)" in capsys.readouterr().err
    assert raises(FileNotFoundError(2, "No such file or directory", "x.png")) == 2
    assert "x.png: No such file or directory" in capsys.readouterr().err


def test_a_file_and_the_command_line_together(tmp_path):

    path = tmp_path / "run.toml"
    path.write_text('methods = ["random"]\ncount = 5\nresume = true\n')
    config = cli.parse("bench", ["--config", str(path), "--count", "7", "--no-resume"])
    assert (config.methods, config.count, config.resume) == (("random",), 7, False)
    assert config.config == path


def test_a_resumed_run_keeps_its_configuration(tmp_path):
    from xaijax._runs import command_line, folder
    from xaijax.bench import BenchConfig

    before = BenchConfig(count=9, methods=("sobel",), oracle=False)
    folder.write_json(tmp_path / "run" / "run.json", {"config": command_line.plain(before)})
    config = cli.parse("bench", ["--resume", "--out", str(tmp_path / "run")])
    assert (config.count, config.methods, config.oracle) == (9, ("sobel",), False)
    assert config.resume


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from xaijax import models

    folder = tmp_path_factory.mktemp("model") / "tiny"
    models.save(models.create("small_cnn", input_shape=(32, 32, 1), classes=("a", "b"), key=0), folder)
    return folder


def test_explain_writes_overlays_at_the_size_of_the_image(picture, checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--model", str(checkpoint), "--methods", "grad_cam", "random", "--out", str(out)]
    assert call("explain", str(picture), *options) == 0
    assert sorted(path.name for path in out.iterdir()) == ["scan.grad_cam.png", "scan.random.png"]
    for path in out.iterdir():
        with Image.open(path) as drawn:
            assert (drawn.size, drawn.mode) == ((70, 50), "RGB")
    assert "predicted" in capsys.readouterr().out
    assert call("explain", str(picture), *options) == 2
    assert "is there already; add --overwrite" in capsys.readouterr().err
    assert call("explain", str(picture), *options, "--overwrite", "--target", "b") == 0


def test_explain_reads_dicom_by_the_rule_of_all_commands(checkpoint, tmp_path, capsys):
    """Without a suffix, with a window that shows, transposed, and with what was assumed on stderr."""
    import pydicom
    from pydicom import uid

    stored = pydicom.Dataset()
    stored.file_meta = pydicom.dataset.FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = uid.CTImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = uid.generate_uid()
    stored.PatientName = "Doe^Jane"
    stored.Rows, stored.Columns, stored.SamplesPerPixel, stored.NumberOfFrames = 40, 60, 1, 2
    stored.BitsAllocated, stored.BitsStored, stored.HighBit, stored.PixelRepresentation = 16, 12, 11, 0
    stored.PhotometricInterpretation, stored.RescaleSlope, stored.RescaleIntercept = "MONOCHROME2", 1, -1000
    stored.PixelData = np.full((2, 40, 60), 1100, np.uint16).tobytes()
    (tmp_path / "series").mkdir()
    stored.save_as(tmp_path / "series" / "IM0001", enforce_file_format=True)
    options = ["--model", str(checkpoint), "--methods", "sobel", "--out", str(tmp_path / "out"), "--overwrite"]
    options += ["--opacity", "0"]
    seen = {}
    for window in (("0", "200"), ("0", "400"), ("200", "300"), ("auto",)):
        assert call("explain", str(tmp_path / "series"), *options, "--transpose", "--window", *window) == 0
        with Image.open(tmp_path / "out" / "IM0001.sobel.png") as drawn:
            assert drawn.size == (40, 60)
            seen[window] = np.asarray(drawn.convert("L")).mean()
    assert seen["0", "200"] == pytest.approx(127.5, abs=1)
    assert seen["0", "400"] == pytest.approx(63.75, abs=1)
    assert seen["200", "300"] == seen["auto",] == 0
    said = capsys.readouterr()
    assert "IM0001: the first of several frames was taken" in said.err
    assert "Doe" not in said.err + said.out
    assert call("explain", str(tmp_path / "series"), *options, "--window", "9", "3") == 2
    assert "--window is 9 3; give two numbers, LOW below HIGH, or auto, or file" in capsys.readouterr().err


def test_explain_counts_what_stands_in_the_way_of_dicom_objects(checkpoint, tmp_path, capsys):
    """One line for a reason, whatever the number of images; other formats are written all the same."""
    import pydicom
    from pydicom import uid

    for number in range(4):
        stored = pydicom.Dataset()
        stored.file_meta = pydicom.dataset.FileMetaDataset()
        stored.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        stored.SOPClassUID = uid.CTImageStorage
        stored.SOPInstanceUID, stored.SeriesInstanceUID = uid.generate_uid(), uid.generate_uid()
        if number < 3:  # no FrameOfReferenceUID; the last has no study either
            stored.StudyInstanceUID = uid.generate_uid()
        stored.Rows, stored.Columns, stored.SamplesPerPixel = 40, 60, 1
        stored.BitsAllocated, stored.BitsStored, stored.HighBit, stored.PixelRepresentation = 8, 8, 7, 0
        stored.PhotometricInterpretation = "MONOCHROME2"
        stored.PixelData = np.random.default_rng(number).integers(0, 256, (40, 60), np.uint8).tobytes()
        (tmp_path / "series").mkdir(exist_ok=True)
        stored.save_as(tmp_path / "series" / f"{number}.dcm", enforce_file_format=True)
    out = tmp_path / "out"
    options = ["--model", str(checkpoint), "--methods", "sobel", "--out", str(out), "--save", "dicom-seg", "png"]
    assert call("explain", str(tmp_path / "series"), *options) == 2
    assert sorted(path.name for path in out.iterdir()) == [f"{number}.sobel.png" for number in range(4)]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped")]
    assert len(said) == 2
    assert said[0].startswith(f"skipped 3 files, such as {out}/0.sobel.seg.dcm: dicom-seg cannot be made of its image:")
    assert "Frame" in said[0]
    assert "has no StudyInstanceUID, which a DICOM map must reference" in said[1]


def test_explain_goes_on_after_an_unreadable_image_and_says_so(picture, checkpoint, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "out"
    assert call("explain", str(tmp_path), "--model", str(checkpoint), "--methods", "sobel", "--out", str(out)) == 2
    assert [path.name for path in out.iterdir()] == ["scan.sobel.png"]
    assert "bad.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "c"], "which is not a class of model"),
        (["--target", "label"], "images that are given as files have no label: give --target predicted, or a class"),
        (["--opacity", "3"], "it must be a number from 0 to 1"),
        (["--methods", "gradcan"], "did you mean grad_cam"),
        (["--model", "none"], "none"),
    ],
)
def test_explain_refuses_bad_input(picture, checkpoint, tmp_path, capsys, options, sentence):
    out = tmp_path / "out"
    assert call("explain", str(picture), "--model", str(checkpoint), "--out", str(out), *options) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_explain_says_which_model_a_method_needs(picture, checkpoint, tmp_path, capsys):
    options = ["--model", str(checkpoint), "--out", str(tmp_path / "out")]
    assert call("explain", str(picture), *options, "--methods", "attention_rollout") == 2
    error = capsys.readouterr().err
    assert "attention_rollout needs a vision transformer" in error
    assert len(error.strip().splitlines()) == 1
    assert call("explain", str(picture), *options, "--methods", "ground_truth") == 2
    assert "unknown method 'ground_truth'" in capsys.readouterr().err


def test_explain_draws_a_table_of_the_part_that_is_asked_for(picture, checkpoint, tmp_path, capsys):
    """With --crop a wide image gives what its central square gives; --options reach the methods that have them."""
    out, table = tmp_path / "out", tmp_path / "table.png"
    with Image.open(picture) as image:
        left = (image.width - image.height) // 2
        image.crop((left, 0, left + image.height, image.height)).save(tmp_path / "square.png")
    options = [
        "--model",
        str(checkpoint),
        "--methods",
        "integrated_gradients",
        "sobel",
        "--set",
        "integrated_gradients.steps=3",
    ]
    more = ["--crop", "--table", str(table), "--out", str(out)]
    assert call("explain", str(picture), str(tmp_path / "square.png"), *options, *more) == 0
    assert f"table of overlays written to {table}" in capsys.readouterr().out.replace("\n", "")
    for method in ("integrated_gradients", "sobel"):
        assert (out / f"scan.{method}.png").read_bytes() == (out / f"square.{method}.png").read_bytes()
    with Image.open(table) as drawn:
        width, height = drawn.size
        assert height == 3 * (112 + 3)  # the images, and a row for each method
        pixels = np.asarray(drawn)
    assert (pixels[:, width - 115 : width - 3] == pixels[:, width - 230 : width - 118]).all()  # the same twice
    assert call("explain", str(picture), *options, "--table", str(table), "--out", str(tmp_path / "other")) == 2
    assert "is there already" in capsys.readouterr().err
    more = ["--bare", "--out", str(tmp_path / "bare")]
    assert call("explain", str(picture), *options, *more) == 0
    with Image.open(tmp_path / "bare" / "scan.sobel.png") as drawn:
        assert np.asarray(drawn).min() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "steps"], "--set is 'steps'; write integrated_gradients.steps=..."),
        (["--set", "integrated_gradients.stepz=3"], "integrated_gradients has no option 'stepz'"),
        (["--set", "rise.count=3"], "rise is not among the methods of this run"),
        (["--set", "integrated_gradients.steps=-3"], "it must be a whole number"),
        (["--table", "table.jpg"], "its name must end in .png"),
    ],
)
def test_explain_refuses_bad_options_of_methods(picture, checkpoint, tmp_path, capsys, options, sentence):
    chosen = ["--model", str(checkpoint), "--methods", "integrated_gradients", "--out", str(tmp_path / "out")]
    assert call("explain", str(picture), *chosen, *options) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.slow
def test_explain_reaches_every_method(picture, checkpoint, tmp_path):
    """All with their own default options, on a small model, but for those that it cannot draw."""
    from xaijax.explain import METHODS

    names = [name for name in METHODS if not METHODS[name].needs & {"attention", "masks"}]
    out = tmp_path / "out"
    assert call("explain", str(picture), "--model", str(checkpoint), "--out", str(out), "--methods", "all") == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(f"scan.{name}.png" for name in names)
    # What may be drawn alike: CAM where one dense layer follows the pooling (equal up to a factor), attributions of a
    # network without biases, as this untrained one is (y = x dy/dx), and regions in one order.
    alike = (
        ("cam", "grad_cam", "hires_cam", "xgrad_cam"),
        ("input_x_gradient", "integrated_gradients", "fullgrad", "deeplift"),
    )
    first: dict[bytes, str] = {}
    for name in names:
        other = first.setdefault((out / f"scan.{name}.png").read_bytes(), name)
        assert other == name or any({other, name} <= {*group} for group in (*alike, ("xrai", "xrai_fast"))), other


def test_doctor_examines_and_names_what_mends(capsys, monkeypatch):
    from xaijax.doctor import checks

    assert call("doctor", "--json") == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["kernel in jit"]["state"] == "ok"
    assert found["FFI version"]["value"].count("0.") >= 2
    assert "cpu" in found["devices"]["value"]
    assert all(entry["fix"] for entry in found.values() if entry["state"] != "ok")
    real = checks.version
    monkeypatch.setattr(checks, "version", lambda package: None if package == "optax" else real(package))
    assert call("doctor") == 1
    assert "pip install optax" in capsys.readouterr().out


def test_doctor_reads_the_version_of_headers(tmp_path):
    from xaijax.doctor.checks import header_ffi_version

    header = tmp_path / "xla" / "ffi" / "api" / "c_api.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define XLA_FFI_API_MAJOR 0\n#define XLA_FFI_API_MINOR 17\n")
    assert header_ffi_version(tmp_path) == (0, 17)
    assert header_ffi_version(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["data", "train", "explain"])
def test_the_help_flows_and_names_no_none(name, monkeypatch, capsys):
    """A text is one paragraph at any width: no line ends where a line of the source does."""
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    shown = capsys.readouterr().out
    words = " ".join(shown.replace("\u2502", " ").split())
    assert "or file, the window that the file states, else auto. 8-bit images" in words
    assert "{None}|" not in shown
    assert "(default: None)" not in shown
    lines = [line.strip("\u2502 ") for line in shown.splitlines()]
    assert not any(line.startswith("window that the file states") for line in lines)


ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        (ASCII, ["methods", "grad_cam"], "sum_c"),
        (ASCII, ["metrics"], "deletion_black"),
        ({"PYTHONIOENCODING": "cp1252"}, ["methods", "grad_cam"], "sum_c"),
        ({"PYTHONIOENCODING": "latin-1"}, ["metrics", "iou"], "settings"),
    ],
)
def test_signs_that_a_terminal_lacks_end_no_command(environment, arguments, words):
    flags = ["-X", "utf8=0"] if environment is ASCII else []
    done = subprocess.run(
        [sys.executable, *flags, "-m", "xaijax", *arguments],
        capture_output=True,
        env=os.environ | environment,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("latin-1")
    assert words in text
    if environment is ASCII:
        assert text.isascii()


def test_a_name_that_is_no_text_is_refused_in_one_sentence():
    """A Latin-1 name under UTF-8, or any accent where Python reads arguments as ASCII: no JSON file could hold it."""
    done = subprocess.run(
        [sys.executable, "-m", "xaijax", "bench", "--out", b"r\xfcn"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 2
    assert re.fullmatch(r"xaijax: error: the argument 'r\?n' cannot be read in the encoding [\w-]+: .*\n", done.stderr)


def test_python_without_docstrings_is_refused_and_without_asserts_works():
    for flag, status in (("-O", 0), ("-OO", 2)):
        done = subprocess.run(
            [sys.executable, flag, "-m", "xaijax", "methods", "grad_cam"], capture_output=True, text=True, timeout=100
        )
        assert done.returncode == status
        assert ("run xaijax without -OO" in done.stderr) == (flag == "-OO")


def test_signs_become_what_is_nearest_in_ascii():
    assert terminal.nearest("✗ ‖δ‖ ≥ 10⁻³ × Σ_c “ö” ∂S/∂A ş") == 'x ||delta|| >= 10-3 x sum_c "o" dS/dA s'
    assert terminal.nearest("plain text, unchanged") == "plain text, unchanged"
