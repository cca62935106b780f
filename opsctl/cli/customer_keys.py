"""``opsctl customer rotate-key|revoke-key|contain-key``: one key of one customer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.customer import Customer, app
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

Key = Annotated[str, typer.Option("--key", metavar="KEY_ID", help="Id of the key (not its text).")]
KeyFile = Annotated[
    str, typer.Option("--key-file", metavar="FILE", help="New file, or folder for one, for the new key's text.")
]
OldKeyFile = Annotated[
    str,
    typer.Option("--old-key-file", metavar="FILE", help="Holds the old key's text, to prove that it is refused."),
]
Address = Annotated[
    list[str] | None, typer.Option("--address", metavar="URL", help="Where to ask with the keys. May be repeated.")
]
CacheTtl = Annotated[
    str, typer.Option("--cache-ttl", metavar="DURATION", help="How long the service remembers validated keys.")
]
Unlisted = Annotated[bool, typer.Option("--unlisted", help="Go on although the service does not list its keys.")]


@app.command("rotate-key")
def rotate_key(
    ctx: typer.Context,
    customer: Customer,
    key: Key,
    key_file: KeyFile,
    address: Address = None,
    unlisted: Unlisted = False,
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Make a second key for a customer, its text in a file; the old one goes on working.

    Shows the plan; changes nothing before a yes. When nobody uses the old one any more: `opsctl customer revoke-key`.
    """
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer, "key": key, "key_file": key_file}
    parameters |= {"address": tuple(address)} if address else {}
    parameters |= {"unlisted": True} if unlisted else {}
    return act(root_of(ctx), service, "customer.rotate-key", parameters, consent)


@app.command("revoke-key")
def revoke_key(
    ctx: typer.Context,
    customer: Customer,
    key: Key,
    quiet: Annotated[
        str, typer.Option("--quiet", metavar="DURATION", help="How long the key must not have been used.")
    ] = "10m",
    old_key_file: OldKeyFile = "",
    address: Address = None,
    cache_ttl: CacheTtl = "",
    in_use: Annotated[bool, typer.Option("--in-use", help="Revoke it although it is in use.")] = False,
    only_key: Annotated[bool, typer.Option("--only-key", help="Revoke it although there is no other.")] = False,
    unlisted: Unlisted = False,
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Revoke a key that nobody uses any more. It is final.

    Shows the plan; changes nothing before a yes.
    """
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer, "key": key, "quiet": quiet}
    parameters |= {"old_key_file": old_key_file} if old_key_file else {}
    parameters |= {"address": tuple(address)} if address else {}
    parameters |= {"cache_ttl": cache_ttl} if cache_ttl else {}
    flags = {"in_use": in_use, "only_key": only_key, "unlisted": unlisted}
    parameters |= {name: True for name, wanted in flags.items() if wanted}
    return act(root_of(ctx), service, "customer.revoke-key", parameters, consent)


@app.command("contain-key")
def contain_key(
    ctx: typer.Context,
    customer: Customer,
    key: Key,
    key_file: KeyFile,
    old_key_file: OldKeyFile = "",
    suspend: Annotated[
        bool, typer.Option("--suspend", help="Shut the whole customer out until the old key is refused.")
    ] = False,
    suspected: Annotated[
        bool, typer.Option("--suspected", help="It is not abused yet: leave the old key working beside the new one.")
    ] = False,
    restart: Annotated[
        str, typer.Option("--restart", metavar="ADAPTER", help="Restart it, which empties the key cache.")
    ] = "",
    evidence: Annotated[str, typer.Option("--evidence", metavar="DIR", help="Where the evidence is kept.")] = "",
    address: Address = None,
    cache_ttl: CacheTtl = "",
    without_evidence: Annotated[
        bool, typer.Option("--without-evidence", help="Go on although no evidence can be kept.")
    ] = False,
    without_proof: Annotated[
        bool, typer.Option("--without-proof", help="Go on without asking with the old key.")
    ] = False,
    unlisted: Unlisted = False,
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Take a stolen key away: evidence, suspension where wanted, revocation, new key, proof, delivery.

    Shows the plan; changes nothing before a yes. After a crash: `opsctl ledger resume RUN`.
    """
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer, "key": key, "key_file": key_file}
    texts = {"old_key_file": old_key_file, "restart": restart, "evidence": evidence, "cache_ttl": cache_ttl}
    parameters |= {name: text for name, text in texts.items() if text}
    parameters |= {"address": tuple(address)} if address else {}
    flags = {"suspend": suspend, "suspected": suspected, "without_evidence": without_evidence}
    flags |= {"without_proof": without_proof, "unlisted": unlisted}
    parameters |= {name: True for name, wanted in flags.items() if wanted}
    return act(root_of(ctx), service, "customer.contain-key", parameters, consent)
