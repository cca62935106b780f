"""Which proxy the environment names for an address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""

from __future__ import annotations

from urllib.parse import SplitResult


def proxy_for(parts: SplitResult) -> str:
    """The proxy's URL, or "" for none. A loopback address never goes through a proxy: it means this host."""
    import ipaddress
    from urllib.request import getproxies, proxy_bypass

    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return ""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return ""
    except ValueError:
        pass
    proxies = getproxies()
    chosen = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not chosen or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return chosen if "://" in chosen else f"http://{chosen}"
