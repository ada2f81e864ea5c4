### Slash commands in Slack: what they answer, and their forms.
###
### $words (text): what the person typed
### $name (text): a person's name
### $link (text): the record, as a link to its page
### $reason (text): what Bitrix24 says

## The commands. Slack's list and the home tab show what a command does and what can follow it; its help begins with its name.

command-lead = Create a lead in Bitrix24
    .usage = Company | Comment [--public]
    .help = creates a lead. Phone numbers, email addresses and web addresses in the text become its fields. Without text it opens a form.
    .examples =
        /b24-lead ACME | asked for a price list, +49 30 1234567, ann@acme.example
        /b24-lead acme.example --public
command-task = Create a task in Bitrix24
    .usage = Name | Description | @assignee | deadline [--public]
    .help = creates a task. Description, assignee and deadline are optional. People and a deadline can be in any part, or at the end of the name; further people become accomplices. Without text it opens a form.
    .examples =
        /b24-task Call ACME | about the roof | @ann | tomorrow 15:00
        /b24-task Send the offer @ann @bob friday 5pm
        /b24-task Send the offer | ann@example.com | in 2 hours --public
command-deal = Show a deal
    .usage = ID, link or words of its title [--public]
    .help = shows a deal: its stage, amount, responsible person and next activity, with buttons to work on it.
    .examples =
        /b24-deal 42
        /b24-deal roof for ACME
        /b24-deal 42 --public
command-status = Show my day in Bitrix24
    .usage = [--public]
    .help = shows today's leads, your open and overdue tasks, your missed calls and your deals by stage.
    .examples =
        /b24-status
        /b24-status --public
command-me = Show or change which Bitrix24 user I am
    .usage = [email or code]
    .help = shows who you are in Bitrix24. With your email it sends you a code in Bitrix24; with the code it links you.
    .examples =
        /b24-me
        /b24-me ann@example.com
        /b24-me K7M2QX4P
        /b24-me allow
        /b24-me off
command-bridge = Bridge this channel with a Bitrix24 chat
    .usage = [chat57 or off]
    .help = bridges this channel with a Bitrix24 chat: what is written in one can be read in both.
    .examples =
        /b24-bridge chat57
        /b24-bridge off

## All commands

working = Working on it …
help-public = Only you see the answer. Add --public, or press Share to channel, to show it to everyone in the channel.
share = Share to channel
# $person (text): who shows an answer to the channel, as a mention
shared-by = Shared by { $person }
not-shown-here = People of another organisation read this channel, so only you see this. An administrator can allow it in the settings (commands.fields_in_shared_channels).
# $label (text): what a value is called
# $value (text): the value
labelled = { $label }: { $value }

## What was typed cannot be used

# $commands (text): the commands that there are
unknown-command = There is no command “{ $words }”. The commands are: { $commands }
no-company = Which company? Its name comes first, before the bar.
no-task-name = What is the task called? Its name comes first, before the bar.
deadline-unknown = I don't understand the deadline “{ $words }”. Type tomorrow 15:00, friday, 5pm, in 2 hours, end of month, 25 dec or 2026-12-25
deadline-past = The deadline “{ $words }” is in the past. Type a later one.
# $one (text): a day that is meant, as 2026-06-05
# $other (text): the other day that may be meant
deadline-ambiguous = The deadline “{ $words }” can be { $one } or { $other }. Type one of these.
unknown-assignee = I don't know who “{ $words }” is. To name the assignee, type an @mention, a full name or an email.
# $people (text): their names
which-person = “{ $words }” can be { $people }. Type an @mention, a full name or an email.
# $people (text): the names of some
# $count (number): how many there are besides
people-and-more = { $people } and { $count ->
    [one] { $count } other
   *[other] { $count } others
}
not-linked = This Slack account isn't linked to a Bitrix24 user yet. Type /b24-me to link an account, or ask an administrator.
# $people (text): their names
# $count (number): how many they are
people-not-linked = { $people } { $count ->
    [one] isn't
   *[other] aren't
} linked to a Bitrix24 user yet. Type /b24-me to link an account, or ask an administrator.
left-over = I don't know what to do with “{ $words }”. Remove it, or put it where it belongs.
# $command (text): the command
takes-no-text = { $command } is used without text, so I don't know what to do with “{ $words }”. To show the answer to everyone in the channel, type { $command } --public
unknown-chat = “{ $words }”: name the chat as chat57 or by its address (…/online/?IM_DIALOG=chat57)
# $host (text): where the link leads
# $portal (text): the address of the portal that is connected
other-portal = This link leads to { $host }. Switchboard works with { $portal } here, so nothing was opened.
# $address (text): where the link leads
not-a-deal = { $address } does not lead to a deal. /b24-deal shows deals, by number, link or words of the title.
lead-not-created = Bitrix24 refused to create the lead, and nothing was created. It says: { $reason }
task-not-created = Bitrix24 refused to create the task, and nothing was created. It says: { $reason }

