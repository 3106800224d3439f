"""Distributions with a name of their own, from the literature.

In: nothing.  Out: the registry.  A scenario names one where a size is wanted: ``size: web-search``.

The papers print curves, not tables.  The points are those that simulations of later papers have read off these curves
and passed on; between two of them sizes are spread evenly.  Where the first of them says that no flow is of no bytes
and up to so many have a share, the least size is one byte.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.model.traffic.distribution import Distribution


def _flow_sizes(name: str, *points: tuple[float, float]) -> Distribution:
    """Points in bytes and percent."""
    return Distribution(
        family="empirical", points=tuple((value, percent / 100) for value, percent in points), name=name
    )


NAMED: Mapping[str, Distribution] = {
    one.name: one
    for one in (
        # Alizadeh et al.: Data Center TCP (DCTCP), SIGCOMM 2010, figure 4, as used by pFabric (SIGCOMM 2013) and HPCC
        # (SIGCOMM 2019): flows of a web search cluster; the heavy ones are background updates.
        _flow_sizes(
            "web-search",
            (1, 0),
            (10e3, 15),
            (20e3, 20),
            (30e3, 30),
            (50e3, 40),
            (80e3, 53),
            (200e3, 60),
            (1e6, 70),
            (2e6, 80),
            (5e6, 90),
            (10e6, 97),
            (30e6, 100),
        ),
        # Greenberg et al.: VL2, SIGCOMM 2009, figure 2, as used by pFabric: flows of a data mining cluster; four in
        # five are below 10 kB, and one in fifty carries most of the bytes.
        _flow_sizes(
            "data-mining",
            (1, 0),
            (180, 10),
            (216, 20),
            (560, 30),
            (900, 40),
            (1_100, 50),
            (1_870, 60),
            (3_160, 70),
            (10e3, 80),
            (400e3, 90),
            (3.16e6, 95),
            (100e6, 98),
            (1e9, 100),
        ),
        # Roy et al.: Inside the Social Network's (Datacenter) Network, SIGCOMM 2015, figure 6: Hadoop, as used by HPCC;
        # web servers and cache followers within their cluster, as used by Homa (SIGCOMM 2018).
        _flow_sizes(
            "hadoop",
            (1, 0),
            (100, 1),
            (200, 2),
            (300, 5),
            (350, 15),
            (400, 20),
            (500, 30),
            (600, 40),
            (700, 50),
            (1_000, 60),
            (2_000, 67),
            (7_000, 70),
            (30e3, 72),
            (50e3, 82),
            (80e3, 87),
            (120e3, 90),
            (300e3, 95),
            (1e6, 97.5),
            (2e6, 99),
            (10e6, 100),
        ),
        _flow_sizes(
            "web-server",
            (1, 0),
            (84, 6.1),
            (153, 12.6),
            (301, 21.5),
            (639, 24.07),
            (1_085, 31.3),
            (1_843, 39.63),
            (3_000, 47.96),
            (5_000, 56.3),
            (10e3, 65.19),
            (20e3, 71.48),
            (50e3, 78.15),
            (100e3, 81.48),
            (200e3, 85.74),
            (300e3, 92.22),
            (400e3, 97.41),
            (565_213, 99.07),
            (1e6, 100),
        ),
        _flow_sizes(
            "cache-follower",
            (1, 0),
            (68, 2.04),
            (266, 5.39),
            (340, 18.03),
            (490, 27.7),
            (707, 35.32),
            (1_110, 39.96),
            (2_000, 43.68),
            (5_000, 46.65),
            (28_270, 50),
            (110_726, 53.9),
            (199_933, 59.23),
            (326_042, 65.8),
            (588_724, 71.38),
            (1_503_111, 72.3),
            (1_959_004, 81.6),
            (2_329_467, 87.17),
            (2_553_169, 92.76),
            (2_827_011, 97.4),
            (3_837_698, 100),
        ),
    )
}
"""Of sizes in bytes, each with its source."""
