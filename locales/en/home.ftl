### The app's home tab in Slack.

# $name (text): the person's name in Bitrix24
day = { $name } in Bitrix24
welcome = Welcome to Switchboard
not-linked = Not linked.
how-to-link = Your Slack account isn't linked to a Bitrix24 user yet. Type /b24-me with your Bitrix24 email in any channel, or ask an administrator to link you.
my-settings = My settings
# $usage (text): a command and what can follow it
# $description (text): what it does
command = { $usage } – { $description }
open-bitrix24 = Open Bitrix24
