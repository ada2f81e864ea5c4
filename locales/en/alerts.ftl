### Alerts to operators in Slack: a headline, and lines below it.

## Access to a provider

# $provider (text): Bitrix24, Slack or Notion
# $since (text): the moment since when
# $reason (text): what the provider said
access-rejected = { $provider } has rejected our token since { $since }: { $reason }
# $address (text): the page where providers are connected
reconnect = Reconnect it at { $address }. Nothing is lost: everything for it waits and is sent then.
# $provider (text): Bitrix24, Slack or Notion
access-works-again = { $provider } accepts our token again
# $since (text): the moment since when
access-was-rejected = The token was rejected from { $since } until now. Everything that waited is sent now.

## Settings

settings-unreadable = The settings cannot be read. Nothing is delivered until they are corrected.

## A channel in Slack

# $channel (text): the channel's name
channel-trouble = Cards to { $channel } do not arrive
# $route (text): the route's name
# $reason (text): what Slack said
channel-reason = Route "{ $route }": { $reason }
channel-not-found = Create the channel, invite the bot if it is private, or change the route.
channel-archived = Unarchive the channel or change the route.
channel-needs-invitation = Invite the bot to the channel: /invite @Switchboard
channel-restricted = Slack does not allow the bot to do this here. Create the channel by hand and invite the bot.
cards-can-be-retried = The cards are kept as failed deliveries. Retry them once this is fixed.

## No events from Bitrix24

family-crm = CRM
family-tasks = task
family-calls = call
# $first (text): kinds of events
# $second (text): another kind
either-family = { $first } or { $second }
# $families (text): which kinds of events
# $minutes (number): for how long
silence = No { $families } event from Bitrix24 for { $minutes ->
    [one] { $minutes } minute
   *[other] { $minutes } minutes
} of business hours
# $minutes (number): for how long they were missing
silence-over = Events from Bitrix24 arrive again after { $minutes ->
    [one] { $minutes } minute
   *[other] { $minutes } minutes
} without any
# $family (text): the kind of event
# $moment (text): when
last-event = Last { $family } event: { $moment }
never = never
portal-not-installed = The portal answers, but the application is not fully installed, so Bitrix24 sends no events. Open the application once as an administrator.
portal-payment-expired = The portal answers, but the application's payment has expired, so Bitrix24 sends no events. Renew it.
portal-answers = The portal answers our calls.
# $reason (text): what went wrong
portal-does-not-answer = The portal does not answer our calls: { $reason }
no-sweep-yet = No check for missed events has finished yet.
sweep-found-nothing = No missed events were found today. Perhaps nothing happened.
# $count (number): how many changes
sweep-found = { $count ->
    [one] { $count } change without an event was found today, and its card is sent
   *[other] { $count } changes without an event were found today, and their cards are sent
}.
events-by-hand = The events are chosen by hand in the outgoing webhook. Check that it still exists, that its address is right, and that the events on the status page are ticked.
# $events (text): what Bitrix24 refused
events-not-bound = Switchboard could not subscribe to events: { $events }
# $count (number): how many
# $events (text): which
events-bound-again = { $count ->
    [one] { $count } event was not subscribed and is subscribed again
   *[other] { $count } events were not subscribed and are subscribed again
}: { $events }
all-events-bound = All events that the routes need are subscribed.
# $reason (text): what went wrong
events-unknown = The event subscriptions could not be checked: { $reason }

## Notion sync

# $record (text): the record
# $title (text): its title
# $database (text): the Notion database's name in the settings
sync-undecided = { $record } ({ $title }) could not be linked with a row of Notion database "{ $database }"
# $record (text): the record
# $title (text): its title
# $field (text): the field
# $side (text): Bitrix24 or Notion
sync-stuck = { $record } ({ $title }): { $field } of { $side } could not be synced
# $bitrix24 (text): the value there
# $notion (text): the value there
sync-stuck-values = Bitrix24 shows "{ $bitrix24 }", Notion shows "{ $notion }".
sync-stuck-next = Both sides keep their values, and the other fields are synced. The page Needs attention in /admin lists all such values, with buttons to try again or to use the other side's value.
# $record (text): the record
# $title (text): its title
sync-loop = { $record } ({ $title }): something keeps undoing the sync
# $field (text): the field
# $value (text): what it was set to
# $side (text): Bitrix24 or Notion
# $times (number): how often
# $until (text): the time of day until when
sync-loop-field = Field "{ $field }" was set to "{ $value }" in { $side } { $times ->
    [one] { $times } time
   *[other] { $times } times
} within an hour, and was changed back each time. Look for an automation rule in Bitrix24 or an automation in Notion. The sync of this record pauses until { $until }.
# $record (text): the record
# $title (text): its title
sync-apart = { $record } ({ $title }) and its Notion page are no longer synced
# $database (text): the Notion database's name in the settings
# $reason (text): why, as a sentence
sync-apart-database = Database "{ $database }": { $reason }
sync-apart-record-gone = The page stays. Restore the record from the recycle bin, or move the page to the trash.
sync-apart-page-trashed = The record stays. Restore the page in Notion, and the sync continues.
sync-apart-page-gone = The record stays. If the page's database is not shared with the connection any more, share it again.
sync-apart-page-moved = The record stays. Move the page back into its database, and the sync continues.
sync-no-more-pages = Notion creates no more pages: the workspace's free blocks are used up
# $record (text): the record
# $database (text): the Notion database's name in the settings
sync-failed = { $record } and Notion database "{ $database }" cannot be synced
# $database (text): the Notion database's name in the settings
database-closed = Notion database "{ $database }" cannot be used. Its sync is paused.
# $field (text): the field
# $database (text): the Notion database's name in the settings
mapping-paused = Field "{ $field }" of Notion database "{ $database }" is paused. The other fields are synced.
# $field (text): the field
# $database (text): the Notion database's name in the settings
mapping-renamed = Field "{ $field }" of Notion database "{ $database }" was renamed. The sync continues.
