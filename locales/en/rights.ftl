### The rights that Switchboard asks for at each provider: what each is for.

## What the bot may do in Slack

slack-chat-write = post cards and messages
slack-chat-write-public = post in public channels without an invitation
slack-chat-write-customize = show the name and picture of the person who wrote in Bitrix24
slack-commands = receive commands and shortcuts
slack-channels-read = find a channel by its name
slack-channels-join = join a channel, to read it
slack-channels-history = read messages in bridged channels, and check whether a card exists before posting it again
slack-channels-manage = create a project's channel, if the settings ask for it
slack-groups-read = find private channels that invited the bot
slack-groups-history = read private channels that invited the bot
slack-im-write = write to people
slack-im-history = check whether a message to a person exists before sending it again
slack-users-read = find people
slack-users-read-email = find people by their email address
slack-usergroups-read = write the names of user groups in bridged chats; without it they are “a user group”
slack-files-read = copy files from bridged channels
slack-files-write = copy files from bridged chats
slack-reactions-read = copy reactions to Bitrix24
slack-reactions-write = copy reactions from Bitrix24
slack-links-read = notice links to deals and tasks
slack-links-write = show deals and tasks below links to them
slack-metadata-message-read = find its own message by its delivery

## What the Bitrix24 application may do

bitrix24-crm = leads, deals, contacts, companies, smart processes: nothing works without it
bitrix24-user-basic = names, and email addresses to find people in Slack
bitrix24-task = tasks, and comments in the old task card
bitrix24-im = comments in the new task card, which are chat messages, and bridged chats
bitrix24-imbot = the chatbot
bitrix24-telephony = who called, and recordings
bitrix24-sonet-group = names of projects

## What the connection may do in Notion

notion-read-content = read the rows of databases that you share
notion-update-content = write changes from Bitrix24
notion-insert-content = create pages for new deals and tasks
notion-read-users = find the person responsible
