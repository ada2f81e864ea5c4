### Scheduled reports in Slack.

## What is connected, and what was sent

# $provider (text): Bitrix24, Slack or Notion
# $reason (text): what the provider said
access-rejected = { $provider } rejected our token: { $reason }
# $providers (text): their names
connected = Connected: { $providers }.
# $delivered (number): how many deliveries arrived
# $waiting (number): how many wait
# $failed (number): how many failed
last-day = In the last 24 hours: { $delivered } delivered, { $waiting } waiting, { $failed } failed.
# $delivered (number): how many deliveries arrived
# $waiting (number): how many wait
# $failed (number): how many failed
last-day-at-least = In the last 24 hours at least: { $delivered } delivered, { $waiting } waiting, { $failed } failed.
# $databases (number): how many are synced
# $conflicts (number): how many are kept
notion = Notion: { $databases ->
    [one] { $databases } database
   *[other] { $databases } databases
}, { $conflicts ->
    [one] { $conflicts } conflict
   *[other] { $conflicts } conflicts
}.

## What changed

# $since (text): the moment since when
nothing-changed = Nothing has changed since { $since }.
# $since (text): the moment since when
since = Since { $since }:
# $since (text): the moment since when
since-at-least = Since { $since }, at least:
# $kind (text): the kind of change
# $count (number): how many
count = { $kind }: { $count }

## Kinds of changes

lead-created = Leads created
lead-updated = Leads changed
lead-stage-changed = Leads moved to another stage
lead-responsible-changed = Leads given to another person
lead-deleted = Leads deleted
deal-created = Deals created
deal-updated = Deals changed
deal-stage-changed = Deals moved to another stage
deal-funnel-changed = Deals moved to another funnel
deal-responsible-changed = Deals given to another person
deal-deleted = Deals deleted
contact-created = Contacts created
contact-updated = Contacts changed
contact-responsible-changed = Contacts given to another person
contact-deleted = Contacts deleted
company-created = Companies created
company-updated = Companies changed
company-responsible-changed = Companies given to another person
company-deleted = Companies deleted
item-created = Smart process items created
item-updated = Smart process items changed
item-stage-changed = Smart process items moved to another stage
item-funnel-changed = Smart process items moved to another funnel
item-responsible-changed = Smart process items given to another person
item-deleted = Smart process items deleted
task-created = Tasks created
task-updated = Tasks changed
task-status-changed = Tasks with a new status
task-responsible-changed = Tasks given to another person
task-deadline-changed = Tasks with a new deadline
task-commented = Comments on tasks
task-deleted = Tasks deleted
call-ended = Calls
call-missed = Missed calls
call-recorded = Recordings of calls
