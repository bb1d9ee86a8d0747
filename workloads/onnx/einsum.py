"""Einsum equations: which letters are batch, rows, columns and reduction."""

from __future__ import annotations

from dataclasses import dataclass

ELLIPSIS = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Equation:
    """Subscripts of each operand and of the result; an ellipsis is written out as capital Greek letters."""

    operands: tuple[str, ...]
    result: str


def parse_equation(text: str, ranks: tuple[int, ...]) -> Equation | None:
    """The equation for operands of these ranks; None when it does not fit them or repeats a letter in an operand."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        return None
    widest = max((rank - len(term) + 3 for term, rank in zip(terms, ranks, strict=True) if ELLIPSIS in term), default=0)
    dots = "".join(chr(0x391 + index) for index in range(min(widest, 16)))
    operands = []
    for term, rank in zip(terms, ranks, strict=True):
        own = rank - len(term) + 3
        written = term.replace(ELLIPSIS, dots[len(dots) - own :] if own > 0 else "")
        if len(written) != rank or len(set(written)) != len(written) or not written.isalpha():
            return None if rank or written else Equation(operands=(), result="")
        operands.append(written)
    letters = "".join(operands)
    implicit = dots + "".join(sorted(letter for letter in set(letters) - set(dots) if letters.count(letter) == 1))
    result = right.replace(ELLIPSIS, dots) if arrow else implicit
    if not set(result) <= set(letters) or len(set(result)) != len(result):
        return None
    return Equation(operands=tuple(operands), result=result)


def factors(text: str, index: int, rank: int) -> tuple[tuple[int, ...], tuple[int, int, int]] | None:
    """The axes of one of two operands as batch, outputs, reduction, with how many each are; no ellipsis."""
    if ELLIPSIS in text:
        return None
    terms = text.replace(" ", "").partition("->")[0].split(",")
    if len(terms) != 2:
        return None
    equation = parse_equation(text, (len(terms[0]), len(terms[1])))
    if equation is None or len(equation.operands[index]) != rank:
        return None
    own, other = equation.operands[index], equation.operands[1 - index]
    batch = [letter for letter in own if letter in other and letter in equation.result]
    outputs = [letter for letter in own if letter not in other]
    reduction = [letter for letter in own if letter in other and letter not in equation.result]
    if not reduction:
        return None
    order = tuple(own.index(letter) for letter in (*batch, *outputs, *reduction))
    return order, (len(batch), len(outputs), len(reduction))
