"""Which ceiling a program is under, and how near: the roofline model (Williams, Waterman, Patterson, CACM 2009)."""

import dataclasses

FAR = 0.2
"""Below this share of the nearer ceiling neither is what limits."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What limits a program.

    Attributes:
        intensity: operations per byte.
        bound: "arithmetic", "memory", "host" or "overhead".
        share: of the attainable rate, 0 to 1 (above 1 where caches beat the copy).
        text: in words.
    """

    intensity: float
    bound: str
    share: float
    text: str


def verdict(
    flops: float, traffic: float, seconds: float, peak_flops: float, peak_bytes: float, host_share: float = 0.0
) -> Verdict:
    """Sorts a program under its ceiling.

    `attainable = min(peak_flops, intensity * peak_bytes)`; the ceiling it is under is the smaller of the two.

    Args:
        flops: operations of one call.
        traffic: bytes that the call reads and writes.
        seconds: of the call.
        peak_flops: operations per second of the machine.
        peak_bytes: bytes per second of the machine.
        host_share: of the seconds that are spent outside compiled programs, 0 to 1.

    Returns:
        The verdict: "host" where more than half of the time is outside compiled programs, "overhead" where the program
        reaches less than a fifth of the ceiling it is under.

    Example:
        >>> verdict(1e9, 1e6, 0.02, 1e11, 1e10).text
        'arithmetic: 50 % of the matrix product'
    """
    intensity = flops / traffic if traffic else 0.0
    attainable = min(peak_flops, intensity * peak_bytes)
    share = flops / seconds / attainable if attainable else 0.0
    bound, ceiling = ("memory", "copy") if intensity * peak_bytes < peak_flops else ("arithmetic", "matrix product")
    text = f"{bound}: {100 * share:.0f} % of the {ceiling}"
    if host_share > 0.5:
        return Verdict(intensity, "host", share, f"host: {100 * host_share:.0f} % outside compiled programs")
    if share < FAR:
        return Verdict(intensity, "overhead", share, f"overhead: {100 * share:.0f} % of the {ceiling}")
    return Verdict(intensity, bound, share, text)
