"""What ``feast apply`` registers: one entity, source and view for each feature row class, and the services.

Feast takes the module's names for its objects. All are derived from the row classes; no column is declared here.
"""

from recommender.history import ensure_tables
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store.declare import declare

_history_dir = Installation(Settings().data_dir).history_dir
ensure_tables(_history_dir)
globals().update(declare(_history_dir))
