"""Definitions and device memory for tests of the judgement: a device that says this, defined like that."""

from typing import Any

import numpy as np

from hal.codec import encode
from hal.link import Block, Reading
from hal.parameter import RegisterKind
from recorder.check.image import Image
from recorder.definitions.definitions import Definition

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


def device_says(*held: tuple[Definition, float], zeros: int = 300, readings: int = 1) -> Image:
    """A device that holds these values as they are really laid out, and zeros elsewhere, read so many times."""
    image = Image()
    for _ in range(readings):
        say(image, *held, zeros=zeros)
    return image


def say(image: Image, *held: tuple[Definition, float], zeros: int = 300) -> None:
    """Let one more reading bring these values, and zeros elsewhere."""
    words = {kind: np.zeros(zeros, np.uint16) for kind in (INPUT, HOLDING)}
    for definition, value in held:
        parameter = definition.to_parameter()
        for address, word in enumerate(encode(parameter, value).tolist(), start=parameter.address):
            words[parameter.kind][address] = word
    for kind, data in words.items():
        image.take(Block(kind=kind, address=0, count=zeros), Reading(data=data, requested_ns=0, responded_ns=0))
