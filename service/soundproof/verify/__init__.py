"""Checks of a certificate that need nothing but the certificate, the clip's bytes and a key. In the base install."""
