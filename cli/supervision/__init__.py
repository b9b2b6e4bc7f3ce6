"""Starting processes in the order of what they need, keeping them alive, and stopping them in reverse."""

from cli.supervision.child import Child, State
from cli.supervision.spec import ProcessSpec, RestartPolicy
from cli.supervision.supervisor import StopRequest, Supervisor

__all__ = ["Child", "ProcessSpec", "RestartPolicy", "State", "StopRequest", "Supervisor"]