## What Bitrix24 does not do

not-allowed = Bitrix24 does not allow this. Ask an administrator of your portal for the permission, or open the record there.
not-found = Bitrix24 does not find it, or you are not allowed to see it. Open it in Bitrix24, or ask to become its observer.
refused = Bitrix24 refused this: { $reason }

## A command that has to wait

waits-for-answer = Bitrix24 is not answering.
waits-for-limit = Bitrix24 has asked for a pause.
waits-for-access = Bitrix24 rejects the access of Switchboard: an administrator has to connect the portal again.
waiting-lead = Your lead will be created as soon as Bitrix24 is available again.
waiting-task = Your task will be created as soon as Bitrix24 is available again.
waiting-other = What you asked for will be done as soon as Bitrix24 is available again.
waiting-tries = I keep trying, every 20 seconds at first. You can cancel it.
waited-and-done = Bitrix24 answers again: what you asked for is done.
# $reason (text): what the provider says
waited-and-failed = What you asked for could not be done: { $reason }
cancelled = Cancelled. Nothing was changed in Bitrix24.
cancelled-unsure = Cancelled. An earlier try may have reached Bitrix24: look there.
being-tried = It is being tried at this very moment. If Bitrix24 does not answer this time, it is cancelled.
cancelled-too-late = Too late to cancel: it no longer waits.
cancelled-by-other = Only the person who gave the command can cancel it.

## Who the person is in Bitrix24

# $email (text): the person's email
email-unknown = Nobody in Bitrix24 has your email { $email }.
not-linked-yet = Your Slack account isn't linked to a Bitrix24 user yet.
email-hidden = I cannot see your email in Slack.
how-to-link = Type /b24-me and your Bitrix24 email to link yourself, or ask an administrator to link you on the page People.
dismissed = Your Bitrix24 account is no longer active. If that is a mistake, ask an administrator of your portal.
other-not-linked = This person isn't linked to a Bitrix24 user yet. They can type /b24-me, or an administrator can link them.

## Working with one's own rights

why-allow = Switchboard works in Bitrix24 with your own rights: you see and change here what you may see and change there. Allow that once.
why-allow-again = Your Bitrix24 authorization has expired. Allow Switchboard again, and what you do here is done as you.
allow = Allow Switchboard to act as you
allow-needs-address = Ask an administrator to make this possible: the public address of Switchboard is not configured.
then-again = Then do it again.
then-type-again = Then do this again: { $words }
permission-dropped = Bitrix24 no longer accepts the permission that you gave, so Switchboard dropped it. Do this again: { $words }
needs-an-application = Bitrix24 is connected by an incoming webhook here. Working with your own rights needs an application; an administrator can connect one at /install.

## /b24-me

# $user (text): the user's number in Bitrix24
linked-by-email = You are { $name } (user { $user }) in Bitrix24, linked by your email.
# $user (text): the user's number in Bitrix24
linked-by-administrator = You are { $name } (user { $user }) in Bitrix24, linked by an administrator.
# $user (text): the user's number in Bitrix24
linked-by-yourself = You are { $name } (user { $user }) in Bitrix24, linked by yourself.
# $user (text): the user's number in Bitrix24
linked-by-settings = You are { $name } (user { $user }) in Bitrix24, linked by the settings.
own-rights = You work with your own rights.
concerned-rights = You can reach the records that you are responsible for, created or observe.
connection-rights = You work with the rights of the connection.
how-to-allow = Type /b24-me allow to work with your own rights.
if-wrong = If that is wrong, type /b24-me and your Bitrix24 email.
code-sent = If someone in Bitrix24 has this email, they now have a message with a code there. Type /b24-me and the code within 15 minutes. A person is sent at most three codes an hour.
only-members = Only people of this workspace can be linked.
# $minutes (number): how long to wait
too-many-codes = You asked for three codes within an hour, or typed five wrong ones. Try again in { $minutes } min.
wrong-code = This is not the code, or it has expired. Type /b24-me and your Bitrix24 email to get another one.
how-to-undo = The Bitrix24 user was notified there. Type /b24-me off to undo it.
unlinked = Your link was removed. You may still be matched by your email.

