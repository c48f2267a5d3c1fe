"""Which rows the bars have, and in what order: every layer, those that a filter lets through, or blocks of layers folded into one.

A real model has hundreds or thousands of layers, named by the modules that they are parts of. Folded, layers that share
the beginning of their path are one row, a block; a block is opened into its parts, down to the layers themselves.
Plain Python without Textual, so that every rule can be tested by itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from gradtui.diagnose.words import full_name, inert
from gradtui.stream.events import Layer
from gradtui.ui.names import LEAST, labels, short_name
from gradtui.ui.scale import state

Path = tuple[str, ...]
"""The parts of a module's dotted path, after its network's name where there are several."""

Trouble = tuple[int, int, float]
"""Sorts the worst to the front."""

NARROW = 12
"""Cells for a label up to which a block's parts are indented by one cell, else two."""

SEVERITIES = ("critical", "warning", "information", "")


@dataclass(frozen=True)
class Entry:
    """A row: a layer (its one member), a block (it has a path), or the header of a network (no members)."""

    label: str
    members: tuple[int, ...]
    path: Path = ()
    opened: bool = False

    @property
    def layer(self) -> int | None:
        """The index of the layer that this row is; None for a block or a header."""
        return self.members[0] if self.members and not self.path else None


def trouble(severity: str, value: float | None) -> Trouble:
    """By the severity of its warning; then what is no finite number, what is exactly zero, the smallest; last what was not measured."""
    word = state(value)
    kind = ("nan", "inf", "-inf", "0", "", "–").index(word)
    return SEVERITIES.index(severity), kind, value if value is not None and not word else 0.0


def worst_severity(flags: Mapping[int, str], members: Collection[int]) -> str:
    """The worst of some layers' warnings; empty: none has one."""
    found = {flags[i] for i in members if i in flags} if flags else ()
    return min(found, key=SEVERITIES.index, default="")


def flat(layers: Sequence[Layer], chosen: Sequence[int], width: int) -> list[Entry]:
    """A row for each chosen layer, in the order given, under headers of their networks."""
    found: list[Entry] = []
    last = ""
    names = labels([inert(layer.name) for layer in layers], width)
    for i in chosen:
        group = layers[i].group
        if group and group != last:
            found.append(Entry(inert(group), ()))
        last = group
        found.append(Entry(names[i], (i,)))
    return found


def ranked(layers: Sequence[Layer], chosen: Sequence[int], width: int, worst: Callable[[int], Trouble]) -> list[Entry]:
    """A row for each chosen layer, the worst first: networks are mixed, so that names begin with theirs."""
    names = labels([inert(full_name(layer)) for layer in layers], width)
    return [Entry(names[i], (i,)) for i in sorted(chosen, key=worst)]


def path_of(layer: Layer) -> Path:
    """Where a layer lies in its model."""
    return (*((layer.group,) if layer.group else ()), *layer.name.split("."))


def folded(
    layers: Sequence[Layer], chosen: Sequence[int], width: int, opened: Collection[Path], worst: Callable[[int], Trouble] | None
) -> list[Entry]:
    """The tree of modules as far as it is opened; `worst` sorts the parts of each block, else they are in network order."""
    paths = {i: path_of(layers[i]) for i in chosen}
    deeper = "  " if width > NARROW else " "

    def parts(members: Sequence[int], stem: int, indent: str) -> list[Entry]:
        """The rows inside a block whose path has `stem` parts."""
        children: dict[Path, list[int]] = {}
        for i in members:
            own = len(paths[i]) <= stem  # the module's own parameters, beside its parts
            children.setdefault((*paths[i], str(i)) if own else paths[i][: stem + 1], []).append(i)
        groups = list(children.values())
        if worst is not None:
            groups.sort(key=lambda group: min(map(worst, group)))
        return [row for group in groups for row in rows(group, stem, indent)]

    def rows(members: list[int], stem: int, indent: str) -> list[Entry]:
        first = paths[members[0]]
        begin = stem if indent else 0
        if len(members) == 1:
            return [Entry(indent + short_name(_named(first[begin:] or first[-1:]), width - len(indent)), (members[0],))]
        depth = _shared([paths[i] for i in members])
        path = first[:depth]
        head = f"{indent}{'▾' if path in opened else '▸'} "
        tail = f" {len(members)}"
        tail = tail if width - len(head) - len(tail) > LEAST else ""
        label = f"{head}{short_name(_named(path[begin:]), width - len(head) - len(tail))}{tail}"
        block = Entry(label, tuple(members), path, path in opened)
        return [block, *(parts(members, depth, indent + deeper) if block.opened else ())]

    return parts(chosen, _shared(list(paths.values())), "")


def _shared(paths: Sequence[Path]) -> int:
    """How many parts all paths begin with."""
    if not paths:
        return 0
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(min(paths), max(paths), strict=False)))


def _named(path: Path) -> str:
    return inert(".".join(path))


def opened_to_fit(layers: Sequence[Layer], chosen: Sequence[int], room: int) -> frozenset[Path]:
    """The blocks to open so that the tree shows as much as fits into `room` rows, level by level."""
    opened: frozenset[Path] = frozenset()
    while True:
        closed = {row.path for row in folded(layers, chosen, 80, opened, None) if row.path and not row.opened}
        wider = opened | closed
        if not closed or len(folded(layers, chosen, 80, wider, None)) > room:
            return opened
        opened = wider


@dataclass
class Arrangement:
    """What was asked for of the rows."""

    filter: str = ""
    """Only layers whose full name contains this, whatever its case."""
    few: bool = False
    """Too few rows on screen for the network: show those in trouble."""
    worst_first: bool = False
    opened: frozenset[Path] | None = None
    """The opened blocks; None: no layer is folded into a block."""

    @property
    def by_trouble(self) -> bool:
        """Which rows there are, or their order, depends on the values."""
        return self.few or self.worst_first

    def fold(self, layers: Sequence[Layer], room: int) -> None:
        """Fold the layers into blocks, or show all again."""
        self.opened = opened_to_fit(layers, self._chosen(layers), room) if self.opened is None else None

    def open(self, path: Path) -> None:
        """Open a block, or close it."""
        self.opened = (self.opened or frozenset()) ^ {path}

    def entries(self, layers: Sequence[Layer], width: int, room: int, worst: Callable[[int], Trouble]) -> list[Entry]:
        """The rows, their labels at most `width` cells."""
        chosen = self._chosen(layers)
        if self.opened is not None:
            return folded(layers, chosen, width, self.opened, worst if self.worst_first else None)
        if self.few and len(chosen) > room:
            chosen = sorted(heapq.nsmallest(room, chosen, key=worst))
        return ranked(layers, chosen, width, worst) if self.worst_first else flat(layers, chosen, width)

    def _chosen(self, layers: Sequence[Layer]) -> list[int]:
        text = self.filter.lower()
        return [i for i, layer in enumerate(layers) if text in full_name(layer).lower()]
