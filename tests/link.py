"""One end of a network link with a delay: packets of a TUN device go through a socket file to the other end, later.

    ip netns exec HOST python link.py DEVICE OWN_SOCKET OTHER_SOCKET SECONDS

The kernel's own delay (netem) is a module that many machines lack.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def main(device: str, own: str, other: str, delay: float) -> None:
    """Hand packets on until the process is killed."""
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
    link.bind(own)
    link.setblocking(False)
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([tun, link.fileno()], [], [], pause)
        if tun in ready:
            waiting.append((time.monotonic() + delay, os.read(tun, 65536)))
        if link.fileno() in ready:
            os.write(tun, link.recv(65536))
        while waiting and waiting[0][0] <= time.monotonic():
            packet = waiting.popleft()[1]
            with suppress(OSError):  # the other end is not there, or is full: a lost packet is sent again by TCP
                link.sendto(packet, other)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
