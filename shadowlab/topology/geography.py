"""Distance and the delay it costs.

In: coordinates in degrees.  Out: kilometres along the great circle, and nanoseconds in fibre.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0088
"""Mean radius (IUGG)."""
FIBRE_NS_PER_KM = 5_000
"""Light in glass travels at about two thirds of its speed in a vacuum: 200 km in a millisecond."""


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Kilometres between two (latitude, longitude) pairs, by the haversine formula."""
    (lat_a, lon_a), (lat_b, lon_b) = ((radians(lat), radians(lon)) for lat, lon in (a, b))
    haversine = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(haversine)))


def fibre_delay_ns(kilometres: float) -> int:
    """One-way delay of that much fibre, in whole nanoseconds."""
    return round(kilometres * FIBRE_NS_PER_KM)
