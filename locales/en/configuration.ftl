### The administrators' pages that set things up: routes, settings, chat bridges, Notion databases and their backfills.
###
### $route (text): a route's name
### $database (text): a database's name in the settings
### $record (text): a record: deal 42
### $chat (text): a Bitrix24 chat
### $channel (text): a Slack channel's name
### $reason (text): what a provider or the system says, in English
### $time (text): a time
### $by (text): a person's name

## Buttons and words of several pages

save = Save
name = Name
language = Language
fields = Fields
bitrix24 = Bitrix24
notion = Notion
change = Change
to = To
# $settings (text): a link to the page Settings
one-document = All settings are also in one document: { $settings }.
not-saved = Not saved.
fix-first = Fix this first:
nothing-changed = Nothing changed.
settings-are-newer = Someone else changed the settings after you opened this page. Nothing was saved. Check the current settings, then try again.

## Routes: the list

routes-help = A route says which changes are posted, and where. Each route that matches a change posts its own card.
new-route = New route
no-routes = There are no routes, so no cards are posted.
route = Route
changes = Changes
only-if = Only if
up = Up
down = Down
delete = Delete
move-up = Move { $route } up
move-down = Move { $route } down
delete-route = Delete { $route }
route-is-saved = { $route } is saved. It takes effect within a minute.
route-is-moved = { $route } was moved.
route-is-deleted = { $route } was deleted.
route-is-gone = This route no longer exists.

## A route: what is wrong with it

route-needs-name = The route needs a name.
# $change (text): a change's name
no-such-change = There is no change { $change }.
route-needs-change = Tick at least one change.
# $destination (text): what was typed
bad-destination = { $destination }: { $reason }.
route-needs-destination = Enter where to post: #channel, @responsible, or several separated by commas.

## A route: its form

the-route = Route: { $route }
# $sales (text): an example of a channel
# $responsible (text): an example of a person
# $creator (text): an example of a person
# $project (text): an example of a record's own channel
to-help = Channels as { $sales }, people as { $responsible } or { $creator }, a channel of the record as { $project }.
only-if-condition = Only if (CEL)
fallback = Channel for cards that cannot be posted there
thread = If the record already has a card
thread-none = post a new card
thread-reply = reply to the first card
thread-live = update the first card, and add a line to its thread
thread-only-reply = reply; post nothing if there is no card
at-once = At once, even during quiet hours and in a burst
the-card = The card
density = Level of detail
by-default = default
density-compact = two lines
density-normal = headline, fields, button
density-full = more fields
language-of-portal = the portal's language
headline = Headline
example-headline = { "{" }company{ "}" } pays { "{" }sum{ "}" }
text = Text
fields-one-per-line = Fields, one per line
example-fields =
    responsible
    Both: { "{" }stage{ "}" } / { "{" }sum{ "}" }
button-that-opens = Button that opens the record
yes = yes
no = no
# $words (text): the words, in braces
words-for-changes = Words for these changes: { $words }

## A route: its preview, and a try on recent changes

# $count (number): how many changes
try-on-changes = { $count ->
    [one] Try on the last { $count } change
   *[other] Try on the last { $count } changes
}
preview = Preview
what-people-will-see = What people will see
change-that-happened = A change that happened: { $record }
example-change = An example. No such change has happened yet.
# $destination (text): a channel or a person
goes-to = To { $destination }
would-not-be-posted = This would not be posted: { $reason }
# $count (number): how many changes
on-the-last-changes = { $count ->
    [one] On the last { $count } change
   *[other] On the last { $count } changes
}
no-changes-stored = No changes are stored yet. Change a deal in Bitrix24, then try again.
# $count (number): how many cards
would-have-been-posted = { $count ->
    [one] { $count } card would have been posted.
   *[other] { $count } cards would have been posted.
} Nothing was posted by this try.
when-utc = When (UTC)
what = What
would-be-posted = Would be posted
# $destination (text): a channel or a person
by-route = { $destination } by { $route }
no-route-fits = no: no route matches this change

## The settings as a document

