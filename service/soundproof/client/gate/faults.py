"""What ends a gate without a verdict.

GateFault
├── SuiteFault         the suite, or what was asked of it: nothing was certified, or it makes no sense to go on
└── ServiceFault       the service could not be made to answer; what was answered is kept
"""


class GateFault(Exception):
    """`str(fault)` is for the person who started the gate."""


class SuiteFault(GateFault):
    """A suite, a baseline or options that cannot be used as they are."""


class ServiceFault(GateFault):
    """The service is gone, full for too long, or not what it was when the gate began."""
