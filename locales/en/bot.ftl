### The chatbot in Bitrix24.

## What it says of itself

hello = Hello! I am Switchboard: I connect this portal with Slack and Notion.
chat-is-bridged = This chat is bridged with a Slack channel.
how-to-bridge = To bridge this chat with a Slack channel, type in that channel: /b24-bridge
help = Here is what I can do:

## Commands: what they do, and what follows them

command-slack = Post to the Slack channel of this chat
    .params = text
command-notion = Find a deal's or task's page in Notion
    .params = name or number
command-status = Show what is connected, and your open work

## /slack

slack-needs-text = Write what to post: /slack text
chat-is-not-bridged = This chat is not bridged with a Slack channel. In Slack, type in the channel: /b24-bridge
# $channel (text): the channel's name
posted = Posted to #{ $channel }.

## /notion

notion-is-not-set-up = Notion sync is not set up for this portal.
notion-needs-words = Write which deal or task: /notion name or number
# $words (text): what was looked for
no-page = No page found for { $words }.

## /status

# $provider (text): Slack, Notion or Bitrix24
access-refused = { $provider } rejected our token. An administrator must reconnect it.
# $providers (text): their names
connected = Connected: { $providers }.
# $channel (text): the channel's name
bridged-with = This chat is bridged with the Slack channel #{ $channel }.
# $open (text): how many tasks are open
# $late (text): how many of them are overdue
# $deals (text): how many deals are in progress
# $calls (text): how many calls were missed
open-work = Your open tasks: { $open } ({ $late } overdue). Deals in progress: { $deals }. Missed calls today: { $calls }.
