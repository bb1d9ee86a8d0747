"""The same sweep on a dask cluster."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from archsim.core.errors import ArchsimError, InputError
from archsim.explore import workers
from archsim.explore.run import sweep
from tests.explore import sweeps

distributed = pytest.importorskip("distributed")

SWEEP = sweeps.SWEEP.replace("[4, 8, 16]", "[4, 8]").replace('"64 KiB"', '"4 KiB"')
pytestmark = pytest.mark.filterwarnings("ignore")  # dask's own


@pytest.fixture
def cluster() -> Iterator[str]:
    """A scheduler with workers in threads of this process, so that they need no time to start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp"
        ) as local:
            yield local.scheduler_address


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workers, "PointEvaluator", sweeps.FakeEvaluator)
    workers._evaluator.cache_clear()
    return sweeps.write(tmp_path, SWEEP)


def test_a_cluster_gives_the_same_rows_as_one_process(path: Path, cluster: str) -> None:
    here = sweep(path, out=path.parent / "here", workers=1).frame()
    there = sweep(path, out=path.parent / "there", cluster=cluster).frame()
    assert len(here) == 8
    assert there.equals(here)


def test_an_address_without_a_scheduler_is_wrong_input(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match=r"no dask scheduler at 'tcp://127.0.0.1:9'"):
        sweep(path, out=path.parent / "run", cluster="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="no dask scheduler at 'nonsense://x'"):
        sweep(path, out=path.parent / "run", cluster="nonsense://x")


def test_workers_of_another_version_are_refused(path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "model_version", lambda: "other")
    with pytest.raises(ArchsimError, match="a worker has another version of archsim: other"):
        sweep(path, out=path.parent / "run", cluster=cluster)
