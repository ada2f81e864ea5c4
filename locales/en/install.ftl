### The pages that connect a portal with Slack and Notion: the first that a customer sees.
###
### $portal (text): the portal's address
### $name (text): a person's name
### $reason (text): what a provider or the system says, in English
### $command (text): what a person types

## The first page

connect = Connect
intro = Switchboard connects your Bitrix24 with Slack and Notion. Start with your portal: you must be one of its administrators.
portal-address = Address of your portal
own-application = My portal has its own local application
own-application-help = In Bitrix24, open Developer resources → Other → Local application. Choose an application with a server and without a user interface, and give it the rights listed below.
handler-path = Handler path:
installation-path = Initial installation path:
connection-code = Connection code from the person who runs Switchboard
connection-code-help = You need no code if this application already connects the portal.
connect-bitrix24 = Connect Bitrix24
rights-in-bitrix24 = Rights that Switchboard needs in Bitrix24
right = Right
purpose = Purpose
without-application = Without an application
by-webhooks = Connect with an incoming and an outgoing webhook
# $sign-in (text): a link, “Sign in with a code”
already-connected = Already connected? { $sign-in }, or connect again as an administrator of the portal. Nothing is lost.
sign-in-with-code = Sign in with a code

## The form for webhooks

one-time-code = One-time code from the person who runs Switchboard
# $member-id (text): the field's name
# $field (text): the same field in an event
member-id = { $member-id } of the portal ({ $field } in any event)
webhook-url = URL of the incoming webhook
application-token = Application token of the outgoing webhook
connect-by-webhooks = Connect with webhooks

## The state of each connection

signed-in = Portal: { $portal }. You are signed in as { $name }.
next = Next:
next-connect-slack = connect Slack. Cards, commands and chat bridges need it.
# $provider (text): Slack, Notion or Bitrix24
token-rejected = { $provider } rejected our token.
token-rejected-help = Connect it again below. Nothing is lost: deliveries wait until then.
rights-missing = Connected, but some rights are missing.
rights-missing-help = They are listed below with their purpose. Allow them at the provider, then connect again.
all-connected = Everything is connected.
try-it = Change a deal in Bitrix24: its card appears in Slack.
notion-can-be-added = You can add Notion below.
# $people (text): a link to the page People
# $bridges (text): a link to the page of chat bridges
what-then = Then match your colleagues on { $people }, bridge channels and chats on { $bridges }, and type { $command } in Slack.
check-now = Check events and chatbot now
# $since (text): a time
failing-since = Since { $since }: { $reason }
not-allowed-yet = Not allowed yet:
connect-again = Connect again
change = Change
not-connected = Not connected.
# $workspace (text): the workspace's name
connected-to = Connected to { $workspace }.

## Bitrix24

bitrix24 = Bitrix24
connected-as-application = Connected to { $portal } as an application.
connected-by-webhooks = Connected to { $portal } with webhooks. You choose its events by hand in Bitrix24, and people cannot work with their own rights. An application solves both.
same-application = Connect again with the same application
as-application = Connect as an application
another-application-help = Another local application replaces this connection. All sessions and API keys end, and people must allow the use of their own rights again.
# $client-id (text): the field's name
client-id-of-another = { $client-id } of another local application
change-application = Change the application

## Slack

slack = Slack
tokens-rotate = Its tokens rotate.
slack-workspace-choice = The Slack workspace that you choose will work with { $portal }.
add-to-slack = Add to Slack
scopes-in-slack = Scopes that Switchboard needs in Slack
scope = Scope

## Notion

notion = Notion
# $workspace (text): the workspace's name
# $connection (text): the connection's name in Notion
# $page (text): a link to the page Notion
connected-to-notion = Connected to { $workspace }. Share your databases with the connection { $connection }, then add them on the page { $page }.
notion-not-connected = Not connected. You need Notion only to sync deals or tasks with its databases.
notion-workspace-choice = The Notion workspace that you choose will work with { $portal }.
connect-notion = Connect Notion
by-notion-secret = Connect with the secret of an internal connection
notion-secret = Internal integration secret
connect-by-secret = Connect with this secret
capabilities-in-notion = Capabilities that Switchboard needs in Notion
capability = Capability

## Our addresses

