"""Parameters and multiply-accumulates of catalog models against the published figures in `published_*.csv`."""

import pytest

from archsim.workloads.models import model, model_names
from tests.workloads.published import published

TOLERANCE = 0.01
ROWS = {row.name: row for row in published()}


def test_every_catalog_model_is_listed_once():
    names = [row.name for row in published()]
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(model_names())


@pytest.mark.parametrize("name", ROWS)
def test_parameters_are_the_published_ones(name):
    row = ROWS[name]
    assert row.parameters_source
    assert model(name).parameters == pytest.approx(row.parameters, rel=TOLERANCE)


@pytest.mark.parametrize("name", ROWS)
def test_macs_are_the_published_ones(name):
    row = ROWS[name]
    assert row.macs_source
    trace = model(name, phase=row.phase or None, context=row.context)
    assert trace.macs == pytest.approx(row.macs, rel=TOLERANCE)
