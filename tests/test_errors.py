from __future__ import annotations

import pickle

import pytest

from calcimetry import errors


def kinds():
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.CalcimetryError)
    ]


@pytest.mark.parametrize("kind", kinds())
def test_errors_come_back_from_other_processes(kind):
    error = kind("CODE", found="a", expected="b", where="c", remedy="d")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_exit_codes_differ():
    codes = [kind.exit_code for kind in kinds()]
    assert sorted(codes) == list(range(1, 8))
