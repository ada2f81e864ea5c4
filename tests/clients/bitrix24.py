"""Bitrix24's official Python client, and fast-bitrix24, against the simulated portal and its authorization server.

Reads what it needs from the environment, prints what it saw as one line of JSON.
"""

import json
import os

from b24pysdk.api.requesters import BitrixOAuthRequester
from b24pysdk.credentials import BitrixApp, BitrixWebhook

given = json.loads(os.environ["GIVEN"])


def refused(call):
    try:
        call()
    except Exception as error:  # what it is called is what is looked at
        return type(error).__name__
    return None


def calls():
    """What an incoming webhook reaches."""
    portal = BitrixWebhook(domain=given["domain"], webhook_token=given["webhook"])
    deal = given["deal"]
    read = portal.call_method("crm.item.get", {"entityTypeId": 2, "id": deal})["result"]["item"]
    listed = portal.call_list("crm.item.list", {"entityTypeId": 2, "select": ["id"]})["result"]
    batch = portal.call_batch({
        "deal": ("crm.item.get", {"entityTypeId": 2, "id": deal}),
        "users": ("user.get", {}),
    })["result"]["result"]
    return {
        "read": read["id"],
        "listed": len(listed["items"] if isinstance(listed, dict) else listed),
        "batch": [batch["deal"]["item"]["id"], len(batch["users"])],
        "gone": refused(lambda: portal.call_method("crm.item.get", {"entityTypeId": 2, "id": 999999})),
    }


def families():
    """The older methods, which most scripts still call, and their own fields."""
    portal = BitrixWebhook(domain=given["domain"], webhook_token=given["webhook"])
    call = lambda method, **params: portal.call_method(method, params)["result"]
    name = f"PY_{os.getpid()}"
    field = call("crm.deal.userfield.add", fields={"FIELD_NAME": name, "USER_TYPE_ID": "string", "MULTIPLE": "Y", "LABEL": "Sites"})
    upper = f"UF_CRM_{name}"
    deal = call("crm.deal.add", fields={"TITLE": "From Python", "OPPORTUNITY": 12.5, upper: ["Roof", "Wall, north"]})
    read = call("crm.deal.get", id=deal)
    call("crm.deal.update", id=deal, fields={"STAGE_ID": "WON"})
    won = call("crm.deal.list", filter={"ID": deal}, select=["ID", "STAGE_SEMANTIC_ID", "UF_*"])
    contact = call("crm.contact.add", fields={"NAME": "Ann", "PHONE": [{"VALUE": "+49 30 1234567", "VALUE_TYPE": "WORK"}]})
    found = call("crm.duplicate.findbycomm", type="PHONE", values=["+49301234567"], entity_type="CONTACT")
    listed = [row["FIELD_NAME"] for row in call("crm.deal.userfield.list", filter={"LANG": "en"}, order={"SORT": "ASC"})]
    call("crm.deal.delete", id=deal)
    gone = refused(lambda: call("crm.deal.get", id=deal))
    call("crm.deal.userfield.delete", id=field)
    return {
        "sum": read["OPPORTUNITY"], "several": read[upper], "won": won[0]["STAGE_SEMANTIC_ID"], "kept": won[0][upper],
        "known": contact in found["CONTACT"], "field": upper in listed, "gone": gone,
        "currencies": [row["CURRENCY"] for row in call("crm.currency.list")],
        "departments": len(call("department.get")),
        "scope": "crm" in call("scope"), "method": call("method.get", name="crm.deal.list"),
        "unknown_stage": refused(lambda: call("crm.item.add", entityTypeId=2, fields={"stageId": "NOPE"})),
    }


def fast():
    """fast-bitrix24: whole lists, records by their numbers, batches."""
    import asyncio
    import ssl

    import aiohttp
    from fast_bitrix24 import BitrixAsync

    async def run():
        context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            portal = BitrixAsync(given["webhook_url"], verbose=False, client=session)
            deals = await portal.get_all("crm.deal.list")
            items = await portal.get_all("crm.item.list", {"entityTypeId": 2})
            tasks = await portal.get_all("tasks.task.list", {"select": ["ID", "TITLE", "STATUS"]})
            statuses = await portal.get_all("crm.status.list", {"filter": {"ENTITY_ID": "DEAL_STAGE"}})
            users = await portal.get_all("user.get")
            some = [1, 2, 3]
            by_number = await portal.get_by_ID("crm.deal.get", some)
            as_items = await portal.get_by_ID("crm.item.get", some, ID_field_name="id", params={"entityTypeId": 2})
            batch = await portal.call_batch({"halt": 0, "cmd": {"one": "crm.deal.get?id=1", "company": "crm.company.get?id=$result[one][COMPANY_ID]"}})
            updated = await portal.call("crm.deal.update", [{"ID": number, "fields": {"COMMENTS": "by fast"}} for number in some])
        return {
            "deals": len({row["ID"] for row in deals}), "items": len({row["id"] for row in items}), "tasks": len(tasks),
            "statuses": len(statuses), "users": len(users), "by_number": sorted(int(key) for key in by_number),
            "as_items": sorted(int(key) for key in as_items), "batch": sorted(batch), "updated": len(list(updated)),
        }

    return asyncio.run(run())


def tokens():
    """A code exchanged, a token looked at, a pair renewed; and what is refused."""
    west = given["west"]
    BitrixOAuthRequester._OAUTH_TOKEN_URL = f"{west}/oauth/token/"
    BitrixOAuthRequester._APP_INFO_URL = f"{west}/rest/app.info/"
    app = BitrixApp(client_id=given["client_id"], client_secret=given["client_secret"])
    first = app.get_oauth_token(given["code"])
    info = app.get_app_info(first.oauth_token.access_token)
    second = app.refresh_oauth_token(first.oauth_token.refresh_token)
    stranger = BitrixApp(client_id=given["client_id"], client_secret="not the secret")
    return {
        "user": first.user_id,
        "member": [first.member_id, info.result.install.member_id],
        "renewed": second.oauth_token.access_token != first.oauth_token.access_token,
        "again": refused(lambda: app.get_oauth_token(given["code"])),
        "wrong": refused(lambda: stranger.refresh_oauth_token(second.oauth_token.refresh_token)),
    }


print(json.dumps({"calls": calls, "families": families, "fast": fast, "tokens": tokens}[given["what"]]()))
