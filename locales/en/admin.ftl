### The pages for administrators.

## Statuses of events and deliveries

status-delivered = delivered
status-waiting = waiting
status-skipped = skipped
status-failed = failed

## Overview

all-is-well = All is well.
all-is-well-means = Everything is connected, nothing has failed and nothing is late.
problems = Problems
connection-rejected = rejected
connected = connected
not-connected = not connected
# $used (number): calls that were made
# $limit (number): calls that are allowed
calls-used = { $used } of { $limit } calls used
# $moment (text): date and time
paused-until = Paused until { $moment }
# $moment (text): date and time
token-renewal = Next token renewal: { $moment }
# $count (number): how many
permissions-missing = { $count ->
    [one] { $count } permission is missing
   *[other] { $count } permissions are missing
}
deliveries-of-the-day = Deliveries in the last 24 hours
no-deliveries-yet = Nothing was delivered. Change a deal in Bitrix24 and come back here.
# The name of the chart, for screen readers
# $most (number): the highest bar
chart-label = Deliveries per hour; the most in an hour: { $most }
# $count (number): how many
count-of-deliveries = { $count ->
    [one] { $count } delivery
   *[other] { $count } deliveries
}
as-a-table = As a table
hour = Hour (UTC)
deliveries = Deliveries
# $count (number): how many at least
or-more = { $count } or more
time-to-delivery = From arrival to delivery
# $median (text): half took less, as 2 s
# $most (text): 95 % took less, as 3 min
lag = { $median }; 95% within { $most }
oldest-waiting = Waiting longest
nothing-waits = nothing is waiting
lost-events-found = Missed events found today
# $lost (number): changes whose event never came
# $checked (number): changes that were checked
lost-of-checked = { $lost } of { $checked } checked
last-sweep = Last check for missed events
last-poll = Last check of Notion
not-yet = not yet
events-subscribed = Event subscriptions
subscribed-by-hand = set by hand
# $wanted (number): events that Switchboard subscribes to
# $refused (number): those that Bitrix24 refused
subscribed-and-refused = { $wanted } requested, { $refused } refused
queues = Queues
queues-of-all = The queues of this installation, shared by all portals.
queue = Queue
waiting = Waiting
oldest = Oldest
failed = Failed
# $moment (text): date and time
as-of = As of { $moment }

## Checks

checks-explained = Switchboard asks Bitrix24, Slack and Notion about everything that the settings need, and changes nothing. This takes a few seconds.
run-the-checks = Run the checks
no-problems-found = No problems found.
# $count (number): how many
problems-found = { $count ->
    [one] { $count } problem found.
   *[other] { $count } problems found.
}
check = Check
check-result = Result
check-fix = What to do
verdict-fine = fine
verdict-notice = notice
verdict-problem = problem

## Events: the search

search-label = Record, person, channel, route, trace or any word
# An example of what can be typed. The log is in English
search-example = deal 42
status = Status
any = any
from = From
to = To
search = Search
# $zone (text): the name of a time zone
log-explained = Times are in { $zone }. The log is kept for 30 days.
nothing-happened-yet = Nothing has happened yet. Change a deal in Bitrix24: it appears here within seconds.
# $lines (number): how many lines of the log were searched
nothing-found = { $lines ->
    [one] Nothing found in { $lines } line.
   *[other] Nothing found in { $lines } lines.
}
# $lines (number): how many lines of the log were searched
nothing-found-yet = { $lines ->
    [one] Nothing found so far in the latest { $lines } line.
   *[other] Nothing found so far in the latest { $lines } lines.
}
older = Older
arrived = Arrived
record = Record
event = Event
result = Result
event-not-in-the-log = (the event is not in the log yet)
# $count (number): how many
and-more = and { $count } more
not-a-trace = This is not a valid trace. Open the event from the page Events.
unknown-trace = There is no event with this trace. The log is kept for 30 days.

## Events: one event

# $moment (text): date and time
# $trace (text): the event's id
arrived-with-trace = arrived { $moment }, trace { $trace }
retry = Retry
all-with-this-cause = All failures with this cause
received = Received
# $moment (text): date and time
# $event (text): the provider's name of the event
received-as = { $moment } as { $event }
not-processed = Not processed yet
not-processed-explained = Its job is in the queue, or its line has expired.
processed = Processed
routed = routed
# $duration (text): as 3 s
processed-after = { $duration } after it arrived.
# $count (number): how many
tries = { $count ->
    [one] { $count } try.
   *[other] { $count } tries.
}
# $changes (text): what changed
changes-found = Changes: { $changes }
# $route (text): a route's name and why it did not apply
route-not-applied = Not applied: { $route }
# $route (text): its name
by-route = Route: { $route }
# $duration (text): as 3 s
queued-after = Queued { $duration } after arrival.
# $count (number): how many
calls-made = { $count ->
    [one] { $count } call.
   *[other] { $count } calls.
}
# $duration (text): as 3 s
# $id (text): the provider's id of what was made
delivered-after = Delivered after { $duration } as { $id }.
# $moment (text): date and time
call-since = The call began { $moment }.
in-its-queue = It is in its queue.
call-answered = answered
call-failed = failed
call-request = Request
call-response = Response

