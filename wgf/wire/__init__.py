"""What the processes of one run say to each other: collectives that are counted, checked and made in one order.

`Group` has the collectives of torch.distributed that a run needs. `Layout` divides particles into blocks, and gives
each process whole blocks. `Tree` adds what the blocks give in an order that does not depend on the number of processes.
"""

from .awaited import Awaited
from .group import TIMEOUT, Group, started
from .launch import joined, launched, restarts
from .layout import Layout
from .ring import Ring
from .tree import Tree

__all__ = ["TIMEOUT", "Awaited", "Group", "Layout", "Ring", "Tree", "joined", "launched", "restarts", "started"]
