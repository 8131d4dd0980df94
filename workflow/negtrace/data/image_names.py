"""Names of image files: none leads out of the folder that they are relative to."""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path, PurePosixPath

LONGEST_NAME, LONGEST_PATH = 255, 3000  # bytes that a file system takes

# What an operating system says where a name cannot be a file's.
IMPOSSIBLE = (
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ),
)


def name_fault(
    name: str, reserved: Collection[str] = (), longest: int = LONGEST_NAME
) -> str | None:
    """Why a name cannot be that of a file inside a folder, or None.

    Args:
        reserved: names that the folder has for something else.
        longest: bytes that a part of it may have.
    """
    path = PurePosixPath(name)
    inside = "not the name of a file inside the image folder"
    if path.is_absolute() or not path.parts or name.endswith(("/", "/.")) or ".." in path.parts:
        return f"{inside}; give it relative to the folder"
    if not name.isprintable():
        return f"{inside}: it holds a control character"
    if "\\" in name:
        return f"{inside}: folders are separated by /"
    if set(reserved) & set(path.parts):
        return f"{inside}: {', '.join(reserved)} is not free"
    if len(name.encode()) > LONGEST_PATH or max(len(p.encode()) for p in path.parts) > longest:
        return "its name is longer than a file system takes"
    return None


def leads_out(path: Path, folder: Path) -> bool:
    """Whether links make a file's folder lie outside of another one."""
    return not path.parent.resolve().is_relative_to(folder.resolve())
