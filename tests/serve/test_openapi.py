"""The service against its own description: schemathesis makes requests, right and wrong."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette")
pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from calcimetry.clinic.cards import HOOK, SERVICE, SUMMARY
from calcimetry.serve.cds import app, openapi
from calcimetry.serve.http import LARGEST

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
schema = schemathesis.openapi.from_dict(openapi())
schema.app = app()


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case):
    case.call_and_validate(base_url="http://localhost", checks=CHECKS)


def test_the_description_agrees_with_the_program():
    described = openapi()
    parts = described["components"]["schemas"]
    assert f"/cds-services/{SERVICE}" in described["paths"]
    assert parts["Request"]["properties"]["hook"]["const"] == HOOK
    assert parts["Card"]["properties"]["summary"]["maxLength"] == SUMMARY
    told = described["paths"][f"/cds-services/{SERVICE}"]["post"]["responses"]["413"]
    assert f"{LARGEST // 2**20} MiB" in told["description"]
