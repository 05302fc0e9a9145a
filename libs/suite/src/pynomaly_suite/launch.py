"""Start one process of the suite: `launch.py LIFELINE SEQUENCE STOP_SIGNAL GRACE_S UID|- PROGRAM ARGUMENT...`.

Runs in a session of its own, tells the reaper its process id, gives up root where asked, and becomes PROGRAM. The
lifeline stays open until then, so the reaper cannot miss a process however early the supervisor dies. Standard
library only: it runs with `python -I -S`, 12 ms.
"""

import os
import sys

CAP_DAC_OVERRIDE = 1
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def become(uid: int) -> None:
    """Change from root to the account `uid`, on Linux keeping the right to pass through closed folders.

    PostgreSQL refuses to run as root, while its programs and its data may lie under a /root that is closed to
    everyone else. Where the kernel does not grant the capability, the account sees only what is open to it.
    """
    import pwd  # noqa: PLC0415 - only root needs it, and every start pays for it

    gid = pwd.getpwuid(uid).pw_gid
    keeps_capability = sys.platform == "linux" and _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if keeps_capability:
        _drop_all_capabilities_but(CAP_DAC_OVERRIDE)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _prctl(*arguments: int) -> bool:
    import ctypes  # noqa: PLC0415

    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:5]]
    return bool(ctypes.CDLL(None).prctl(*padded) == 0)


def _drop_all_capabilities_but(capability: int) -> None:
    import ctypes  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    mask = 1 << capability  # effective, permitted, inheritable; then the upper 32 bits of each
    if libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "capset")


def main(arguments: list[str]) -> None:
    lifeline, sequence, stop_signal, grace_s, uid, *program = arguments
    os.write(int(lifeline), f"+ {sequence} {os.getpid()} {stop_signal} {grace_s}\n".encode())
    os.close(int(lifeline))
    try:
        if uid != "-":
            become(int(uid))
    except PermissionError:
        sys.exit("This root may not change to another account, and PostgreSQL refuses root: use an ordinary user.")
    try:
        os.execvp(program[0], program)  # noqa: S606 - becoming the program is its whole purpose
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
