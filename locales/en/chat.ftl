### Messages between a Slack channel and a Bitrix24 chat: what is said in place of what cannot be carried as it is.

## Messages that are too large

# $characters (number): how many characters are shown
shortened = … (shortened: only the first { $characters ->
    [one] { $characters } character is
   *[other] { $characters } characters are
} shown)
# $parts (number): how many parts are shown
shortened-to-parts = … (shortened: only the first { $parts ->
    [one] { $parts } part is
   *[other] { $parts } parts are
} shown)
too-large-message = a message that is too large to copy

## Who and where

someone = someone
someone-outside = someone outside
a-user-group = a user group
a-private-channel = a private channel
direct-messages = direct messages
a-channel = a channel

## Forwarded messages

# $author (text): who wrote it
forwarded = ↪ Forwarded from { $author }
# $author (text): who wrote it
# $channel (text): where
forwarded-from = ↪ Forwarded from { $author }, in { $channel }
open-in-slack = open in Slack
open-in-bitrix24 = open in Bitrix24
older-message-edited = An older message was edited in Slack:
# $time (text): a date and a time
written-then = Written at { $time }, copied late:

## Huddles and calls

huddle-started = A huddle started
huddle-ended = A huddle ended
# $people (number): how many took part
people-took-part = { $people ->
    [one] { $people } person
   *[other] { $people } people
}
# $minutes (number): how long it was
minutes = { $minutes } min
a-call = a call
call-ended = ended

## Notices of Slack's, below the name of who caused them

canvas-changed = changed the channel's canvas in Slack
reminder-added = set a reminder in Slack
pinned = pinned something in Slack
unpinned = unpinned something in Slack
channel-changed = changed the channel in Slack

## Parts of messages

a-picture = a picture
# $kind (text): Slack's name for the kind of content
only-in-slack = content that only Slack can show ({ $kind })

## Files: behind the file's name

# $id (text): the file's number, where its name is not known
file-number = file { $id }
in-another-cloud = (in another cloud)
# $service (text): the name of the service
in-cloud = (in { $service })
a-canvas = (a canvas in Slack)
a-list = (a list in Slack)
a-post = (a post in Slack)
# $size (number): the file's size
kilobytes = { $size } KB
# $size (number): the file's size
megabytes = { $size } MB

## Why a file is not copied: behind the file's name and a colon

file-gone = it no longer exists
file-hidden = it is hidden by the limits of the workspace's Slack plan
file-denied = Slack does not show it to Switchboard
file-refused = Slack does not allow the app to read it
file-scope-missing = Slack does not allow the app to read it (files:read)
file-too-large = it is too large to copy
files-off = files are not copied
bots-cannot-share = bots on this portal cannot share files
file-refused-by-bitrix24 = Bitrix24 does not allow the app to read it
file-removed = its author removed it in Slack, but its copy here cannot be deleted
