"""The commands of a living lab, one file each.

In: the command line.  Out: the command's work.  Never: an import before it is needed.
"""

from __future__ import annotations

COMMANDS = {
    "up": ("shadowlab.cli.live.up", "Build the lab of a map, and leave it up."),
    "down": ("shadowlab.cli.live.down", "Take a lab down."),
    "apply": ("shadowlab.cli.live.apply", "Make a lab what a map says, touching only what differs."),
    "set": ("shadowlab.cli.live.set", "Change one link of a lab in place."),
    "exec": ("shadowlab.cli.live.exec", "Run a program in a node."),
    "shell": ("shadowlab.cli.live.shell", "Open a shell in a node."),
    "drive": ("shadowlab.cli.live.drive", "Let the traffic of a recording run in a lab."),
    "status": ("shadowlab.cli.live.status", "Show a lab: nodes, links, what they carry."),
    "list": ("shadowlab.cli.live.list", "List the labs."),
    "capture": ("shadowlab.cli.live.capture", "Capture a link's packets into a pcapng file."),
    "trace": ("shadowlab.cli.live.trace", "Show the way of a flow, hop by hop, with delays, loss and MTU."),
    "verify": ("shadowlab.cli.live.verify", "Try whether links do what the map says, or that nothing leads out."),
    "gc": ("shadowlab.cli.live.gc", "Clear away what labs that ended badly left behind."),
}
"""Name to module and help line.  The command is the module's attribute ``command``."""
