"""Alibaba's own SDK for Python against the simulator.

Each check is a function; its name is a sentence that holds if it returns. Prints one JSON
object: name -> null, or what went wrong.

usage: checks.py HOST:PORT
"""

import json
import sys
import time
import traceback

from alibabacloud_tea_openapi import models as openapi
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client

ENDPOINT = sys.argv[1]
REGION = "cn-hangzhou"
TABLE = "vtb-lab"
VBR_TABLE = "vtb-line1"

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def client(key="testid", secret="testsecret", version=None, **more):
    config = openapi.Config(
        access_key_id=key,
        access_key_secret=secret,
        endpoint=ENDPOINT,
        protocol="HTTP",
        region_id=REGION,
        signature_algorithm=version,
        **more,
    )
    return Client(config)


def refused(code, function, *arguments):
    """The error of a call that must be refused with that code."""
    try:
        function(*arguments)
    except Exception as error:  # the SDK's classes differ between its versions
        found = getattr(error, "code", None)
        assert found == code, f"{found} instead of {code}: {error}"
        return error
    raise AssertionError(f"it was not refused with {code}")


def create(destination, next_hop="i-vpc1", kind="Instance", table=TABLE, **more):
    return vpc.CreateRouteEntryRequest(
        region_id=REGION,
        route_table_id=table,
        destination_cidr_block=destination,
        next_hop_id=next_hop,
        next_hop_type=kind,
        **more,
    )


def item(destination, next_hop="i-vpc1", kind="Instance", table=TABLE, version=4):
    return vpc.CreateRouteEntriesRequestRouteEntries(
        route_table_id=table,
        dst_cidr_block=destination,
        next_hop=next_hop,
        next_hop_type=kind,
        ip_version=version,
        name="flatnet",
    )


def entries(api, table=TABLE, size=50, **more):
    """All custom entries, page by page, and how many pages there were."""
    rows, token, pages = [], None, 0
    while True:
        request = vpc.DescribeRouteEntryListRequest(
            region_id=REGION,
            route_table_id=table,
            route_entry_type="Custom",
            max_result=size,
            next_token=token,
            **more,
        )
        body = api.describe_route_entry_list(request).body
        rows += body.route_entrys.route_entry or []
        pages += 1
        token = body.next_token
        if not token:
            return rows, pages


def settle(api, table=TABLE):
    """Waits until every entry is Available; 10 s at most."""
    for _ in range(200):
        rows, _ = entries(api, table)
        if all(row.status == "Available" for row in rows):
            return rows
        time.sleep(0.05)
    raise AssertionError("the entries do not settle")


def clear(api, table=TABLE):
    while rows := settle(api, table):
        doomed = [
            vpc.DeleteRouteEntriesRequestRouteEntries(
                route_table_id=table, route_entry_id=row.route_entry_id
            )
            for row in rows[:50]
        ]
        request = vpc.DeleteRouteEntriesRequest(region_id=REGION, route_entries=doomed)
        body = api.delete_route_entries(request).body
        assert body.success_count == len(doomed), body.to_map()


@check
def an_entry_is_created_listed_and_deleted():
    api = client()
    made = api.create_route_entry(create("172.30.16.0/20", route_entry_name="one")).body
    row = entries(api)[0][0]
    assert row.route_entry_id == made.route_entry_id
    assert row.status == "Pending", row.status
    assert row.route_entry_name == "one" and row.type == "Custom"
    hop = row.next_hops.next_hop[0]
    assert (hop.next_hop_id, hop.next_hop_type) == ("i-vpc1", "Instance")
    refused("TaskConflict", api.create_route_entry, create("172.30.32.0/20"))
    settle(api)
    api.delete_route_entry(
        vpc.DeleteRouteEntryRequest(region_id=REGION, route_entry_id=made.route_entry_id)
    )
    assert entries(api)[0][0].status == "Deleting"
    assert settle(api) == []