## Failed deliveries

failed-explained = Switchboard gave these up and does not retry them by itself. Fix the cause, then retry: nothing is done twice.
failed-search-label = Any word of the reason, trace or job
filter = Filter
show-all = Show all
no-failed = There are no failed deliveries.
no-failed-found = No failed delivery matches.
# $count (number): how many
# $groups (number): how many causes they have
failed-in-groups = { $count ->
    [one] { $count } failed delivery
   *[other] { $count } failed deliveries
} in { $groups ->
    [one] { $groups } group.
   *[other] { $groups } groups.
}
retry-all = Retry all
retry-found = Retry what was found
discard-all = Discard all
discard-found = Discard what was found
# $queue (text): its name
in-queue = in { $queue }
# $first (text): as 3 h ago
# $last (text): as 2 min ago
first-and-last = First { $first }, last { $last }.
# $count (number): how many
retry-these = Retry these { $count }
# $count (number): how many
discard-these = Discard these { $count }
# $count (number): how many
show-failed = { $count ->
    [one] Show { $count } delivery
   *[other] Show { $count } deliveries
}
failed-at = Failed
about = About
tries-made = Tries
unknown = unknown
open-the-event = Open the event
discard = Discard
failed-gone = These failed deliveries no longer exist.
what-will-happen = What will happen
# $count (number): how many
# $code (text): what they failed with
discard-planned = { $count ->
    [one] { $count } delivery that failed with { $code } will be deleted for good. The log shows who did it and why.
   *[other] { $count } deliveries that failed with { $code } will be deleted for good. The log shows who did it and why.
}
# $count (number): how many
# $code (text): what they failed with
# $queue (text): its name
retry-planned = { $count ->
    [one] { $count } delivery that failed with { $code } will go back to the end of { $queue }, behind others for the same record, channel or conversation.
   *[other] { $count } deliveries that failed with { $code } will go back to the end of { $queue }, each behind others for the same record, channel or conversation.
}
retry-takes-a-day = Each is tried for up to another day, within the limits of the providers.
retry-checks-first = Switchboard first checks what a delivery had already done; that is not done twice.
retry-and-cards = A card shows the state at the time of its event; later changes have their own cards.
retry-fails-again = If the cause still exists, the deliveries come back to this page.
which-ones = Which ones
reason = Reason
reason-example = the channel no longer exists
# $count (number): how many
retry-count = { $count ->
    [one] Retry { $count } delivery
   *[other] Retry { $count } deliveries
}
# $count (number): how many
discard-count = { $count ->
    [one] Discard { $count } delivery
   *[other] Discard { $count } deliveries
}
# $error (text): what went wrong
partly-done = { $error }. Only a part was done; do the rest again.
retried-one = The delivery is in its queue again. Reload this page to see the result.
# $count (number): how many
retried = { $count ->
    [one] { $count } delivery is in its queue again.
   *[other] { $count } deliveries are in their queues again.
}
reason-is-needed = Nothing was discarded: a reason is needed.
# $count (number): how many
discarded = { $count ->
    [one] { $count } delivery was discarded.
   *[other] { $count } deliveries were discarded.
}

## Needs attention

attention-explained = Values that one side did not accept, and what else keeps records and pages from being synced. Both sides stay as they are; everything else of the record is synced. An entry disappears once both sides show the same value.
no-more-entries = There are no more entries.
nothing-needs-attention = Nothing needs attention.
nothing-needs-attention-means = Every value that was written is shown on the other side.
first-page = First page
next-page = Next page
paused = Paused
database = Database
field = Field
all-fields = all
since = Since
values = Values
notion-page = Notion page
bitrix24-value-not-carried-over = Bitrix24’s value could not be carried over.
notion-value-not-carried-over = Notion’s value could not be carried over.
# $ago (text): as 2 min ago
tried-again = tried again { $ago }, with the same result
database-not-in-settings = This database is no longer in the settings.
remove-from-list = Remove from the list
# $time (text): as 12:30 UTC
resumes-at = resumes at { $time }
try-again = Try again
take-bitrix24-value = Take Bitrix24’s value
take-notion-value = Take Notion’s value
value-needs-no-attention = This value no longer needs attention: both sides agree, or the pair is not synced.
# $field (text): its name
# $record (text): as deal 42
# $database (text): its name
value-of = { $field } of { $record } in { $database }
# $record (text): as deal 42
entry-has-no-page = { $record } no longer has a page, so it was removed from the list.
# $value (text): as Phone of deal 42 in Deals
value-being-tried = { $value } is being tried again. Reload this page: the entry disappears if that worked; otherwise the reason says why not.
cannot-take-value = This side’s value cannot be written to the other.
# $value (text): as Phone of deal 42 in Deals
taking-bitrix24-value = Bitrix24’s value of { $value } is being written to Notion. Reload this page: the entry disappears once both sides show it. The other value is kept under Conflicts on the page Notion.
# $value (text): as Phone of deal 42 in Deals
taking-notion-value = Notion’s value of { $value } is being written to Bitrix24. Reload this page: the entry disappears once both sides show it. The other value is kept under Conflicts on the page Notion.
database-is-synced = This database is synced: the entry disappears once both sides agree.
# $value (text): as Phone of deal 42 in Deals
entry-removed = { $value } was removed from the list. Both sides stay as they are.
# $count (number): how many
values-not-synced = { $count ->
    [one] { $count } value could not be synced.
   *[other] { $count } values could not be synced.
}
# $count (number): how many at least
more-values-not-synced = More than { $count ->
    [one] { $count } value could not be synced.
   *[other] { $count } values could not be synced.
}
values-not-synced-means = Both sides stay as they are until someone decides.

