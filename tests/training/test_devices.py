"""A batch divided among two devices gives what one device gives."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xaijax.training import _devices as devices

TWO = """
import json, re
import jax, numpy as np
from xaijax import models, training
from xaijax.training._step import step
from xaijax.training._trainer import Trainer
random = np.random.default_rng(0)
images, labels = random.random((16, 16, 16, 1)).astype(np.float32), np.arange(16) % 3
start = models.create("small_cnn", 3, (16, 16, 1), width=4)
found = {}
for count in (1, 2):
    options = training.Options(epochs=2, batch_size=8, learning_rate=0.01, warmup=0.0, devices=count)
    trainer = Trainer(start, images, labels, options)
    losses = [*trainer.epoch(1), *trainer.epoch(2)]
    made = trainer.trained(2)
    assert all(leaf.devices() == {jax.devices()[0]} for leaf in jax.tree.leaves(made.params))
    found[count] = {"losses": losses, "logits": np.asarray(made.logits(made.params, images)).tolist()}
assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(trainer.state))
part = trainer._read(np.arange(8), 1, 0)[0]
assert [shard.data.shape[0] for shard in part.addressable_shards] == [4, 4]
labels = trainer.labels[:8]
compiled = step.lower(trainer.recipe(2), trainer.state, part, labels, trainer._weights, jax.random.key(0)).compile()
text = compiled.as_text()
found["all-reduce"], found["all-gather"] = ("all-reduce" in text), re.findall(r".*all-gather\\(.*", text)
assert Trainer(start, images, [0] * 16, training.Options(batch_size=8)).mesh.size == 2  # all there are
print(json.dumps(found))
"""


def test_two_devices_give_the_result_of_one():
    flags = (
        "--xla_force_host_platform_device_count=2",
        "--xla_backend_optimization_level=0",  # it compiles more than it runs
        "--xla_llvm_disable_expensive_passes=true",
    )
    environment = {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", TWO],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert len(found["1"]["losses"]) == 4
    np.testing.assert_allclose(found["2"]["losses"], found["1"]["losses"], rtol=1e-4)
    np.testing.assert_allclose(found["2"]["logits"], found["1"]["logits"], rtol=1e-2, atol=1e-3)
    assert found["all-reduce"]
    assert found["all-gather"] == []  # no device gets the images of another


def test_one_device_needs_no_mesh():
    assert devices.mesh(None, 7) is None
    assert devices.mesh(1, 7) is None
    with pytest.raises(ValueError, match="devices must be at most"):
        devices.mesh(4096, 4096)
