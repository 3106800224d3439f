"""The online detectors by name: one line each.

In: a name.  Out: a fresh detector with its default settings.  Never: an import of scikit-learn before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from shadowlab.detect.online.reading import Online


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a detector takes: one value a sample, two counts (lost, sent), or a vector of any length."""

    module: str
    name: str
    takes: str
    says: str

    def fresh(self) -> Online:
        """A new detector.  Raises CannotRunError, naming the extra, where it needs what is not installed."""
        make: Callable[[], Online] = getattr(import_module(f"shadowlab.detect.{self.module}"), self.name)
        return make()


def _one(module: str, name: str, says: str, takes: str = "value") -> Kind:
    return Kind(module=module, name=name, takes=takes, says=says)


ONLINE: Mapping[str, Kind] = {
    "panel": _one("panel.panel", "Panel", "steps or new extremes, as the series' character asks for; the default"),
    "zscore": _one("online.zscore", "ZScore", "distance from a fixed baseline: the concept's reference"),
    "level-shift": _one("online.level_shift", "LevelShift", "several values in a row far from the running median"),
    "steps": _one("online.steps", "Steps", "change points of a level with bursts about it: round-trip times"),
    "cusum": _one("online.cusum", "Cusum", "summed residuals, two-sided"),
    "page-hinkley": _one("online.page_hinkley", "PageHinkley", "summed residuals against their running mean"),
    "ewma": _one("online.ewma", "Ewma", "exponentially weighted residuals"),
    "holt-winters": _one("online.holt_winters", "HoltWinters", "error of a forecast that knows the hour"),
    "count-ratio": _one("online.count_ratio", "CountRatio", "likelihood ratio of losses", takes="counts"),
    "new-extreme": _one("online.new_extreme", "NewExtreme", "a value or mean outside all that was seen"),
    "adwin": _one("online.adwin", "Adwin", "drift: the mean of a window moved"),
    "peaks": _one("online.peaks", "PeaksOverThreshold", "a tail beyond what was seen (generalised Pareto)"),
    "spectral-residual": _one("window.spectral_residual", "SpectralResidual", "what the spectrum does not explain"),
    "shapes": _one("window.shapes", "Shapes", "new extremes, and windows unlike any of the last: loads and demand"),
    "sub-pca": _one("window.sub_pca", "SubPca", "subsequences of an unusual shape"),
    "t2-q": _one("window.t2_q", "T2Q", "several indicators together", takes="vector"),
    "isolation-forest": _one("window.isolation_forest", "IsolationForest", "extra ml: set apart soon", takes="vector"),
    "one-class": _one("window.one_class", "OneClass", "extra ml: outside the region of the past", takes="vector"),
}