addresses = Addresses
addresses-help = Enter these in the providers' own settings:
address = Address
where = Where
bitrix24-handler-path = Bitrix24, local application: handler path
bitrix24-installation-path = Bitrix24, local application: initial installation path
slack-requests = Slack: events, commands, interactivity
slack-redirect = Slack: redirect URL

## Disconnecting

disconnect = Disconnect
disconnect-summary = Disconnect this portal and delete its data
disconnect-help = Switchboard disconnects this portal at once. Then it deletes everything that it stores about it: connections, settings, links between records, chats and people, and the event log. A page shows the progress. Nothing is deleted in Bitrix24, Slack or Notion. This cannot be undone. To keep a copy, run { $command } first.
type-to-confirm = Type { $portal } to confirm
delete-everything = Delete everything
disconnected = Disconnected
departed = { $portal } is disconnected. Switchboard is deleting everything that it stores about it.
# $progress (text): a link, “See the progress”
follow-deletion = { $progress }. Keep this address to check that the deletion is finished: nobody else can open it.
see-progress = See the progress
deletion = Deletion
# $tenant (text): the portal's id
# $items (number): how many items were deleted
# $began (text): a time
# $done (text): a time
deleted = Everything about { $tenant } was deleted: { $items ->
    [one] { $items } item
   *[other] { $items } items
}. Requested at { $began }, finished at { $done }.
# $items (number): how many items were deleted
# $began (text): a time
deleting = Requested at { $began }. Not finished yet: { $items ->
    [one] { $items } item was deleted so far.
   *[other] { $items } items were deleted so far.
} Reload this page in a few minutes.
deletion-rest = Work that was already running may still store something. Switchboard looks for it for another day and deletes it. Messages that wait in queues are dropped when their turn comes, within 14 days.
deletion-providers = To finish, remove the application in Bitrix24, the app in Slack and the connection in Notion.

## A person's own rights, and the link between two accounts

work-as-yourself = Work as yourself
allow-help = What you do from Slack will be done in Bitrix24 as you: with your rights and under your name. You can withdraw this at any time.
allow = Allow in Bitrix24
allowed = Allowed
allowed-help = What you do from Slack is now done in { $portal } as { $name }. To withdraw this, type { $command } in Slack.
remove-link = Remove a link
remove-link-help = A Slack account was linked to you and works in Bitrix24 as you. If you did not do this, remove the link.
remove-the-link = Remove the link
link-removed = Link removed
link-removed-help = The Slack account is no longer linked to you and no longer works in Bitrix24 as you. If someone else linked it, inform an administrator.

## Within the portal

portal-connected = { $portal } is connected to Switchboard.
next-slack-elsewhere = connect Slack on Switchboard's own page.
open-switchboard = Open Switchboard
administrator-opens-first = An administrator of { $portal } must open this application first. That connects the portal.

## A portal that has another name now

is-this-your-portal = Is this your portal?
# $typed (text): the address that the person typed
portal-renamed = You typed { $typed }. This portal is now called { $portal }. Nothing was changed yet.
connect-renamed = Yes, connect { $portal }
go-back = No, go back

## What was done

portal-is-connected = { $portal } is connected.
webhooks-connected = The portal is connected.
# $workspace (text): the workspace's name
slack-is-connected = The Slack workspace { $workspace } is connected.
# $workspace (text): the workspace's name
notion-is-connected = The Notion workspace { $workspace } is connected.
# $events (number): how many events are subscribed
events-subscribed = { $events ->
    [one] { $events } Bitrix24 event is subscribed.
   *[other] { $events } Bitrix24 events are subscribed.
}
chatbot-ready = The chatbot is ready.
# $tasks (text): what is not done yet, as a list
still-open = Not done yet: { $tasks }. Switchboard tries again every 15 minutes.
open-events = subscribing to events ({ $reason })
open-chatbot = registering the chatbot ({ $reason })

## Who and with what: in the audit log and in Slack

administrator = { $name } (administrator of the portal)
by-its-webhooks = the person who connected the portal with webhooks
an-incoming-webhook = an incoming webhook
an-application = an application
# $client-id (text): the application's id
the-application = the application { $client-id }
connection-replaced = The connection to Bitrix24 was replaced
replaced-by = By: { $name }
# $before (text): the old connection
# $after (text): the new connection
replaced-with = Before: { $before }. Now: { $after }.
replaced-ended = All sessions on the administrators' pages and all API keys have ended. Sign in again and create new keys.
replaced-unplanned = If you did not plan this, connect the portal again with the application that you trust, and check the audit log.

