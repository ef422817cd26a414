"""Holds an api to its own document: any request gets an answer that the document knows."""

from typing import Any, Final

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from tests.api.api_process import DEADLINE_S

ENDLESS: Final = "/api/stream"
AWAY: Final = 503


def hold_to_document(url: str, token: str, *, examples: int) -> list[str]:
    """Send so many requests, right and wrong, to each operation of an api, and return the operations.

    Raises:
        BaseExceptionGroup: the answers that were not as the document says, by operation.
    """
    document = httpx.get(f"{url}/api/openapi.json", timeout=DEADLINE_S, trust_env=False).json()
    schema = schemathesis.openapi.from_dict(document).exclude(path=ENDLESS)
    headers = {"Authorization": f"Bearer {token}"}
    faults, held = [], []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        held.append(operation.label)

        # schemathesis' own plugin does not know this pytest
        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_it(case: Case[Any]) -> None:
            answer = case.call(base_url=url, headers=headers, timeout=DEADLINE_S)
            # a recorder that has no time is no fault of the api, which must say it as the document says
            if answer.status_code == AWAY:
                case.validate_response(answer, excluded_checks=[not_a_server_error], headers=headers)
            else:
                case.validate_response(answer, headers=headers)

        try:
            try_it()
        except Exception as fault:  # noqa: BLE001  (each operation is tried, whatever another did)
            faults.append(fault)
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(held)} operations are not as the document says", faults)
    return held
