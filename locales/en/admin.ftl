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
connections = Connections
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
