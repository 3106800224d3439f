"""Run a command as an ordinary user, from root: ``as_user.py FOLDER COMMAND...``.

The folder becomes the user's, and what lies beside it can be reached.  The Python that runs the tests may lie in root's
home: the user is shown a way to it, and to the embedded kernels, in a mount namespace of its own.
"""

from __future__ import annotations

import os
import sys

from shadowlab.guest.cache import cache_folder
from shadowlab.guest.host_side.confinement import find_doors
from shadowlab.kernel.rights import own_mounts, privileges

USER = 54_321
_CLONE_NEWNS = 0x00020000


def main(folder: str, command: list[str]) -> None:
    needed = [*filter(None, sys.path), sys.prefix, sys.base_prefix, str(cache_folder()), os.path.dirname(folder)]
    os.environ |= {"SHADOWLAB_CACHE": str(cache_folder()), "HOME": folder, "USER": "somebody"}
    doors = find_doors(needed, given=folder)
    assert doors is not None, "the tests' Python is not readable for an ordinary user"
    os.chown(folder, USER, USER)
    privileges.unshare(_CLONE_NEWNS, "leave the machine's mount namespace")
    own_mounts.keep_private()
    own_mounts.open_doors(doors)
    os.chdir(folder)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2:])
