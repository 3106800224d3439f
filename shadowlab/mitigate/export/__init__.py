"""A chosen cure as text that people review before anybody runs it: one file for each form.

In: actions.  Out: text.  Never: an effect.  Names come from maps that strangers may have written: they are quoted by
the rules of each form, and never become code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shadowlab.mitigate.export import ansible, frr, iproute2, nft, webhook
from shadowlab.mitigate.export.subject import Subject

FORMS: Mapping[str, Callable[[Subject], str]] = {
    "iproute2": iproute2.text,
    "frr": frr.text,
    "nft": nft.text,
    "ansible": ansible.text,
    "webhook": webhook.text,
}
"""One line for each form."""