## People

one-persons-data-link = One person’s data: download or delete it
own-rights = People act with their own rights. Anyone who has not given permission yet is asked for it when they first use Switchboard.
connection-rights = People act with the rights of the connection: everyone who is linked sees and changes everything that the connection may.
involved-only = People act only on records that they are responsible for, created or observe, because the incoming webhook does not have their own rights. Connect an application at /install, and they act with their own rights.
# $count (number): how many
permissions-given = { $count ->
    [one] { $count } person has given permission.
   *[other] { $count } people have given permission.
}
# $setting (text): the setting’s name
# $page (text): a link to the page Settings
# $person (text): a value of the setting
# $person_only (text): a value of the setting
# $connection (text): a value of the setting
rights-setting = The setting { $setting } on the page { $page } changes that: { $person }, { $person_only } or { $connection }.
# $slack (number): how many people are in Slack
# $bitrix24 (number): how many people are in Bitrix24
# $open (number): how many are not linked
people-counts = In Slack: { $slack }. In Bitrix24: { $bitrix24 }. Not linked: { $open }.
not-linked = Not linked
everyone-is-linked = Everyone in Slack is linked to a Bitrix24 user.
linked = Linked
no-one-is-linked = No one is linked yet.
in-slack = In Slack
in-bitrix24 = In Bitrix24
email = Email
email-hidden = hidden
suggestions = Suggestions
no-similar-name = no similar name
link = Link
number-or-email = number or email
# $name (text): a person’s name in Slack
number-or-email-of = Number or email of { $name } in Bitrix24
linked-by = Linked
by-email = by email
by-hand = by an administrator
by-themselves = by themselves
by-settings = in the settings
permission = Permission
permission-given = given
permission-not-given = not given
# $number (text): the Bitrix24 user’s number
user-number = user { $number }
unlink = Unlink
# $name (text): a person’s name in Bitrix24
unlink-person = Unlink { $name }
# $name (text): a person’s name in Bitrix24
unlink-question = This Slack account will no longer act as { $name } in Bitrix24.
ended-links = Ended links
ended-links-explained = These links ended by themselves in the last 30 days. If that was a mistake, link the person again.
noticed = Noticed
link-by-list = Link by list
list-label = One person per line: their Slack ID or email, a comma, their Bitrix24 number or email
list-example =
    U024BE7LH, 15
    ann@corp.example, ann.lee@portal.example
link-them = Link them
# $slack (text): the Slack account’s id
# $name (text): a person’s name in Bitrix24
linked-to = { $slack } is now linked to { $name }.
# $typed (text): what was looked for
not-in-slack = { $typed } was not found in Slack.
# $typed (text): what was looked for
not-in-bitrix24 = { $typed } was not found in Bitrix24.
# $name (text): a person’s name in Bitrix24
# $typed (text): what was looked for
dismissed = { $name } ({ $typed }) was dismissed in Bitrix24.
# $slack (text): the Slack account’s id
# $user (text): the Bitrix24 user’s number
unlinked = { $slack } is no longer linked to user { $user }.
# $most (number): how many lines are allowed
too-many-lines = { $most ->
    [one] At most { $most } line at once; no one was linked.
   *[other] At most { $most } lines at once; no one was linked.
}
# $count (number): how many
linked-count = { $count } linked.
# $line (number): the line’s number
# $problem (text): what is wrong
line-problem = Line { $line }: { $problem }
line-without-comma = two parts separated by a comma are needed.

## One person’s data

