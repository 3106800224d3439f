"""From a history to forecasts of demand, by the model that would have been best or the one that is asked for.

In: a history, what is asked about.  Out: a forecast of each series.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError
from shadowlab.lab.ahead.asked import Asked
from shadowlab.lab.ahead.history import read_history
from shadowlab.predict.forecast.backtest import Forecast, forecast
from shadowlab.predict.forecast.models import MODELS, Model, library

_LONGEST_S = 30 * 86_400.0


def chosen_models(name: str) -> Sequence[Model]:
    """Those to be tried: with ``auto`` all that are there.  Raises CannotRunError for a library that is not."""
    extra = library()
    if name == "library" and extra is None:
        raise CannotRunError("--model library needs statsforecast: pip install 'shadowlab[forecast]'")
    known = [*MODELS, *([extra] if extra is not None else [])]
    return known if name == "auto" else [one for one in known if one.name == name]


def forecasts_of(
    path: Path, asked: Asked, *, by: str, step_s: float | None, horizon_s: float, model: str
) -> tuple[Forecast, ...]:
    """Raises InputError for a history that cannot be read and a horizon that is none, CannotRunError for a model that
    is not installed."""
    models = chosen_models(model)
    if not 0 < horizon_s <= _LONGEST_S:
        raise InputError(f"--horizon: must lie above 0 and within {_LONGEST_S / 86_400:g} days")
    if step_s is not None and step_s <= 0:
        raise InputError("--step: must be above zero")
    try:
        return tuple(
            forecast(one, models, horizon_s) for one in read_history(path, asked.inputs.network, by=by, step_s=step_s)
        )
    except ValueError as error:
        raise InputError(f"--history {path}: {error}") from error
