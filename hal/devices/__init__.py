"""Definitions of common ALD equipment."""

from hal.devices.known import KNOWN_DEVICES, KnownDevice, Source, SourceKind

__all__ = ["KNOWN_DEVICES", "KnownDevice", "Source", "SourceKind"]
