### Cards: what people read of a change in Slack, with the words of cards in them (as templates in the settings have them).
### A headline is above the card; a notification is what devices show.
###
### $link (word): the record, as a link to its page
### $title (word): the record's title
### $id (word): the record's number
### $type (word): what kind of record it is
### $stage (word): the stage that it is in
### $from_stage (word): the stage that it was in
### $funnel (word): the funnel that it is in
### $from_funnel (word): the funnel that it was in
### $status (word): the task's status
### $from_status (word): the status that it had
### $deadline (word): the task's deadline
### $responsible (word): who is responsible
### $changed_fields (word): the fields that changed
### $author (word): who commented
### $text (word): the comment
### $phone (word): the other side's phone number

## Created

lead-created = New lead { $link }
    .notification = New lead: { $title }
deal-created = New deal { $link }
    .notification = New deal: { $title }
contact-created = New contact { $link }
    .notification = New contact: { $title }
company-created = New company { $link }
    .notification = New company: { $title }
item-created = New item { $link }
    .notification = New item: { $title }
task-created = New task { $link }
    .notification = New task: { $title }

## Moved

deal-won = Deal won: { $link }
    .notification = Deal won: { $title } ({ $from_stage } → { $stage })
deal-lost = Deal lost: { $link }
    .notification = Deal lost: { $title } ({ $from_stage } → { $stage })
deal-moved = Deal { $link }
    .notification = Deal { $title }: { $from_stage } → { $stage }
lead-moved = Lead { $link }
    .notification = Lead { $title }: { $from_stage } → { $stage }
item-moved = Item { $link }
    .notification = Item { $title }: { $from_stage } → { $stage }
deal-changed-funnel = Deal { $link } moved to another funnel
    .notification = Deal { $title }: { $from_funnel } → { $funnel }, { $stage }
item-changed-funnel = Item { $link } moved to another funnel
    .notification = Item { $title }: { $from_funnel } → { $funnel }, { $stage }

## Changed and deleted

responsible-changed = { $responsible } is now responsible for { $link }
    .notification = { $responsible } is now responsible for { $title }
updated = Changed: { $link }
    .notification = Changed: { $title } ({ $changed_fields })
lead-deleted = Deleted: { $title } (lead { $id })
deal-deleted = Deleted: { $title } (deal { $id })
contact-deleted = Deleted: { $title } (contact { $id })
company-deleted = Deleted: { $title } (company { $id })
item-deleted = Deleted: { $title } (item { $id })
task-deleted = Deleted: { $title } (task { $id })
deleted-notification = Deleted: { $title }

## Tasks

task-changed-status = Task { $link }
    .notification = Task { $title }: { $from_status } → { $status }
task-changed-deadline = New deadline for task { $link }
    .notification = New deadline for { $title }: { $deadline }
task-commented = { $author } commented on { $link }
    .notification = { $author } commented on { $title }: { $text }

## Calls

call-missed = Missed call from { $phone }
call-ended = Call with { $phone }
call-recorded = Recording of the call with { $phone }

## Changes that a portal defines

custom = { $type }: { $link }
    .notification = { $type }: { $title }

## Parts of cards

open = Open in Bitrix24
listen = Listen
listen-in-bitrix24 = Listen in Bitrix24

## Digests: several changes in one message

# $title (text): why they come together
# $count (number): how many changes there are
digest = { $count ->
    [one] { $title }: { $count } change
   *[other] { $title }: { $count } changes
}
after-quiet-hours = During quiet hours
many-at-once = Many changes at once
# $count (number): how many changes the digest does not show
and-more = and { $count } more
