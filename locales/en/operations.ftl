### What operators read on the pages Overview and Checks, and from `switchboard doctor`: what is wrong, and what to do.

## Overview: what is wrong, and what to do

settings-unreadable = The settings cannot be read
# $reason (text): what is wrong with them
apply-settings = { $reason }. Correct them on the page Settings.
sweeps-stop = Checks for missed events do not finish
# $since (text): a moment
silence = No event from Bitrix24 for a long time; the last came before { $since }
run-checks = Run the checks. They show whether the portal answers and the events are subscribed.
poll-late = Notion has not been read to the end for a while
see-notion-page = The page Notion shows which database is slow.
# $database (text): the database's name in the settings
database-paused = The sync of { $database } is paused
# $database (text): the database's name in the settings
# $field (text): the field
field-paused = { $database }: { $field } is paused
# $count (number): how many
not-synced = { $count ->
    [one] { $count } value could not be synced
   *[other] { $count } values could not be synced
}
# $count (number): how many at least
not-synced-or-more = { $count } or more values could not be synced
see-attention-page = The page Needs attention shows which, why, and what to do.
# $provider (text): Bitrix24, Slack or Notion
# $since (text): a moment
# $reason (text): what the provider said
access-rejected = { $provider } has rejected our token since { $since }: { $reason }
reconnect = Reconnect it. Everything for it waits until then.
# $provider (text): Bitrix24, Slack or Notion
# $until (text): a moment
asked-for-pause = { $provider } asked for a pause until { $until }
nothing-to-do = Nothing to do. Everything for it waits and is sent then.
# $provider (text): Bitrix24, Slack or Notion
# $since (text): a moment
not-answering = { $provider } has not answered since { $since }
goes-on-by-itself = Nothing to do. Switchboard keeps trying, and everything for it is sent as soon as it answers.
# $provider (text): Bitrix24, Slack or Notion
# $scopes (text): what is missing
lacks-rights = { $provider } has not allowed { $scopes }
allow-and-reconnect = Allow it and reconnect.
slack-not-connected = Slack is not connected
connect-slack = Connect it. Cards wait until then.
# $count (number): how many
failed-deliveries = { $count ->
    [one] { $count } failed delivery
   *[other] { $count } failed deliveries
}
retry-failed = Read the reasons, fix the causes, and retry.
# $since (text): a moment
waits = Something has been waiting since { $since }
see-its-line = The event log shows what it is waiting for.
sweep-late = No check for missed events has finished for a while
see-sweep-log = Read the log of portal-sweep. Without this check, missed events stay lost.
# $count (number): how many
conditions-failed = Conditions of routes failed on { $count ->
    [one] { $count } change
   *[other] { $count } changes
} today
fix-condition = Their events show which field was missing. Fix the condition: has(record.…)
events-not-bound = Events are not subscribed

## Checks: what is checked

check-keys = Keys
check-address = Public address
check-signing = Slack signing secret
# $queue (text): its name
check-queue = Queue { $queue }
check-portal = Portal
check-settings = Settings
# $domain (text): the portal's host
check-bitrix24 = Bitrix24: { $domain }
check-rights = Bitrix24: rights
# $scope (text): its name
check-right = Bitrix24: right { $scope }
check-events = Bitrix24: events
check-sweep = Check for missed events
check-bridges = Missed messages in chats
check-slack = Slack
# $team (text): the workspace
check-workspace = Slack: { $team }
# $scope (text): its name
check-scope = Slack: scope { $scope }
# $channel (text): its name
check-channel = Slack: channel { $channel }
check-people = People
check-notion = Notion
# $database (text): its name in the settings
check-database = Notion: { $database }
# $database (text): its name in the settings
# $field (text): the field
check-field = Notion: { $database }: { $field }
check-clock = Clock

## Checks: what was seen, and what to do