# $command (text): a command of the program
# $routes (text): a link to a page
# $databases (text): a link to a page
# $people (text): a link to a page
# $bridges (text): a link to a page
document-help = All settings in one document, the same that { $command } applies. { $routes }, { $databases }, { $people } and { $bridges } have their own pages.
download = Download
document = Document (YAML)
check-and-compare = Check and compare
try-on-last-changes = Try on the last changes
settings-unreadable = The current settings cannot be read ({ $reason }). The default settings are shown. Save the settings that should take effect.
what-would-change = What would change
only-the-order = Nothing, except perhaps the order.
document-is-fine = No problems found. It is not saved yet.
document-is-saved = Saved. It takes effect within a minute.

## Chat bridges

bridges-help = Messages in a channel appear in its chat, and messages in the chat appear in the channel.
bridges-missed-help = Messages, edits, deletions and files of which no event reached Switchboard are found within minutes and copied late. Reactions, commands and private chats with the bot cannot be found.
# $code (text): Slack's code of the error
channel-unread = Slack does not let Switchboard read this channel ({ $code }), so missed messages are not found here. Invite the bot: /invite @Switchboard
chat-unread = Switchboard cannot read this chat, so messages missed while it was unreachable are not found here. Add the user with whose rights the portal is connected to the chat.
# $id (text): the bot's user number
bot-is-user = The bot in Bitrix24 is user { $id }. It must be a member of every bridged chat.
no-bot-yet = There is no bot in Bitrix24 yet. The first bridge creates it.
no-bridges = No channel is bridged with a chat yet.
bridges = Chat bridges
channel = Channel
chat = Chat
made-by = By
by-settings = the settings
changed-in-settings = change it there
unbridge = Disconnect
unbridge-channel = Disconnect { $channel }
new-bridge = Bridge a channel with a chat
chat-by-number = Chat, by its number or address
bridge = Bridge
not-a-chat = “{ $chat }” is not a chat. Enter it as chat57, or by its address.
address-unknown = Switchboard does not know its public address. Set public_url, or the parameter PublicUrl.
channel-refused = { $channel }: { $reason }.
chat-is-bridged = { $chat } is already bridged with #{ $channel }. Disconnect them first.
bot-not-in-chat = The bot cannot see { $chat }. Add the bot Switchboard to that chat in Bitrix24, then bridge it.
bot-cannot-join = The bot cannot join #{ $channel }: { $reason }. Invite it there: /invite @Switchboard
are-bridged = #{ $channel } and { $chat } are now bridged.
one-is-bridged = One of them is already bridged with another. Disconnect that bridge first.
are-unbridged = The channel is no longer bridged with the chat.

## Databases: the form

new-database = New database
the-database = Database: { $database }
database-is-gone = The settings no longer have this database.
database-address = Address in Notion
rows-are = Its rows are
records-when = Only records that match (CEL)
create-properties = Create missing properties the first time
match-by = Match existing rows by (keys, the most reliable first)
example-keys = number, email, ufCrm_1714 = Client code
# $example (text): how a key with its property is written
match-help = If this is empty: the number, then the title; for contacts the number, email, phone and full name. { $example } names the property that holds a key.
example-key = key = property
first-value = When a record and a row are linked and both have a value
first-bitrix24 = use the value from Bitrix24
first-notion = use the value from Notion
first-ask = keep both until someone decides
record-deleted = When a record is deleted
page-trashed = When a page is moved to the trash
gone-mark = keep the other and mark it
gone-keep = keep the other
gone-delete = delete the other too
gone-restore = restore it
usual-fields = Use the default fields, as shown below. To use your own changes, untick this
field-in-bitrix24 = Field in Bitrix24
property-in-notion = Property in Notion
which-value-wins = Which value wins
later-wins = both ways, the later edit wins
bitrix24-wins = both ways, Bitrix24 wins
notion-wins = both ways, Notion wins
only-bitrix24 = from Bitrix24 only
only-notion = from Notion only
values = Values (code = name; …)
type-if-created = Type, if created
options = Options
# $column (text): the column's name
# $row (number): the row's number
column-of-row = { $column }, row { $row }
create-options = create missing ones
# $settings (text): a link to the page Settings
# $key (text): the key in the document
rows-help = A row without a field is ignored. The body of new pages is set in the document ({ $settings }, under { $key }).
forget-database = Stop syncing this database
forget-help = Pages and records stay as they are on both sides. Their links are kept, so that you can resume later.
remove-from-settings = Remove it from the settings
database-is-saved = { $database } is saved. Plan a backfill to see what it would do with existing records.
database-is-forgotten = { $database } is no longer synced.

