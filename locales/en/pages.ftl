### The frame of all pages, and what several pages show.

## The frame

skip-to-content = Skip to the content
# The label of the list of pages, for screen readers
list-of-pages = Pages
# $portal (text): the address of the company's Bitrix24
# $person (text): who is signed in
signed-in-as = { $portal } · signed in as { $person }
sign-out = Sign out

## The names of the pages

page-overview = Overview
page-events = Events
page-failed-deliveries = Failed deliveries
page-checks = Checks
page-routes = Routes
page-settings = Settings
page-people = People
page-conversations = Conversations
page-notion = Notion
page-needs-attention = Needs attention
page-api-keys = API keys
page-audit = Audit
page-connections = Connections

## On the way to a provider

one-moment = One moment
# $provider (text): a link to the provider
taken-to = You are being taken to { $provider }, where you allow access.

## Errors

failed = That did not work
not-found = Page not found
no-such-page = There is no such page.
back = Back
to-the-overview = To the overview

## Buttons

cancel = Cancel

## Times

# $duration (text): one of those below
ago = { $duration } ago
just-now = just now
# $count (number): how many
milliseconds = { $count } ms
# $count (number): how many
seconds = { $count } s
# $count (number): how many
minutes = { $count } min
# $count (number): how many
hours = { $count } h
# $count (number): how many
days = { $count } d
