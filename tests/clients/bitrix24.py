"""Bitrix24's official Python client against the simulated portal and its authorization server.

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


print(json.dumps({"calls": calls, "tokens": tokens}[given["what"]]()))