## Notion: the connection and its webhook

# $workspace (text): the workspace's name
# $connection (text): the connection's name
connected = Connected to the workspace { $workspace } by the connection { $connection }. Share each database with it: ••• › Connections › { $connection }.
# $page (text): a link to the page Connections
not-connected = No Notion workspace is connected. Connect one on the page { $page }. docs/notion.md shows each step.
webhook = Webhook
webhook-works = Signed events arrive. The last one was recorded at { $time }.
webhook-is-silent = There is a subscription, but none of its events was recorded yet.
no-webhook = Without a webhook, edits in Notion are found every 30 seconds. With a webhook, they arrive within seconds.
create-subscription = In Notion, open your connection, then Webhooks › Create a subscription.
# $address (text): the address
webhook-address = Address: { $address }
webhook-address-unknown = (the public address is not known: set public_url)
webhook-events = Version 2026-03-11. Events: page created, properties updated, deleted, undeleted, moved, content updated; data source schema updated, deleted, undeleted.
no-token-yet = Notion sends a token to that address. It appears here: reload this page.
# $token (text): the token
token-arrived = Notion sent the token. Paste it under Verify: { $token }
# $count (number): how many tokens
# $tokens (text): the tokens
tokens-arrived = { $count ->
    [one] { $count } token arrived that has signed no event yet.
   *[other] { $count } tokens arrived that have signed no event yet.
} Only one is Notion’s newest. Paste them under Verify one after the other: Notion accepts only the newest. If you did not ask Notion for several, someone else knows this address: create a new one. { $tokens }
keep-waiting = Wait another 15 minutes
wait-for-token = Wait for a verification token (15 minutes)
new-address = Create a new address
new-address-help = A new address ends the old one and its subscription at once. Create a subscription for the new address in Notion, and delete the old one there.
forget-old-subscriptions = Forget all but the newest subscription
window-is-open = A verification token is accepted for the next 15 minutes.
old-are-forgotten = All but the newest subscription are forgotten.

## Notion: databases

databases = Databases
no-databases = The settings have no database yet. Add one below.
add-database = Add a database
not-read-yet = not read yet
# $field (text): the field's name
field-pauses = { $field } is paused.
# $records (text): what kind of records: Deals
# $fields (number): how many fields are synced
syncs = Records: { $records }. { $fields ->
    [one] { $fields } field is synced.
   *[other] { $fields } fields are synced.
}
# $condition (text): the condition
syncs-only-if = Condition: { $condition }
plan-backfill = Plan a backfill
run-backfill = Run it
database-is-unknown = The settings no longer have the database “{ $database }”.
backfill-is-running = A backfill of { $database } is already running.
plan-has-begun = The plan is being made. Its progress is below.
run-has-begun = The backfill has started. Its progress is below.

## Notion: backfills
##
## $state (text): the phase: done