@check
def a_listing_comes_in_pages_without_loss_or_repetition():
    api = client()
    batch = [item(f"10.1.{n}.0/24") for n in range(45)]
    request = vpc.CreateRouteEntriesRequest(region_id=REGION, route_entries=batch)
    body = api.create_route_entries(request).body
    assert (body.success_count, body.failed_count) == (45, 0), body.to_map()
    settle(api)
    for size, expected in [(10, 5), (45, 1), (100, 1)]:
        rows, pages = entries(api, size=size)
        assert pages == expected, f"{pages} pages of {size}"
        found = {row.route_entry_id for row in rows}
        assert len(rows) == len(found) == 45 and found == set(body.route_entry_ids)
    other = vpc.DescribeRouteEntryListRequest(
        region_id=REGION, route_table_id=TABLE, next_token="made-up"
    )
    refused("IllegalParam.NextToken", api.describe_route_entry_list, other)


@check
def a_batch_fails_in_part_and_says_which_by_destination_and_next_hop():
    api = client()
    api.create_route_entry(create("10.2.1.0/24"))
    settle(api)
    batch = [
        item("10.2.0.0/24"),
        item("10.2.1.0/24"),
        item("10.2.2.0/24", next_hop="i-none"),
        item("100.64.3.0/24"),
        item("fd20:30::1:0/112", version=6),
    ]
    request = vpc.CreateRouteEntriesRequest(region_id=REGION, route_entries=batch)
    body = api.create_route_entries(request).body
    assert (body.success_count, body.failed_count) == (2, 3), body.to_map()
    failed = {
        (f.dst_cidr_block, f.next_hop): f.failed_code for f in body.failed_route_entries
    }
    assert failed == {
        ("10.2.1.0/24", "i-vpc1"): "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE",
        ("10.2.2.0/24", "i-none"): "InvalidNextHopId.NotFound",
        ("100.64.3.0/24", "i-vpc1"): "InvalidCidrBlock",
    }, failed
    settle(api)
    doomed = [
        vpc.DeleteRouteEntriesRequestRouteEntries(
            route_table_id=TABLE, dst_cidr_block=destination, next_hop="i-vpc1"
        )
        for destination in ["10.2.0.0/24", "10.2.9.0/24"]
    ]
    body = api.delete_route_entries(
        vpc.DeleteRouteEntriesRequest(region_id=REGION, route_entries=doomed)
    ).body
    assert (body.success_count, body.failed_count) == (1, 1), body.to_map()
    assert body.failed_route_entries[0].failed_code == "VPC_ROUTER_ENTRY_NOT_EXIST"


@check
def an_entry_moves_to_another_next_hop():
    api = client()
    api.create_route_entry(create("10.3.0.0/16"))
    row = settle(api)[0]
    api.modify_route_entry(
        vpc.ModifyRouteEntryRequest(
            region_id=REGION,
            route_entry_id=row.route_entry_id,
            new_next_hop_id="i-vpc2",
            new_next_hop_type="Instance",
        )
    )
    assert entries(api)[0][0].status == "Modifying"
    assert settle(api)[0].next_hops.next_hop[0].next_hop_id == "i-vpc2"


@check
def errors_come_with_their_codes():
    api = client()
    api.create_route_entry(create("10.4.0.0/16"))
    settle(api)
    for code, request in [
        ("InvalidRouteEntry.Duplicate", create("10.4.0.0/16")),
        ("InvalidCIDRBlock.Duplicate", create("10.4.0.0/16", "i-vpc2")),
        ("RouteConflict.AlreadyExist", create("172.20.1.0/24")),
        ("InvalidCidrBlock", create("172.20.1.128/25")),
        ("InvalidCidrBlock", create("100.100.0.0/16")),
        ("InvalidCidrBlock.Malformed", create("10.4.0.1/16")),
        ("InvalidRouteTableId.NotFound", create("10.5.0.0/16", table="vtb-none")),
        ("InvalidNextHopId.NotFound", create("10.5.0.0/16", "i-none")),
        ("MissingParameter", create(None)),
        ("DryRunOperation", create("10.5.0.0/16", dry_run=True)),
    ]:
        error = refused(code, api.create_route_entry, request)
        status = 404 if code.endswith("Id.NotFound") else 400
        assert getattr(error, "status_code", status) == status, error
    missing = vpc.DeleteRouteEntryRequest(region_id=REGION, route_entry_id="rte-none")
    refused("InvalidRouteEntryId.NotFound", api.delete_route_entry, missing)
    assert len(entries(api)[0]) == 1


