"""Two persons told apart without their names: a keyed hash of the patient's ID.

The link of a scan is ``KEY:HASH`` or ``KEY:HASH:ISSUED``: KEY names the key (it follows from it,
and does not give it away), HASH is HMAC-SHA256 of the patient's ID, ISSUED that of the ID and who
issued it, where the file says so (RFC 2104; DICOM PS3.3 C.2.2). Without the key an ID cannot be
tried; whoever has the key can try IDs, so it stays in the configuration of an installation or a
study and gets into no output. What links can and cannot do: docs/privacy.md.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path

from calcimetry.errors import OutputError, UsageError

VARIABLE = "CALCIMETRY_LINK_KEY_FILE"
KEY_BYTES = 32
_DOMAIN = b"calcimetry patient link 1\0"
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_SHOWN = 16  # hex digits of a hash: 64 bits, no two of a million persons alike by chance
_NOBODY = re.compile(
    r"(anon.*|de[-_ ]?id.*|unknown|unk|none|null|nil|na|n/a|no[-_ ]?(id|name)|not[-_ ]?available"
    r"|test|patient|subject|phantom|removed|deleted|redacted|withheld|empty|blank|x+|[\W0_]*)"
)
"""IDs that de-identification and consoles put in place of one: they name no one."""


def installation_key() -> Path:
    """Where the key of this installation is, or will be: in the user's configuration, or where
    the environment variable CALCIMETRY_LINK_KEY_FILE says."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or ""
    folder = Path(base) if Path(base).is_absolute() else _home() / ".config"
    return folder / "calcimetry" / "link.key"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without a home: nothing can be made below this
        return Path(os.devnull)


def chosen_key(given: Path | None) -> Path:
    """The key file to take; one that the user names is read at once, so that it is said early.

    Raises UsageError LINK_KEY_UNREADABLE.
    """
    path = given or installation_key()
    if given is not None or os.environ.get(VARIABLE):
        read_key(path)
    return path


def read_key(path: Path) -> bytes:
    """The key in a file of 64 hex digits. Raises UsageError LINK_KEY_UNREADABLE."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(getattr(error, "strerror", None) or "no text")) from error
    if not _HEX.fullmatch(text):
        raise _unreadable(path, "a file of another kind")
    return bytes.fromhex(text)


def make_key(path: Path) -> bytes:
    """A new random key in a new file that this user alone can read; never replaces one.

    Raises FileExistsError, OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails where the file is there: of two runs one makes the key
    finally:
        with suppress(OSError):
            draft.unlink()
    return key


def new_key(path: Path) -> str:
    """Make a study's key; returns its name. Raises OutputError LINK_KEY_NOT_WRITTEN."""
    try:
        return name_of(make_key(path))
    except OSError as error:
        raise OutputError(
            "LINK_KEY_NOT_WRITTEN",
            found=error.strerror or type(error).__name__,
            expected="a new file in a folder that can be written",
            where=str(path),
            remedy="give another path; a key that is there is never replaced",
        ) from error


def key_of(path: Path) -> bytes | None:
    """The key in `path`; that of this installation is made at its first use.

    None where the installation's key can be neither read nor made. Raises UsageError
    LINK_KEY_UNREADABLE for any other file.
    """
    if path != installation_key() or os.environ.get(VARIABLE):
        return read_key(path)
    if not os.path.lexists(path):
        with suppress(OSError):  # another run made it, or nothing can be written there
            make_key(path)
    try:
        return read_key(path)
    except UsageError:
        return None


def name_of(key: bytes) -> str:
    """What a key is called in links: 8 hex digits that follow from it."""
    return hashlib.sha256(_DOMAIN + key).hexdigest()[:8]


def names_someone(patient_id: str) -> bool:
    """Whether an ID may be a person's, and not what stands for none."""
    return _NOBODY.fullmatch(_plain(patient_id).lower()) is None


def link(key: bytes, patient_id: str, issuer: str = "") -> str | None:
    """The link of a patient's ID; None for an ID that names no one.

    Blanks about an ID do not count (PS3.5 6.2, LO); case and leading zeros do.
    """
    if not names_someone(patient_id):
        return None
    parts = [name_of(key), _hash(key, _plain(patient_id))]
    if _plain(issuer):
        parts.append(_hash(key, _plain(patient_id), _plain(issuer)))
    return ":".join(parts)


def same_person(one: object, other: object) -> bool | None:
    """Whether two links are of one ID; None where they cannot tell: one is missing or is no link,
    or they were made with different keys. Issuers count where both files name one.
    """
    first, second = _parts(one), _parts(other)
    if first is None or second is None or first[0] != second[0]:
        return None
    return all(a == b for a, b in zip(first, second, strict=False))


def _parts(given: object) -> list[str] | None:
    """Key, hash and, where it is there, the hash with the issuer; None for what is no link."""
    parts = given.lower().split(":") if isinstance(given, str) else []
    return parts if len(parts) in (2, 3) and all(parts) else None


def _hash(key: bytes, *words: str) -> str:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return hmac.new(key, _DOMAIN + text, hashlib.sha256).hexdigest()[:_SHOWN]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip(" \0\t\r\n")


def _unreadable(path: Path, found: str) -> UsageError:
    return UsageError(
        "LINK_KEY_UNREADABLE",
        found=found,
        expected="a key of 64 hex digits",
        where=str(path),
        remedy="check the path; `calcimetry info --new-link-key FILE` makes one",
    )