## What went wrong, and what to do

did-not-work-now = That did not work just now
try-in-a-minute = { $reason } Nothing was changed. Try again in a minute.
address-unknown = The public address is not known
address-unknown-help = This needs the public address of Switchboard. The person who runs it sets public_url in its configuration.
no-such-page = There is no such page. Go to /install.
signed-out = You are no longer signed in. Start again at /install.
foreign-form = This form belongs to another session. Go back, reload the page and send the form again.
bad-address = This is not the address of a portal. Enter it as acme.bitrix24.com.
both-or-none = A local application has a client_id and a client_secret. Enter both, or neither.
no-shared-application = Switchboard has no application for all portals here. Create a local application in your portal, then enter its client_id and client_secret.
# $provider (text): Slack or Notion
no-app = There is no { $provider } app here yet. The person who runs Switchboard sets it up (docs/installing.md).
wrong-code = The code is wrong, expired or already used. The person who runs Switchboard creates a new one with: switchboard admin-code --connect
begun-elsewhere = This was started in another browser, more than ten minutes ago, or was used already. Start again at /install.
another-provider = This was started for another provider. Start again at /install.
another-connection = You started this for a portal that is not the one you are signed in to. Start again at /install.
# $error (text): the provider's code: access_denied
access-not-given = Access was not given ({ $error }). Nothing was changed. To try again, go to /install.
no-code-sent = The provider sent no code. Start again at /install.
# $typed (text): the address that the person typed
another-portal = You typed { $typed }, but { $portal } answered. Nothing was connected. If your portal was renamed or has a second address, start again with { $portal }.
not-an-administrator = { $name } is not an administrator of { $portal }. Ask an administrator of the portal to connect it.
bad-member-id = This is not a member_id. Copy auth[member_id] from any event of the portal.
already-connected-portal = This portal is already connected. Sign in to its pages to change its webhook.
no-application-token = The application token is missing. Bitrix24 shows it when you create the outgoing webhook.
nothing-deleted = Nothing was deleted. To delete everything, type the address of the portal: { $portal }
no-such-deletion = There is no such deletion. Its page is shown for 30 days, at its complete address only, and until the portal is connected again.
ticket-is-used = This link was already used or is older than 15 minutes. Type /b24-me allow in Slack to get a new one.
unlink-is-used = This link was already used or is older than seven days. Ask an administrator to remove the link on the page People, or type /b24-me off in Slack.
needs-application = Your portal is connected with an incoming webhook. Working with your own rights needs an application. Ask an administrator to connect one at /install.
another-user = You are signed in to Bitrix24 as { $name }, but your Slack account is not linked to that user. Sign in to Bitrix24 as yourself, or first link yourself with /b24-me in Slack.
application-has-changed = Your portal was connected with another application in the meantime. Type /b24-me allow in Slack to get a new link.

## Why a proof or a token is refused

connection-refused = Bitrix24 refused the connection: { $reason }. A code is valid for 30 seconds. Start again at /install.
# $server (text): the server's address
not-an-authorization-server = { $server } is not an authorization server of Bitrix24. Start again at /install.
another-access = Bitrix24's answer is for another application or portal. Start again at /install.
unknown-application = Switchboard does not know the keys of this application. Enter them at /install.
connected-with-another = This portal is connected with another application, and this one cannot replace it. To change the application, sign in at /admin, open Connections and enter the new keys.
signed-in-elsewhere = Another portal answered, not the one that you are signed in to. Sign out and start again.
needs-connection-code = A new portal with its own application needs a connection code. The person who runs Switchboard creates one with: switchboard admin-code --connect
webhook-address-refused = The URL of the incoming webhook cannot be used: { $reason }. Copy the whole URL from the portal again.
webhook-refused = The portal rejected the incoming webhook: { $reason }. Create one with the rights listed in docs/connecting.md, and copy its whole URL.
slack-refused = Slack rejected the connection: { $reason }. Connect Slack again at /install.
notion-refused = Notion rejected the token: { $reason }. Connect Notion again, or copy the secret of your internal connection again (docs/notion.md).
no-workspace = Slack named neither a workspace nor an organisation. Install the app again.
# $team (text): the workspace's name
workspace-taken = The Slack workspace { $team } is already connected to another portal here. A workspace belongs to one portal: disconnect it there first.