one-persons-data = One person’s data
one-persons-data-explained = For a person who asks what is stored about them, or asks to have it deleted: customers, Bitrix24 users, Slack users.
who-label = Who it is, by everything that you know, one per line: contact 42, user 15, a Slack ID, an email, a phone number, words of a name
# An example of what can be typed. The first line is a command in English
who-example =
    contact 42
    ann@corp.example
who-is-needed = Say who it is.
what-was-found = What was found
# $words (text): what was searched for
searched-for = Searched for: { $words }.
# $words (text): what was not searched for
not-searched-for = Not searched for by themselves, because they could belong to others: { $words }. If you are certain, enter them too.
nothing-is-stored = Nothing is stored about this person here.
what = What
how-many = How many
on-deletion = On deletion
download-as-json = Download as JSON
delete-after-asking = Delete…
where-found = Where
# $count (number): how many
more-in-download = { $count ->
    [one] And { $count } more: the download lists all of them.
   *[other] And { $count } more: the download lists all of them.
}
what-stays = What stays, and why
too-large-to-download = This is too large for a page. The command “switchboard person export” writes it to a file.
# $deleted (number): items that were deleted
# $blanked (number): items that were changed
# $discarded (number): failed deliveries that were deleted
person-deleted = Deleted items: { $deleted }. Items from which the person’s data was removed: { $blanked }. Discarded failed deliveries: { $discarded }.
search-again = Search again
delete-person-question = Delete this person’s data?
delete-person-explained = This cannot be undone. First delete the person in Bitrix24, Slack and Notion: what is still there is copied here again.
delete = Delete

## API keys

# $address (text): the address of the API
# $document (text): a link to its description
keys-explained = Your programs send requests to { $address }. What they can request: { $document }.
openapi-document = the OpenAPI document
copy-the-key = Copy the key now; it is not shown again:
keys = Keys
no-keys = There are no keys yet.
key-name = Name
key-scopes = Permissions
key-created = Created
revoke = Revoke
# $name (text): the key’s name
revoke-key = Revoke { $name }
revoke-question = Programs that use this key will be refused.
new-key = New key
key-purpose = What it is for
key-example = Web shop
scope-read = read the log of events and deliveries
scope-sync = start syncs with Notion and see their progress
scope-intake = create deals and contacts
create-key = Create the key
key-needs = Nothing was created: a key needs a name and at least one permission.
# $most (number): how many keys are allowed
too-many-keys = { $most ->
    [one] Nothing was created: there is { $most } key already. Revoke one first.
   *[other] Nothing was created: there are { $most } keys already. Revoke one first.
}
no-such-key = There is no such key.
key-revoked = The key was revoked; it is refused from now on.

## Audit

signed-in = Signed in
who = Who
this-is-you = (this is you)
# $person (text): who is signed in
sign-out-person = Sign out { $person }
sign-out-others = Sign out everyone else
changes = Changes
no-changes = Nothing was changed yet.
when = When
before-and-after = Before and after
show = Show
before = Before
after = After
audit-explained = Kept for a year. Secrets are never shown here.
session-has-ended = That session has already ended.
signed-out = Signed out.

## Signing in

sign-in = Sign in
sign-in-with-slack = Sign in with Slack
# $setting (text): the setting’s name
slack-sign-in-for = For administrators of the connected workspace and people listed under { $setting } in the settings.
one-time-code = One-time code
# $command (text): the command
code-explained = The person who runs Switchboard creates a code with { $command }. It works once, within 15 minutes.
too-many-codes = Too many wrong codes
# $most (number): how many wrong codes are allowed
# $minutes (number): how long to wait
too-many-codes-explained = Too many wrong codes came from your address: the limit is { $most } in 15 minutes. Try again in { $minutes } min. A correct code works at once.
wrong-code = This code is wrong, has expired or was already used. Ask for a new one.
public-address-needed = Signing in with Slack needs the public address: set public_url in the configuration, or the parameter PublicUrl. Until then, use a code.
no-slack-app = There is no Slack app here. Use a code.
sign-in-begun-elsewhere = This sign-in was begun in another browser or more than ten minutes ago, or was already used. Start again.
# $error (text): Slack’s word for the problem
slack-did-not-say = Slack did not say who you are: { $error }. Start again.
workspace-not-connected = Your workspace is not connected to a portal here. A portal administrator can connect it at /install.
# $person (text): who wanted to sign in
not-administrator-of-workspace = { $person } neither administers the workspace nor is listed in the settings (admins). Ask someone who is.
# $person (text): who wanted to sign in
not-administrator-of-organisation = { $person } neither administers the organisation nor is listed in the settings (admins). Ask someone who is.
ended-no-rights = You are signed out: the provider that you signed in with says that you no longer administer this company’s pages.
ended-unconfirmed = You are signed out: for an hour, the provider that you signed in with could not confirm that you administer this company’s pages. Sign in again.

## Errors

settings-unreadable = The settings cannot be read