## Messages in Bitrix24 about a link

# $person (text): the name and email of who asks, in Slack
# $code (text): the code
code-for-you = { $person } in Slack asked to be linked to you. If that is you, type there: /b24-me { $code }
    If not, ignore this message and do not share the code.
# $person (text): the name and email of who is linked, in Slack
now-linked = { $person } in Slack is now linked to you and works in Bitrix24 as you.
# $address (text): where the link is removed
undo-within-days = If that was not you, undo it within seven days: { $address }
undo-by-administrator = If that was not you, ask an administrator to undo it on the page People.

## /b24-lead and /b24-task

lead-created = New lead: { $link }
task-created = New task: { $link }
accomplices = Accomplices
# Comments in Bitrix24 that name the person for whom something was done
created-in-slack = Created in Slack by { $name }
from-slack = From Slack, by { $name }

## /b24-deal

stage-kept = Bitrix24 left the deal in its stage: a required field may be empty, or the stage is of another funnel.
# $stage (text): the stage that the deal is in now
moved-to = Moved to { $stage }
# $stage (text): the stage that the deal is in now
stage-changed = Stage → { $stage }
is-yours = It is yours now.
comment-added = Comment added.
change-stage = Change stage
take = Take it
add-comment = Add comment
next-activity = Next activity
no-such-deal = No deal has “{ $words }” in its title. Try its number: /b24-deal 42
which-deal = Which one?
# $count (number): how many deals are not listed
more-deals = { $count ->
    [one] There is { $count } more.
   *[other] There are { $count } more.
} Type more of the title, or the number.
show = Show

## /b24-status

today = Today in Bitrix24: { $name }
leads-today = Leads today
my-leads-today = My leads today
missed-calls-today = My missed calls today
open-tasks = My open tasks
overdue = Overdue
# $count (text): how many deals
my-deals = My deals: { $count }
not-visible = not visible to you

## /b24-bridge

not-bridged-yet = This channel is not bridged. Add the bot Switchboard to the chat in Bitrix24, then type /b24-bridge chat57 with the chat's number.
not-bridged = This channel is not bridged.
# $chat (text): the chat, as a link
bridged = This channel is bridged with the chat { $chat }
bridged-chat-unread = Switchboard cannot read the chat, so messages missed while it is unreachable are not found. Add the user with whose rights the portal is connected to the chat.
no-longer-bridged = The channel is no longer bridged with the chat.
only-administrators-bridge = Only administrators of this workspace can bridge channels with chats. Ask one of them to type this command.
nobody-bridges = Bridges cannot be changed by this command: the settings turn it off (chats.who_bridges: nobody). They are changed on the administrators' pages and in the settings document.
bridge-needs-address = The public address of Switchboard is not configured. Set public_url (on one machine) or PublicUrl (on AWS), and restart.
chat-is-taken = This chat is already bridged with another channel. Remove that bridge there first: /b24-bridge off
# $chat (text): the chat, as it was typed
bot-not-in-chat = The bot is not in { $chat }. Add the bot Switchboard to that chat in Bitrix24, then type this again.
invite-bot = Invite the bot first: /invite @Switchboard
bridge-in-settings = This bridge is in the settings document, under bridges. Remove it there.

## Forms

create = Create
cancel = Cancel
run = Run
edit = Edit
open-form = Open it
form-too-slow = The form took too long to open.
draft-too-slow = The form took too long to open. What you typed is kept.
draft-gone = What you typed was kept for a day and has been deleted. Type the command again.
new-lead = New lead
new-task = New task
comment = Comment
add = Add
write-something = Write something.
task-name = Name
description = Description
deadline-in-words = Or the deadline in words
# $zone (text): the name of a time zone
deadline-hint = tomorrow 15:00, friday, in 2 hours, end of month; in your time zone, { $zone }
