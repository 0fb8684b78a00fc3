"""How long a connection to a PostgreSQL server waits, and for what."""

from collections.abc import Mapping

CONNECT_S = 10
# A statement that takes longer is given up, and so is a transaction that does nothing for as long.
STATEMENT_S = 60
# Either side takes the other for lost when nothing has come from it for so long; TCP by itself would wait for hours.
LOST_S = 20


def connection_arguments(patience_s: float, asked: Mapping[str, object]) -> dict[str, object]:
    """For libpq, with the server's own settings for the connection in `options`.

    `patience_s`: how long a transaction waits for another's lock. `asked`: what the operator's URL says, which counts
    for more, `options` setting by setting."""
    probe_s, probes, lost_ms = LOST_S // 4, 3, 1000 * LOST_S
    of_the_server = {
        "timezone": "UTC",
        "lock_timeout": int(1000 * patience_s),
        "statement_timeout": int(1000 * STATEMENT_S),
        "idle_in_transaction_session_timeout": int(1000 * STATEMENT_S),
        "tcp_keepalives_idle": probe_s,
        "tcp_keepalives_interval": probe_s,
        "tcp_keepalives_count": probes,
        "tcp_user_timeout": lost_ms,
    }
    ours: dict[str, object] = {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": probe_s,
        "keepalives_interval": probe_s,
        "keepalives_count": probes,
        "tcp_user_timeout": lost_ms,
    }
    options = [f"-c {name}={value}" for name, value in of_the_server.items()]
    if "options" in asked:
        options.append(str(asked["options"]))  # of a setting that comes twice the last counts
    return {name: value for name, value in ours.items() if name not in asked} | {"options": " ".join(options)}