@check
def a_client_token_makes_a_creation_idempotent():
    api = client()
    request = create("10.6.0.0/16", client_token="only-once")
    first = api.create_route_entry(request).body.route_entry_id
    assert api.create_route_entry(request).body.route_entry_id == first
    refused(
        "IdempotentParameterMismatch",
        api.create_route_entry,
        create("10.7.0.0/16", client_token="only-once"),
    )


@check
def keys_are_checked():
    listing = vpc.DescribeVpcsRequest(region_id=REGION)
    for version in [None, "v2"]:
        error = refused(
            "SignatureDoesNotMatch",
            client(secret="wrong", version=version).describe_vpcs,
            listing,
        )
        assert "server string to sign is:" in str(error), error
        refused(
            "InvalidAccessKeyId.NotFound",
            client(key="nobody", version=version).describe_vpcs,
            listing,
        )
    reader = client("reader", "readersecret")
    assert reader.describe_vpcs(listing).body.total_count == 1
    refused("Forbidden.RAM", reader.create_route_entry, create("10.8.0.0/16"))


@check
def the_older_signature_works_too():
    api = client(version="v2")
    batch = [item(f"10.9.{n}.0/24") for n in range(3)]
    request = vpc.CreateRouteEntriesRequest(region_id=REGION, route_entries=batch)
    assert api.create_route_entries(request).body.success_count == 3
    assert len(settle(api)) == 3


@check
def the_vpc_the_line_and_their_tables_are_described():
    api = client()
    request = vpc.DescribeRouteTableListRequest(region_id=REGION)
    tables = api.describe_route_table_list(request).body.router_table_list
    kinds = {t.route_table_id: t.router_type for t in tables.router_table_list_type}
    assert kinds == {TABLE: "VRouter", VBR_TABLE: "VBR"}, kinds
    body = api.describe_vpcs(vpc.DescribeVpcsRequest(region_id=REGION)).body
    assert body.vpcs.vpc[0].router_table_ids.router_table_ids == [TABLE]
    body = api.describe_vswitches(vpc.DescribeVSwitchesRequest(region_id=REGION)).body
    assert {s.cidr_block for s in body.v_switches.v_switch} == {
        "172.20.1.0/24",
        "172.20.2.0/24",
    }
    body = api.describe_virtual_border_routers(
        vpc.DescribeVirtualBorderRoutersRequest(region_id=REGION)
    ).body
    vbr = body.virtual_border_router_set.virtual_border_router_type[0]
    assert (vbr.route_table_id, vbr.peer_gateway_ip) == (VBR_TABLE, "10.255.0.1")


@check
def a_vbr_holds_48_entries():
    api = client()
    batch = [
        item(f"10.10.{n}.0/24", "ri-line1-to-vpc", "RouterInterface", VBR_TABLE)
        for n in range(49)
    ]
    request = vpc.CreateRouteEntriesRequest(region_id=REGION, route_entries=batch)
    body = api.create_route_entries(request).body
    assert (body.success_count, body.failed_count) == (48, 1), body.to_map()
    assert body.failed_route_entries[0].failed_code == "QuotaExceeded"
    clear(api, VBR_TABLE)


def main():
    results = {}
    for function in CHECKS:
        try:
            clear(client())
            function()
            results[function.__name__] = None
        except Exception:
            results[function.__name__] = traceback.format_exc(limit=4)
    print(json.dumps(results))


main()
