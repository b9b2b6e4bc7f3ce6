"""Erasures that came while a model was trained on what it had read before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from recommender.erasure.audit import AuditLog
from recommender.erasure.secret import Secret
from recommender.installation import Installation
from recommender.model.forgetting import feature_of, forget_shoppers


def forget_erased_since(installation: Installation, began: datetime, features: Iterable[str]) -> list[str]:
    """Take the users out of all versions whose erasure was asked for since; return their shopper features.

    Args:
        installation: whose audit log tells of it, by digests.
        began: when the training began to read.
        features: shopper features of the version that was made.
    """
    secret = Secret(installation.secret_path)
    records = AuditLog(installation.audit_path, secret).records()
    digests = {
        record.user_digest
        for record in records
        if record.act != "export" and datetime.fromisoformat(record.at) >= began
    }
    prefix = feature_of("")
    named = (feature for feature in features if feature.startswith(prefix)) if digests else ()
    erased = [feature for feature in named if secret.digest(feature.removeprefix(prefix)) in digests]
    if erased:
        forget_shoppers(installation.models_dir, [feature.removeprefix(prefix) for feature in erased])
    return erased
