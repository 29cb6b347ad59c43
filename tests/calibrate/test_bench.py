"""`xaijax bench` judges its metrics first and concludes from those that are believed, from beginning to end."""

import dataclasses
import json

from xaijax import bench, calibrate
from xaijax.bench import BenchConfig


def test_a_benchmark_calibrates_first_and_obeys(options, tmp_path, capsys):
    config = BenchConfig(
        **options, methods=("random", "sobel"), part=20, gallery=0, calibration=("quick",), out=tmp_path / "run"
    )
    out = bench.run(config)
    said = capsys.readouterr()
    assert "judging the metrics on model stripes first, at most 3 min" in said.err
    assert "model passes of" in said.err
    stored = json.loads((out / "calibration" / "stripes.json").read_text())
    verdicts = {name: one["verdict"] for name, one in stored["calibration"]["metrics"].items()}
    assert verdicts == {"deletion_mean": "believe", "sparseness": "no"}
    assert (out / "calibration" / "stripes" / "report.html").is_file()
    page = (out / "report.html").read_text()
    assert "Conclusion" in page
    assert "a quick calibration at the start of this run says it" in page
    assert "Conclusion" in said.out
    assert "does not see where the map points" in page
    before = page
    bench.run(dataclasses.replace(config, resume=True))
    assert "judging the metrics" not in capsys.readouterr().err
    assert (out / "report.html").read_text() == before
    # The next run finds the calibration by the content of model and data.
    place = out / "calibration" / "stripes"
    (near,) = calibrate.nearby(place.parent)
    assert (near.model, near.data) == tuple(stored["calibration"][key]["digest"] for key in ("model", "data"))
