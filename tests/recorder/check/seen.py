"""Definitions and device memory for tests of the judgement: a device that says this, defined like that."""

from typing import Any

from hal.codec import encode
from hal.parameter import RegisterKind
from recorder.check.image import Image
from recorder.definitions import Definition

INPUT = RegisterKind.INPUT_REGISTER
HOLDING = RegisterKind.HOLDING_REGISTER


def temperature(name: str = "temperature", address: int = 100, **fields: Any) -> Definition:
    """A float temperature in input registers, word-swapped, of a chamber that reaches 450 °C."""
    plain: dict[str, Any] = {
        "component": "Chamber",
        "name": name,
        "unit": "°C",
        "register_kind": INPUT,
        "address": address,
        "data_type": "float32",
        "word_order": "CDAB",
        "range_low": 0,
        "range_high": 450,
    }
    return Definition.model_validate({**plain, **fields})


def device_says(*held: tuple[Definition, float], zeros: int = 300) -> Image:
    """A device that holds these values as they are really laid out, and zeros elsewhere."""
    words = {(kind, address): 0 for kind in (INPUT, HOLDING) for address in range(zeros)}
    for definition, value in held:
        parameter = definition.to_parameter()
        for address, word in enumerate(encode(parameter, value).tolist(), start=parameter.address):
            words[parameter.kind, address] = word
    image = Image()
    for (kind, address), word in words.items():
        image.put(kind, address, word)
    return image