keys-readable = the key ring can be read
restore-keys = Restore the secret key-ring. Without it, stored tokens cannot be opened (docs/operations.md).
not-known = not known
set-address = Set public_url (on AWS the parameter PublicUrl). The bot and the event subscriptions need it.
signing-known = known: requests from Slack are accepted
set-signing = Put signing_secret under [slack] (or [apps.slack]). Without it, commands and messages from Slack are refused.
check-secrets = Check whether the secrets can be read.
# $waiting (number): how many jobs
# $failed (number): how many jobs
queue-with-failed = { $waiting } waiting, { $failed } failed
# $waiting (number): how many jobs
queue-waiting = { $waiting } waiting
retry-dead = `dead list` shows the reasons. Fix the causes, then run `dead redrive`.
check-queue-exists = Check whether the queue exists.
connect = Connect it at /install.
connect-again = Reconnect it at /install.
# $reason (text): what is wrong with them
settings-not-read = they cannot be read: { $reason }
apply-checked-settings = Apply a document that `settings check` accepts.
# $routes (number): how many
# $databases (number): how many
settings-hold = { $routes ->
    [one] { $routes } route
   *[other] { $routes } routes
}, { $databases ->
    [one] { $databases } database
   *[other] { $databases } databases
}
fix-settings = Fix it on the page Settings, or in the document.
answers = answers
not-installed = the application is not fully installed: Bitrix24 sends no events
open-application = Open the application once as an administrator.
payment-expired = the application's payment has expired
renew-subscription = Renew the subscription.
rights-unknown = the portal does not say which were given
rights-given = everything that is needed was given
# $purpose (text): what it is for
missing = missing; it is for: { $purpose }
add-right = Add the right to the application, and reconnect at /install.
tick-right = Tick the right in the incoming webhook.
# $count (number): how many
events-seen = { $count ->
    [one] the only event has been seen
   *[other] all { $count } have been seen
}
# $events (text): their names
events-never-seen = never seen: { $events }
tick-events = They are ticked by hand. Check whether the outgoing webhook has them. Perhaps nothing happened yet.
events-lead-nowhere = the address that they are sent to is not known
set-address-only = Set public_url (PublicUrl).
# $count (number): how many
all-bound = { $count ->
    [one] the only event is subscribed
   *[other] all { $count } are subscribed
}
# $events (text): their names
not-bound = not subscribed: { $events }
bind-events = They are subscribed within 15 minutes. To do this at once, use "Check events and chatbot now" at /install.
sweep-never = none has run yet
sweep-soon = It runs every five minutes. Check again then.
# $reason (text): what stopped it
sweep-stopped = the last one stopped: { $reason }
sweep-continues = It continues in five minutes. If this lasts, fix what it names.
never = never
# $time (text): a time of day
# $count (number): how many
sweep-finished = finished { $time }; today it found { $count ->
    [one] { $count } change
   *[other] { $count } changes
} without an event
# $count (number): how many chats
chats-readable = all { $count ->
    [one] { $count } bridged chat
   *[other] { $count } bridged chats
} can be read, so missed messages are found
# $chats (text): their names
chats-unreadable = messages missed in these chats cannot be found, because they cannot be read: { $chats }
add-to-chats = Add the user with whose rights the portal is connected to these chats.
not-connected = not connected
add-scope = Add the scope to the app (docs/installing.md has its manifest), and reconnect at /install.
everyone-found = everyone on the portal is found in Slack
# $names (text): people
not-found-by-email = not found in Slack by email: { $names }
# $names (text): people
# $count (number): how many more
not-found-by-email-more = not found in Slack by email: { $names } and { $count } more
link-people = Link them on the page People, or ask them to type /b24-me in Slack.
notion-without-workspace = the settings name databases, but no workspace is connected
# $count (number): how many fields
database-open = open, { $count ->
    [one] { $count } field synced
   *[other] { $count } fields synced
}
field-pauses = The field is paused until then.
opens-itself = The sync continues once this is fixed.
notion-unused = connected; no database is synced yet
# $seconds (number): how many
clock-right = { $seconds } s from the portal's
# $seconds (number): how many
clock-ahead = { $seconds } s ahead of the portal's
# $seconds (number): how many
clock-behind = { $seconds } s behind the portal's
set-clock = Set the machine's clock (NTP). Slack's signatures are refused when they are five minutes old.
archived = archived
# $routes (text): their names
unarchive = Unarchive it, or change: { $routes }
# $routes (text): their names
bot-is-in-it = the bot is in it ({ $routes })
# $routes (text): their names
public-channel = public; the bot joins when it has to ({ $routes })
not-found = not found
# $routes (text): their names
create-channel = Create it, invite the bot if it is private, or change: { $routes }
# $until (text): a moment
paused-by-provider = The provider asked for a pause until { $until }. Check again then.
did-not-answer = The provider did not answer. Check again in a minute.
# $code (text): an error's code
see-code = See what { $code } means in docs/operations.md.
