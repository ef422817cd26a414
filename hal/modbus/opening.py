"""Opens wires, and says in words what a person has to do where one does not open."""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Final

from hal.errors import NotConnectedError
from hal.modbus.framed_wire import make_wire
from hal.modbus.place import Place, SerialPlace, TcpPlace, TlsSettings
from hal.modbus.wire import Wire

_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_WRONG_NAME: Final = frozenset({62, 64})  # host name, IP address
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
"""Verification results of OpenSSL, X509_V_ERR_* of its header x509_vfy.h."""


async def open_wire(
    place: Place,
    device: str,
    when_lost: Callable[[Wire], None],
    *,
    in_flight: int | None,
    is_shared: Callable[[], bool],
) -> Wire:
    """Open a connection.

    Raises:
        NotConnectedError: it did not open; names the place, the system's reason and what to do.
    """
    operation = f"{'open' if isinstance(place, SerialPlace) else 'connect to'} {place}"
    wire = make_wire(place, when_lost, in_flight=in_flight, is_shared=is_shared)
    try:
        await wire.open(_context(place))
    except (OSError, ValueError) as error:  # ValueError: no host name, or a baud rate that the port cannot have
        reason = _serial_words(place, error) if isinstance(place, SerialPlace) else _tcp_words(place, error)
        raise NotConnectedError(operation=operation, device=device, reason=reason) from error
    return wire


class _FileError(ValueError):
    """A file of TLS that cannot be used; says which, why and what to do."""


def _context(place: Place) -> ssl.SSLContext | None:
    """Make what verifies the device, and proves who we are where it asks."""
    if isinstance(place, SerialPlace) or place.tls is None:
        return None
    tls = place.tls
    context = _trusting(tls)
    if tls.certificate is not None:
        _load("tls_certificate", tls.certificate)
        if tls.key is not None:
            _load("tls_key", tls.key)
        try:
            context.load_cert_chain(tls.certificate, tls.key, password=_no_pass_phrase)
        except ssl.SSLError as error:
            both = f"tls_certificate {tls.certificate}" + ("" if tls.key is None else f" and tls_key {tls.key}")
            wrong = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else f"cannot be used ({error})"
            raise _FileError(f"{both} {wrong}: name the PEM files of one certificate and its private key") from error
    return context


def _trusting(tls: TlsSettings) -> ssl.SSLContext:
    if tls.ca is not None:
        _load("tls_ca", tls.ca)
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except ssl.SSLError as error:
        raise _FileError(f"tls_ca {tls.ca} holds no PEM certificate: name the file of the authority") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(field: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise _FileError(f"{field} {path}: {error.strerror}") from error


def _no_pass_phrase() -> str:
    raise _FileError("tls_key has a pass phrase, and nobody is there to type it: name a key without one")


def _tcp_words(place: TcpPlace, error: OSError | ValueError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {place.connect_timeout_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_words(place, error)
    if isinstance(error, ssl.SSLError):
        return f'no TLS on this port ({error.reason or error}): 802 is usual for TLS; is transport = "tcp" meant?'
    if isinstance(error, UnicodeError | socket.gaierror):
        return f"the host name does not resolve ({error.args[-1]}): check its spelling, or give the IP address"
    if isinstance(error, ConnectionResetError) and place.tls is not None:
        return "closed by the device during the TLS handshake: it may want a tls_certificate, or speak no TLS"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _certificate_words(place: TcpPlace, error: ssl.SSLCertVerificationError) -> str:
    today = datetime.now(UTC).date()
    if error.verify_code == _EXPIRED:
        return f"the device's certificate has expired: renew it on the device, if {today} is right for today"
    if error.verify_code == _NOT_YET_VALID:
        return f"the device's certificate is not valid yet: set this computer's clock, which says {today}"
    if error.verify_code in _WRONG_NAME:
        name = (place.tls.server_name if place.tls else "") or place.host
        return (
            f"the device's certificate is not for {name!r}: set tls_server_name to the name that it carries, "
            "if this is the right device"
        )
    if error.verify_code in _UNKNOWN_AUTHORITY:
        ca = "this computer's authorities" if place.tls is None or place.tls.ca is None else str(place.tls.ca)
        return f"the device's certificate is signed by none of {ca}: set tls_ca to the file of the one that signed it"
    return f"the device's certificate does not hold: {error.verify_message}"


def _serial_words(place: SerialPlace, error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        ports = sorted(glob("/dev/serial/by-id/*") or glob("/dev/ttyUSB*") + glob("/dev/ttyACM*"))  # noqa: PTH207
        return f"there is no such port; there are: {', '.join(ports) or 'none'}"
    if number in {errno.EACCES, errno.EPERM}:
        return f"no right to open it: add this user to the group {_group_of(place.path)} and log in again"
    if number in {errno.EBUSY, errno.EAGAIN} or "lock" in str(error):
        return "another program has it open: stop that one first"
    if number in {errno.ENOTTY, errno.ENODEV, errno.EIO, errno.ENXIO} or "configure port" in str(error):
        return "it is no serial port, or nothing is plugged in"
    wanted = f"{place.baud} baud, parity {place.parity}, {place.stop_bits} stop bits"
    return f"the port does not take {wanted} ({error})"


def _group_of(path: str) -> str:
    try:
        return Path(path).group()
    except (OSError, KeyError):
        return "dialout" if os.name == "posix" else "that owns it"
