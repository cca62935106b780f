"""From http_config to what the HTTP client takes: secrets read, files checked to be named relative to their file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from opsctl.config.endpoint import HttpAccess, OAuth2
from opsctl.config.faults import Path as Keys
from opsctl.config.model import Address, HttpConfig, Part
from opsctl.config.references import Reference, reference, resolve
from opsctl.config.source import SourceFile, read_source
from opsctl.errors import ConfigError, CouldNotLook


class PlacedHttp(NamedTuple):
    """An http_config, the file it is in and the key path there."""

    config: HttpConfig
    source: SourceFile
    keys: Keys


def placed_http(address: Address, source: SourceFile, keys: Keys) -> PlacedHttp | None:
    """The http_config of an address, written there or in the file that http_config_file names. Raises ConfigError."""
    if address.http_config is not None:
        return PlacedHttp(address.http_config, source, (*keys, "http_config"))
    if not address.http_config_file:
        return None
    named = Path(source.beside(address.http_config_file))
    try:
        file, config = read_source(named, HttpConfig, "http_config_file")
    except ConfigError as error:
        place = source.place((*keys, "http_config_file"))
        raise ConfigError(f"{error.says} (named in {place})", place=error.place, remedy=error.remedy) from None
    return PlacedHttp(config, file, ())


def access(placed: PlacedHttp | None, environ: Mapping[str, str]) -> HttpAccess:
    """What the client takes. Raises CouldNotLook("unauthorized") when a secret cannot be had."""
    if placed is None:
        return HttpAccess()
    config, source, keys = placed
    tls = config.tls_config

    def secret(part: Part, field: str, *where: str) -> str:
        found = reference(part, field, source, (*keys, *where))
        return "" if found is None else resolve(found, environ)

    def file(name: str) -> str:
        return source.beside(name) if name else ""

    headers: list[tuple[str, str]] = []
    oauth2 = None
    if config.basic_auth is not None:
        user = secret(config.basic_auth, "username", "basic_auth")
        password = secret(config.basic_auth, "password", "basic_auth")
        headers.append(("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()))
    elif config.authorization is not None:
        kind = config.authorization.type.strip() or "Bearer"
        headers.append(("Authorization", f"{kind} {secret(config.authorization, 'credentials', 'authorization')}"))
    elif config.oauth2 is not None:
        chosen = config.oauth2
        oauth2 = OAuth2(
            client_id=chosen.client_id,
            client_secret=secret(chosen, "client_secret", "oauth2"),
            token_url=chosen.token_url,
            scopes=chosen.scopes,
            endpoint_params=tuple(chosen.endpoint_params.items()),
        )
    for name, header in config.http_headers.items():
        setting = source.place((*keys, "http_headers", name))
        values = [*header.values, *header.secrets]
        values += [resolve(Reference(f"header {name}", "_file", file(f), setting), environ) for f in header.files]
        headers += [(name, value) for value in values]
    for name, value in headers:
        if not value.isascii():
            setting = source.place(keys)
            raise CouldNotLook("unauthorized", f"the {name} header holds characters beyond ASCII", setting=setting)
    return HttpAccess(
        headers=tuple(headers),
        oauth2=oauth2,
        ca_file=file(tls.ca_file),
        cert_file=file(tls.cert_file),
        key_file=file(tls.key_file),
        server_name=tls.server_name,
        insecure_skip_verify=tls.insecure_skip_verify,
        proxy_url=config.proxy_url,
    )
