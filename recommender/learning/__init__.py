"""Learning while serving: a model that grows with the event log between trainings.

``growing`` is the model, ``online`` what learns from a stream of events, ``progressive`` how it is judged, ``learner``
the process around them. LightFM is loaded by ``growing``, so nothing that serves imports this package.
"""
