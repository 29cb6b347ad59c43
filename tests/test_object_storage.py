"""Runs in object storage, against moto's server: the same bytes as on a disk, whatever the network and others do."""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import moto.server
import numpy as np
import pytest
import s3fs
import werkzeug.serving
from PIL import Image
from rich.console import Console

from xaijax import bench, calibrate, cli
from xaijax._errors import InputError
from xaijax._runs import checksums, storage
from xaijax._runs.folder import RunFolder, write_text
from xaijax._runs.storage import manifest, objects, working_copy
from xaijax.bench import BenchConfig
from xaijax.calibrate import CalibrateConfig
from xaijax.verify._run import verify

PARTS = ("run-a00000", "run-a00002", "run-a00004")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


class Service:
    """moto's server, with faults: each rule sees a request and may answer in its place."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self._app = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
        self._server = werkzeug.serving.make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.rules = []
        self.seen = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __call__(self, environ, start_response):
        self.seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        for rule in list(self.rules):
            answer = rule(environ, self._app, start_response)
            if answer is not None:
                return answer
        return self._app(environ, start_response)


def fails(method, name, times, *, stored=False, drops=False):
    """A rule: so many requests whose path holds a name fail, though what they put is stored or not."""
    left = [times]

    def rule(environ, app, start_response):
        if environ["REQUEST_METHOD"] != method or name not in environ["PATH_INFO"] or left[0] == 0:
            return None
        left[0] -= 1
        if stored:
            list(app(environ, lambda status, headers, error=None: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if drops:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            start_response("200 OK", [])
            return [b""]
        start_response("503 Service Unavailable", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]

    return rule


def flips(name, times):
    """A rule: the first byte of an object is another one, so many times that it is read."""
    left = [times]

    def rule(environ, app, start_response):
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith(name) or left[0] == 0:
            return None
        left[0] -= 1
        content = b"".join(app(environ, start_response))
        return [bytes([content[0] ^ 1]) + content[1:]]

    return rule


@pytest.fixture(scope="module")
def server():
    service = Service()
    yield service
    service.close()


@pytest.fixture
def service(server, tmp_path, monkeypatch):
    """The server without faults, and an environment in which s3:// is there."""
    server.rules.clear()
    server.seen.clear()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    quick = {"retries": {"max_attempts": 0}, "read_timeout": 2, "connect_timeout": 2}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": quick})
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(objects, "WAIT", 0.01)
    monkeypatch.setattr(working_copy, "BEAT", 0.1)
    monkeypatch.setattr(working_copy, "WATCH", 1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return server


@pytest.fixture
def address(service, request):
    """An address that is empty, in a bucket that is there."""
    bucket = f"b-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    system = s3()
    system.mkdir(bucket)
    yield f"s3://{bucket}/some/run"
    service.rules.clear()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """What follows happens on another machine: without the folder in which the run worked."""
    return lambda: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{time.monotonic_ns()}"))


def s3():
    system = fsspec.filesystem("s3")
    system.invalidate_cache()
    return system


def there(address):
    """The objects of a run that its manifest names."""
    system = s3()
    return {name: system.cat_file(f"{address}/{name}") for name in manifest.Manifest(objects.Objects(address)).files}


@dataclasses.dataclass(frozen=True)
class Config:
    out: Path
    resume: bool = False


def work(out, *, resume=False, said=None, before=lambda name: None):
    """A run of three parts and a page, through what all commands use; the names of the parts it computed."""
    said = [] if said is None else said
    computed = []
    with (
        storage.placed(Config(Path(out), resume), "run", said.append) as config,
        RunFolder(config.out, "run", resume=resume) as folder,
    ):
        if resume:
            folder.check_same({"seed": 0})
            said += folder.repair()
        else:
            folder.describe({"config": {"seed": 0}})
        for name in PARTS:
            if name in checksums.part_files(config.out):
                continue
            before(name)
            file = config.out / "scores" / f"{name}.parquet"
            write_text(file, f"scores of {name}")
            checksums.write_part(config.out, name, [file], {"of": name})
            computed.append(name)
        write_text(config.out / "report.html", "page")
        folder.describe(folder.description() | {"finished": "now"})
    return computed


@pytest.fixture
def expected(tmp_path):
    """The files of the run on a disk."""
    out = tmp_path / "disk"
    work(out)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_addresses_are_told_from_folders():
    assert storage.address_of(Path("s3://bucket/run")) == "s3://bucket/run"
    assert storage.address_of("S3://bucket/Run/") == "s3://bucket/Run"
    assert [storage.address_of(one) for one in (None, "runs/a", "/s3:/a", "C:/runs", "C:\\runs")] == [None] * 5


def test_a_run_in_object_storage_is_the_run_on_a_disk(address, expected, elsewhere):
    said = []
    assert work(address, said=said) == [*PARTS]
    assert there(address) == expected
    place = working_copy.place_of(address) / "run"
    assert said == [
        f"working in {place}; what is finished is kept in {address}",
        f"kept in {address}; the copy in {place} may be deleted",
    ]
    assert not s3().find(f"{address}/{working_copy.ALIVE}")
    elsewhere()
    assert verify(Path(address))["problems"] == []
    assert verify(Path(address))["finished"]
    said.clear()
    assert work(address, resume=True, said=said) == []
    assert f"{len(expected)} files copied from {address}" in said
    assert there(address) == expected


def test_a_run_that_is_there_is_not_started_again(address):
    with pytest.raises(InputError, match="holds no run to resume; leave --resume out"):
        work(address, resume=True)
    work(address)
    with pytest.raises(InputError, match=rf"^{address} already holds a run; add --resume"):
        work(address)
    system = s3()
    system.pipe_file(f"{address}-other/notes.txt", b"mine")
    with pytest.raises(InputError, match=r"other is not empty \(notes.txt\), and what is there is no run"):
        work(f"{address}-other")
    assert [one.rpartition("/")[2] for one in system.find(f"{address}-other")] == ["notes.txt"]


def test_a_failed_start_leaves_no_file(address):
    def no_luck(part):
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        work(address, before=no_luck)
    assert there(address) == {}
    assert all(f"/{manifest.FOLDER}/" in one for one in s3().find(address))
    assert not any(working_copy.place_of(address).glob("run"))
    assert work(address) == [*PARTS]


def test_messages_name_the_address(address):
    work(address)
    with (
        pytest.raises(InputError, match=rf"^the run in {address} was started with other options: --seed was 0, now 1"),
        storage.placed(Config(Path(address), True), "run", print) as config,
        RunFolder(config.out, "run", resume=True) as folder,
    ):
        folder.check_same({"seed": 1})


KILLED = """
import os, sys
sys.path[:0] = sys.argv[1:3]
import test_object_storage as tests
from xaijax._runs.storage import manifest, working_copy
working_copy.BEAT, working_copy.WATCH = 0.1, 1.0
append = manifest.Manifest.append
def killed(self, changed, gone, **more):
    if sys.argv[4] in changed:
        os._exit(9)  # its objects are there, and the entry that names them is not
    return append(self, changed, gone, **more)
manifest.Manifest.append = killed
tests.work(sys.argv[3])
"""


def test_a_part_counts_once_the_manifest_names_it(address, expected, elsewhere, tmp_path):
    tests, package = Path(__file__).parent, Path(cli.__file__).parents[1]
    command = [sys.executable, "-c", KILLED, str(package), str(tests), address, f"parts/{PARTS[1]}.json"]
    assert subprocess.run(command, check=False).returncode == 9
    assert s3().exists(f"{address}/parts/{PARTS[1]}.json")
    assert set(there(address)) == {"run.json", f"scores/{PARTS[0]}.parquet", f"parts/{PARTS[0]}.json"}
    assert not verify(Path(address))["finished"]
    elsewhere()
    said = []
    assert work(address, resume=True, said=said) == [*PARTS[1:]]
    assert f"waiting up to 1 s for a sign of life of the process that wrote to {address}" in said
    assert there(address) == expected


def test_on_the_same_machine_what_was_finished_is_not_lost(address, expected, tmp_path):
    tests, package = Path(__file__).parent, Path(cli.__file__).parents[1]
    command = [sys.executable, "-c", KILLED, str(package), str(tests), address, f"parts/{PARTS[1]}.json"]
    assert subprocess.run(command, check=False).returncode == 9
    said = []
    assert work(address, resume=True, said=said) == [PARTS[2]]  # the second one is on the disk
    assert not any(one.startswith("waiting") for one in said)
    assert there(address) == expected


@pytest.mark.parametrize(
    "fault",
    [
        lambda: fails("PUT", "", 3),
        lambda: fails("PUT", "", 3, stored=True),
        lambda: fails("PUT", "", 2, stored=True, drops=True),
        lambda: fails("PUT", "", 2, drops=True),
        lambda: fails("PUT", manifest.FOLDER, 4, stored=True),
        lambda: fails("PUT", manifest.FOLDER, 4, drops=True),
        lambda: fails("PUT", "scores/", 4, stored=True),
        lambda: fails("GET", "", 3),
        lambda: fails("GET", "", 2, drops=True),
        lambda: flips("", 2),
    ],
)
def test_faults_of_the_network_change_nothing(address, expected, service, elsewhere, fault):
    service.rules.append(fault())
    assert work(address) == [*PARTS]
    assert there(address) == expected
    elsewhere()
    service.rules[:] = [fault()]
    assert work(address, resume=True) == []
    assert there(address) == expected


def dies(number, *, stored):
    """A rule: the service is gone from a writing request on, which it stored or not; as if the process were killed."""
    count = [0]

    def rule(environ, app, start_response):
        count[0] += environ["REQUEST_METHOD"] != "GET" and environ["REQUEST_METHOD"] != "HEAD"
        if count[0] < number:
            return None
        if count[0] == number and stored:
            count[0] += 1
            list(app(environ, lambda status, headers, error=None: None))
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("200 OK", [])
        return [b""]

    rule.count = count
    return rule


def last_requests(address, service, elsewhere, step, begin):
    """Runs that end at a writing request, each taken up on another machine; how many requests a run has."""
    service.rules[:] = [counter := dies(10**9, stored=False)]
    work(f"{address}-whole")
    for number in range(begin, counter.count[0] + 1, step):
        for stored in (False, True):
            place = f"{address}-{number}-{stored}"
            service.rules[:] = [dies(number, stored=stored)]
            with contextlib.suppress(InputError):
                work(place)
            service.rules.clear()
            elsewhere()
            begun = bool(manifest.Manifest(objects.Objects(place)).files)
            yield number, stored, work(place, resume=begun), there(place)
    assert counter.count[0] > 20


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(objects, "TRIES", 1)
    monkeypatch.setattr(working_copy, "WATCH", 0.05)
    monkeypatch.setattr(working_copy, "BEAT", 100)


def test_the_last_request_of_a_process_may_be_any(address, expected, service, elsewhere, short_waits):
    for _number, _stored, _computed, found in last_requests(address, service, elsewhere, 5, 2):
        assert found == expected


@pytest.mark.slow
def test_the_last_request_of_a_process_may_be_any_at_all(address, expected, service, elsewhere, short_waits):
    found = list(last_requests(address, service, elsewhere, 1, 1))
    assert [one[:2] for one in found if one[-1] != expected] == []


def test_a_service_that_does_not_answer_ends_a_run_in_one_sentence(address, expected, service):
    def before(name):
        if name == PARTS[1]:
            service.rules.append(fails("PUT", f"scores/{name}", 10**6))

    with pytest.raises(InputError) as found:
        work(address, before=before)
    place = working_copy.place_of(address) / "run"
    assert str(found.value).startswith(f"{address}/scores/{PARTS[1]}.parquet cannot be written (")
    assert str(found.value).endswith(
        f"what is finished stays in {place}: check the network, and run the command again with --resume"
    )
    service.rules.clear()
    assert work(address, resume=True) == [PARTS[2]]
    assert there(address) == expected


def test_requests_that_time_out_are_tried_again(address, monkeypatch):
    place = objects.Objects(address)
    write, left = place._system.pipe_file, [objects.TRIES - 1]

    def pipe_file(*args, **options):
        left[0] -= 1
        if left[0] >= 0:
            raise TimeoutError("no answer in 15 s")
        return write(*args, **options)

    monkeypatch.setattr(place._system, "pipe_file", pipe_file)
    place.write("a", b"1")
    assert place.read("a") == b"1"
    left[0] = objects.TRIES
    with pytest.raises(InputError, match=rf"^{address}/a cannot be written \(TimeoutError: no answer"):
        place.write("a", b"2")
    assert place.read("a") == b"1"


def test_one_process_at_a_time(address, elsewhere):
    inner = []

    def before(name):
        if name == PARTS[1]:
            with pytest.raises(InputError, match=f"another process is using {address} .*process {os.getpid()} on "):
                work(address, resume=True)  # the lock of the folder
            elsewhere()
            with pytest.raises(InputError, match=f"another process is using {address} .*process {os.getpid()} on "):
                work(address, resume=True, said=inner)  # its sign of life

    assert work(address, before=before) == [*PARTS]
    assert "waiting up to 1 s for a sign of life" in inner[0]


def test_a_process_that_was_taken_for_dead_stops(address, expected, elsewhere, monkeypatch):
    monkeypatch.setattr(working_copy, "BEAT", 100)

    def before(name):
        if name == PARTS[1]:
            elsewhere()
            assert work(address, resume=True) == [*PARTS[1:]]

    with pytest.raises(InputError, match=rf"^another process \(.* has written to {address} meanwhile; wait for it"):
        work(address, before=before)
    assert there(address) == expected


def test_of_two_that_start_at_once_one_goes_on(address, expected, elsewhere):
    def first():
        with storage.placed(Config(Path(address)), "run", print) as config:
            elsewhere()
            work(address)  # while the first one looks through its images
            write_text(config.out / "run.json", "{}")

    with pytest.raises(InputError, match=f"has written to {address} meanwhile"):
        first()
    assert there(address) == expected


def test_a_service_without_conditional_puts_is_refused(address, service):
    def ignores(environ, app, start_response):
        environ.pop("HTTP_IF_NONE_MATCH", None)

    service.rules.append(ignores)
    with pytest.raises(InputError, match=f"{address} has no conditional put"):
        work(address)
    assert not s3().find(address)


def change(address, name):
    s3().pipe_file(f"{address}/{name}", b"other bytes")


def delete(address, name):
    s3().rm_file(f"{address}/{name}")


@pytest.mark.parametrize(("damage", "what"), [(change, "was changed after it was written"), (delete, "is gone")])
@pytest.mark.parametrize(
    "name", [f"scores/{PARTS[1]}.parquet", f"parts/{PARTS[1]}.json", "report.html", "checksums.json"]
)
@pytest.mark.parametrize("here", [True, False])
def test_damaged_objects_are_named_and_repaired(address, expected, elsewhere, damage, what, name, here, capsys):
    work(address)
    damage(address, name)
    assert cli.main(["verify", address]) == 2
    assert f"{address}/{name}: {what}" in capsys.readouterr().out
    with (
        pytest.raises(InputError, match=f"{address}/{name} {what}: `xaijax verify {address}`"),
        storage.reading((Path(address),)),
    ):
        pass
    if not here:
        elsewhere()
    said = []
    computed = work(address, resume=True, said=said)
    assert computed == ([] if here or PARTS[1] not in name else [PARTS[1]])
    ending = "it is uploaded again from the copy here" if here else "and there is no copy here"
    assert any(one.startswith(f"{address}/{name} {what}") and one.endswith(ending) for one in said)
    assert there(address) == expected
    assert cli.main(["verify", address]) == 0


@pytest.mark.parametrize("damage", [change, delete])
def test_a_damaged_manifest_is_named(address, damage):
    work(address)
    name = f"{manifest.FOLDER}/000002.json"
    damage(address, name)
    for use in (lambda: work(address, resume=True), lambda: verify(Path(address)), lambda: storage.stored(address)):
        with pytest.raises(InputError, match=f"^{address}/{name} .* start again at another place with --out"):
            use()


def test_a_damaged_description_is_named(address):
    work(address)
    change(address, "run.json")
    assert cli.main(["bench", "--out", address, "--resume"]) == 2
    with pytest.raises(InputError, match=rf"^{address}/run.json was changed .*; start a new run at another place"):
        storage.stored(address)


def test_a_bit_that_flips_in_the_copy_is_taken_from_the_storage(address, expected):
    work(address)
    file = working_copy.place_of(address) / "run" / "scores" / f"{PARTS[0]}.parquet"
    file.write_text("other bytes")
    assert work(address, resume=True) == []
    assert file.read_bytes() == expected[f"scores/{PARTS[0]}.parquet"]


def test_a_copy_of_another_run_is_moved_and_not_deleted(address, expected, tmp_path):
    work(address)
    s3().rm(address, recursive=True)
    said = []
    assert work(address, said=said) == [*PARTS]
    assert there(address) == expected
    moved = [one for one in said if one.startswith("an older copy")]
    assert len(moved) == 1
    assert (Path(moved[0].rpartition(" ")[2]) / "report.html").read_text() == "page"


def test_a_manifest_of_hundreds_of_entries_is_read_from_its_last_whole_one(address, monkeypatch):
    monkeypatch.setattr(manifest, "WHOLE_EVERY", 10)
    place = objects.Objects(address)
    one = manifest.Manifest(place)
    for number in range(23):
        one.append({str(number): "0"}, [str(number - 2)], owner={"token": "me"}, going_on=True)
    read = []
    monkeypatch.setattr(place, "read", lambda name: read.append(name) or objects.Objects.read(place, name))
    again = manifest.Manifest(place)
    assert (again.number, again.digest, again.files) == (one.number, one.digest, {"21": "0", "22": "0"})
    assert sorted(read) == [f"{manifest.FOLDER}/{number:06d}.json" for number in range(20, 24)]


def test_files_outside_of_the_run_are_not_written(address):
    place = objects.Objects(address)
    manifest.Manifest(place).append({"../../a": "0"}, [], owner={"token": "me"}, going_on=False)
    with pytest.raises(InputError, match=r"000001.json was changed after it was written"):
        work(address, resume=True)


def refused(capsys, *arguments):
    """The sentence with which a command refuses."""
    assert cli.main([*arguments]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xaijax: error: ")]
    assert len(said) == 1
    return said[0].removeprefix("xaijax: error: ")


def test_what_is_missing_is_said(address, service, capsys, monkeypatch):
    bucket = "s3://no-such-bucket"
    assert refused(capsys, "bench", "--out", f"{bucket}/run").startswith(
        f"there is no bucket {bucket}, or it cannot be"
    )
    assert "names no place for the run in its bucket" in refused(capsys, "bench", "--out", "s3://bucket")
    assert "is not a place where a run can be kept: name s3://" in refused(capsys, "bench", "--out", "sftp://host/run")
    assert "holds no run: give an address" in refused(capsys, "verify", address)
    for command in (["train", "--data", "phantoms"], ["profile"]):
        assert "bench, calibrate and clusters alone write" in refused(capsys, *command, "--out", address)
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()  # which has found its credentials
    text = refused(capsys, "bench", "--out", address)
    assert text.startswith(f"{address}/.manifest cannot be listed (NoCredentialsError: ")
    assert "check the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)" in text
    s3fs.S3FileSystem.clear_instance_cache()


def test_rights_that_are_missing_are_said(address, service):
    def forbids(environ, app, start_response):
        if environ["REQUEST_METHOD"] != "PUT":
            return None
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]

    service.rules.append(forbids)
    with pytest.raises(InputError, match=r"written \(PermissionError: Access Denied\); check the credentials"):
        work(address)
    assert sum(method == "PUT" and "/some/run" in path for method, path in service.seen) == 1  # no second try


@pytest.mark.parametrize(
    ("address", "package", "install"),
    [("s3://b/r", "s3fs", "'xaijax[cloud]'"), ("gs://b/r", "gcsfs", "gcsfs"), ("az://b/r", "adlfs", "adlfs")],
)
def test_a_package_that_is_missing_is_named(address, package, install):
    code = f"import sys; sys.modules[{package!r}] = None\nfrom xaijax import cli\n"
    code += f"sys.exit(cli.main(['bench', '--out', {address!r}]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    expected = f"{address} needs {package}, which is not installed: pip install {install}"
    assert found.stderr == f"xaijax: error: {expected}\n"


# The commands themselves, on a black box that sees stripes.

MODEL = """
import numpy as np

input_shape = (32, 32, 1)
classes = ("across", "down")


def predict(images):
    values = np.asarray(images, np.float64)[..., 0]
    seen = (np.diff(values, axis=2) ** 2).mean((1, 2)) - (np.diff(values, axis=1) ** 2).mean((1, 2))
    p = 1 / (1 + np.exp(-200 * seen))
    return np.stack([1 - p, p], axis=1)
"""


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    root = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for name in ("across", "down"):
        (root / "data" / name).mkdir(parents=True)
        for number in range(8):
            image = np.repeat(rng.choice([60, 200], 8), 4)[None].repeat(32, axis=0) + rng.integers(-4, 5, (32, 32))
            image = (image.T if name == "across" else image).astype(np.uint8)
            Image.fromarray(image).save(root / "data" / name / f"{number}.png")
    (root / "stripes.py").write_text(MODEL)
    return root


@pytest.fixture(scope="module")
def config(stripes):
    return BenchConfig(
        data=str(stripes / "data"),
        model=(f"{stripes}/stripes.py:predict",),
        methods=("random", "sobel"),
        metrics=("deletion_mean",),
        set=("perturbation.steps=4",),
        count=6,
        part=2,
        calibration=("none",),
    )


def results(found):
    """Of the files of a run those that do not say when it was."""
    return {
        name: content for name, content in found.items() if name not in ("run.json", "report.html", "checksums.json")
    }


def run(command, config, out, **more):
    said = io.StringIO()
    command.run(dataclasses.replace(config, out=Path(out), **more), console=Console(file=said, width=10_000))
    return said.getvalue()


def on_disk(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_benchmark_gives_the_bytes_that_it_gives_on_a_disk(address, config, elsewhere, tmp_path, capsys):
    run(bench, config, tmp_path / "out")
    said = run(bench, config, address)
    assert results(there(address)) == results(on_disk(tmp_path / "out"))
    assert f"kept in {address}" in said
    assert len([name for name in there(address) if name.startswith("parts/")]) == 3
    elsewhere()
    capsys.readouterr()
    assert cli.main(["bench", "--out", address, "--resume"]) == 0
    assert results(there(address)) == results(on_disk(tmp_path / "out"))
    capsys.readouterr()
    assert cli.main(["compare", str(tmp_path / "out"), address]) == 0
    assert "The configurations are the same.\n\nrun against out\n" in capsys.readouterr().out


def test_a_calibration_gives_the_bytes_that_it_gives_on_a_disk(address, stripes, tmp_path):
    own = CalibrateConfig(
        data=str(stripes / "data"),
        model=(f"{stripes}/stripes.py:predict",),
        metrics=("deletion_mean",),
        set=("perturbation.steps=4",),
        count=8,
        constructions=("mosaic",),
    )
    run(calibrate, own, tmp_path / "out")
    run(calibrate, own, address)
    assert results(there(address)) == results(on_disk(tmp_path / "out"))
    with pytest.raises(InputError, match=f"{address} already holds a calibration; add --resume"):
        run(calibrate, own, address)
    run(calibrate, own, f"{address}-planned", plan=True)
    assert not s3().find(f"{address}-planned")


def test_what_is_not_asked_for_is_not_imported(config, tmp_path):
    code = "import sys, xaijax.bench, xaijax.calibrate, xaijax.verify, xaijax._runs.storage\n"
    code += "sys.exit(any(name in sys.modules for name in ('fsspec', 's3fs', 'boto3', 'aiobotocore')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_manifest_entry_says_who_wrote_it(address):
    work(address)
    entries = [json.loads(s3().cat_file(one)) for one in s3().find(f"{address}/{manifest.FOLDER}")]
    assert [one["number"] for one in entries] == [*range(1, len(entries) + 1)]
    assert [one["open"] for one in entries] == [True] * (len(entries) - 1) + [False]
    assert {one["owner"]["process"] for one in entries} == {os.getpid()}
