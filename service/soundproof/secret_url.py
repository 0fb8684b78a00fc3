"""An URL that may have a password in it: a secret of which all but the password may be shown."""

import re

from pydantic import SecretStr

MASK = "***"
_SCHEME = re.compile(r"[a-zA-Z][\w+.-]*://")
_USER = re.compile(r"[^:/?#@]*")
_QUERY_VALUE = re.compile(r"([?&][^=&]*=)[^&]*")


class SecretUrl(SecretStr):
    """`str` and `repr` show it with its password and the values of its query masked."""

    def _display(self) -> str:
        return masked(self.get_secret_value())


def masked(url: str) -> str:
    """The URL without what could be secret in it: rather too much is masked than too little, since drivers read
    passwords that are not escaped as well, and take them from the query too. No URL at all is masked whole.

    >>> masked("postgresql://soundproof:hush@host/certificates?sslpassword=hush")
    'postgresql://soundproof:***@host/certificates?sslpassword=***'
    """
    if not url:
        return ""
    if not (scheme := _SCHEME.match(url)):
        return MASK
    login, at, rest = url[scheme.end() :].rpartition("@")
    user = _USER.match(login)
    if at and user:
        login = user[0] if user[0] == login else f"{user[0]}:{MASK}"
    place = _QUERY_VALUE.sub(rf"\1{MASK}", rest)
    return f"{scheme[0]}{login}{at}{place}"
