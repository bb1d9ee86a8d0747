"""What a mapping must look like: the `[mapper.constraints]` table as the search takes it.

Every entry holds for one kind of op (`gemm`, `conv`) or, with kind "", for both; `Constraints.of` keeps those of an op.
Dimensions that an op does not have are no constraint on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.workloads.op import Op

Sizes = tuple[tuple[str, int], ...]
"""Dimension and size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialConstraint:
    """What may lie on one spatial axis: these dimensions (or GEMM-view groups), or exactly this unrolling."""

    axis: str
    kind: str = ""
    dims: tuple[str, ...] = ()
    """Letters, or rows, columns, reduction, batch; with neither dims nor exact nothing is unrolled here."""
    exact: Sizes | None = None
    """Factor of each dimension; dimensions that are not named are not unrolled on the axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileConstraint:
    """Sizes of the tiles that one level holds, for one operand, or with operand "" for all it holds.

    A size above the op's dimension stands for all of it. Dimensions that are not named are free.
    """

    level: str
    kind: str = ""
    operand: str = ""
    sizes: Sizes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConstraint:
    """Order of the loops in time between one level's tiles and those below, outermost first.

    The named dimensions keep this order among themselves; others lie anywhere between them.
    """

    level: str
    kind: str = ""
    dims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BypassConstraint:
    """Operands that must not stay in a level, though it serves them."""

    level: str
    operands: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """All constraints of a design; the default allows everything."""

    min_utilization: float = 0.0
    """Least `mapping_utilization`: MACs over streaming cycles at the peak rate (edge tiles lower it, stalls do not)."""
    spatial: tuple[SpatialConstraint, ...] = ()
    tiles: tuple[TileConstraint, ...] = ()
    order: tuple[OrderConstraint, ...] = ()
    bypass: tuple[BypassConstraint, ...] = ()

    def __bool__(self) -> bool:
        return self != Constraints()

    def of(self, op: Op) -> Constraints:
        """Those that say something about `op`, with the dimensions it does not have left out."""
        if not (self.spatial or self.tiles or self.order):
            return self
        spatial = (self._spatial(item, op) for item in self.spatial if item.kind in ("", op.kind))
        tiles = (replace(item, sizes=_sizes(item.sizes, op)) for item in self.tiles if item.kind in ("", op.kind))
        order = (
            replace(item, dims=tuple(dim for dim in item.dims if dim in op.loops))
            for item in self.order
            if item.kind in ("", op.kind)
        )
        return replace(
            self,
            spatial=tuple(item for item in spatial if item is not None),
            tiles=tuple(item for item in tiles if item.sizes),
            order=tuple(item for item in order if item.dims),
        )

    @staticmethod
    def _spatial(item: SpatialConstraint, op: Op) -> SpatialConstraint | None:
        """The constraint on `op`; None where it names only dimensions of the other kind of op."""
        if item.exact is not None:
            kept = _sizes(item.exact, op)
            return replace(item, exact=kept) if kept or not item.exact else None
        dims = tuple(dim for entry in item.dims for dim in _letters(entry, op))
        return replace(item, dims=dims) if dims or not item.dims else None

    def axis(self, name: str) -> SpatialConstraint | None:
        """The constraint on a spatial axis, if any; of an op's constraints (`of`) there is one at most."""
        return next((item for item in self.spatial if item.axis == name), None)

    def tile_sizes(self, level: str, operand: str) -> dict[str, int]:
        """Fixed sizes of an operand's tile in a level, by dimension."""
        sizes: dict[str, int] = {}
        for item in self.tiles:
            if item.level == level and item.operand in ("", operand):
                sizes.update(item.sizes)
        return sizes

    def order_at(self, level: str) -> tuple[str, ...]:
        """Fixed order of the loops just below a level's tiles, outermost first; empty: free."""
        return next((item.dims for item in self.order if item.level == level), ())

    def bypassed(self, level: str) -> frozenset[str]:
        """Operands that must not stay in a level."""
        return next((item.operands for item in self.bypass if item.level == level), frozenset())


def _sizes(sizes: Sizes, op: Op) -> Sizes:
    return tuple((dim, min(size, op.loops[dim])) for dim, size in sizes if dim in op.loops)


def _letters(entry: str, op: Op) -> tuple[str, ...]:
    """A dimension or GEMM-view group as the op's dimensions; empty for a dimension it does not have."""
    match entry:
        case "rows":
            return op.rows
        case "columns":
            return op.columns
        case "reduction":
            return op.reduction
        case "batch":
            return op.batch
        case _:
            return (entry,) if entry in op.loops else ()
