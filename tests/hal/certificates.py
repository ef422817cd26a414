"""Certificates made for a test: an authority, a device, a recorder."""

import datetime as dt
import ssl
from pathlib import Path

import trustme


class Certificates:
    """One authority, and what it signed, as files.

    Args:
        name: the name on the device's certificate.
        expired: whether the device's certificate was good until yesterday.
    """

    def __init__(self, folder: Path, *, name: str = "127.0.0.1", expired: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = trustme.CA()
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        self._device = self._authority.issue_cert(name, not_after=yesterday if expired else None)
        recorder = self._authority.issue_cert("recorder")
        self.authority = folder / "authority.pem"
        self.ours = folder / "recorder.pem"
        self.our_key = folder / "recorder.key"
        self._authority.cert_pem.write_to_path(self.authority)
        recorder.cert_chain_pems[0].write_to_path(self.ours)
        recorder.private_key_pem.write_to_path(self.our_key)

    def server_context(self, *, asks_for_ours: bool = False) -> ssl.SSLContext:
        """What the device serves with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._device.configure_cert(context)
        if asks_for_ours:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