backfills = Backfills
no-backfills = No backfill has run yet. A plan shows what a backfill would do, and does nothing.
plan-state = Plan for { $database }: { $state }
run-state = Backfill of { $database }: { $state }
progress-of = Progress: { $database }
reading-rows = reading the rows
checking-numbers = checking the numbers on the rows
comparing = comparing records with rows
going-through = going through the records
done = done
stopped = stopped: { $reason }
# $rows (number): how many rows were read
# $records (number): how many records were read
read-so-far = Read so far: { $rows ->
    [one] { $rows } row
   *[other] { $rows } rows
} and { $records ->
    [one] { $records } record
   *[other] { $records } records
}.
# $created (number): how many pages
# $number (number): how many were linked by their number
# $title (number): how many were linked by title or name
# $key (number): how many were linked by another key
# $changed (number): how many are updated
plan-counts = Pages to create: { $created }. To link by number: { $number }, by title or name: { $title }, by another key: { $key }. To update: { $changed }.
# $created (number): how many pages
# $number (number): how many were linked by their number
# $title (number): how many were linked by title or name
# $key (number): how many were linked by another key
# $changed (number): how many are updated
run-counts = Pages created: { $created }. Linked by number: { $number }, by title or name: { $title }, by another key: { $key }. Updated: { $changed }.
# $linked (number): how many were linked before
# $left-out (number): how many do not match the condition
# $failed (number): how many failed
other-counts = Already linked: { $linked }. Not matching the condition: { $left-out }. Failed: { $failed }.
# $doubles (number): how many records
# $refused (number): how many records
# $strays (number): how many rows
# $undecided (number): how many fields
to-decide = For you to decide. Records with several rows: { $doubles }. Records that could not be matched or failed: { $refused }. Rows whose number matches no record: { $strays }. Fields with different values: { $undecided }.
show-every-record = Show every record and field
waits-for = Waiting: { $reason }
examples = Examples
begun = Started by { $by } at { $time }

## Notion: conflicts

conflicts = Conflicts
no-conflicts = No conflicts.
when = When
record = Record
field = Field
kept-value = Kept value
# $side (text): Bitrix24 or Notion
kept-because = { $side }: { $reason }
because-master = the settings prefer it
because-later = it was edited later
because-same-minute = both were edited in the same minute, so Bitrix24 wins
because-one-way = the field is synced one way only
because-other-unwritable = the other value cannot be written there
because-chosen = someone chose this value
because-first = the settings prefer it when a record and a row are linked
undone = undone by { $by }, { $time }
write-other = Write the other value
cannot-be-undone = cannot be written back
conflict-is-gone = This conflict is no longer stored.
# $field (text): the field's name
is-being-undone = { $field } of { $record } is being written back.

## What a backfill would do or did, record by record

the-plan = Plan for { $database }
the-run = Backfill of { $database }
run-is-gone = This run has expired. Make a new plan on the page Notion.
run-continues = The run continues. Reload this page to see more.
# $count (number): how many lines are kept
only-first-lines = { $count ->
    [one] Only the first line is kept.
   *[other] Only the first { $count } lines are kept.
} The counts on the page Notion are complete.
show = Show
everything = everything
kind-double = Several rows with one number
kind-refused = Not decided, or failed
kind-stray = Numbers that match no record
kind-change = Linked, with different values
kind-link = Linked with a row
kind-make = New pages
filter = Filter
download-csv = Download as CSV
back-to-notion = Back to Notion
none-of-this-kind = Nothing of this kind.
nothing-to-do = Nothing to do: all records and rows are linked and have the same values.
next-page = Next page
without-title = without a title
# $count (number): how many rows
rows-with-number = { $count ->
    [one] { $count } row has its number.
   *[other] { $count } rows have its number.
}
# $count (number): how many fields
different-values = Already linked. { $count ->
    [one] { $count } field has different values.
   *[other] { $count } fields have different values.
}
# $key (text): by what: number, title, email
would-be-linked = Would be linked with the row by its { $key }.
# $key (text): by what: number, title, email
was-linked = Linked with the row by its { $key }.
key-number = number
page-would-be-created = A page would be created.
page-was-created = A page was created.
untitled = Untitled
what-happens = What happens
# $side (text): Bitrix24 or Notion
written-to = written to { $side }
both-stay = both stay
both-stay-because = both stay: { $reason }
which-row-stays = Which row remains the page of { $record }?
other-rows = The other rows lose the number, and
others-stay = stay, with a note that says which row is synced
others-to-trash = go to Notion’s trash, with the same note
join-rows = Join them
choose-row = Choose the row that remains.
rows-are-joined = The rows of { $record } are being joined. Make a new plan to see what is left.
# $address (text): the address of the next file
rest-is-elsewhere = the rest is in another file: { $address }
more = more
